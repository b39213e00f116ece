"""Turns a healthy answer into the bytes, pauses and endings that the script asks for."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from unigate.mock.ask import Event
from unigate.mock.script import Point, Script

__all__ = [
    "Step",
    "Steps",
    "Stop",
    "Then",
    "chunked",
    "headed",
    "merged",
    "scripted",
    "spelt",
    "split",
    "stop",
    "whole",
]

SLICE = 65_536


class Then(Enum):
    """What follows a step."""

    GO = 0
    HANG = 1
    FIN = 2
    RST = 3
    PING = 4


class Step(NamedTuple):
    """Bytes to write, the events and tokens they tell, and what follows."""

    payload: bytes
    events: int = 0
    tokens: int = 0
    then: Then = Then.GO


Steps = Iterator[Step]


def spelt(events: Iterator[Event], script: Script, *, sse: bool) -> Iterator[Event]:
    """The events in the spelling that the script asks for; some spellings exist for server-sent events only."""
    told = _lined(_dressed(events, script) if sse else events, script)
    return _untailed(told) if script.notail else told


def _untailed(events: Iterator[Event]) -> Iterator[Event]:
    last, tokens = next(events)
    for event in events:
        yield last, tokens
        last, tokens = event
    yield last.rstrip(b"\r\n"), tokens


def _dressed(events: Iterator[Event], script: Script) -> Iterator[Event]:
    for event, tokens in events:
        if script.nospace:
            event = event.replace(b"data: ", b"data:", 1)
        if script.multiline:
            event = event.replace(b'{"', b'{\ndata: "', 1)
        if script.comments:
            event = b": the scripted upstream is thinking\n\nid: 7\nretry: 1000\n" + event
        yield event, tokens


def _lined(events: Iterator[Event], script: Script) -> Iterator[Event]:
    ends = b"\r\n" if script.crlf else b"\r" if script.cr else b""
    start = b"\xef\xbb\xbf" if script.bom else b""
    for event, tokens in events:
        if script.bigevent and b'"content":"' in event:
            event = event.replace(b'"content":"', b'"padding":"%b","content":"' % (b"x" * script.bigevent), 1)
        if ends:
            event = event.replace(b"\r\n", b"\n").replace(b"\n", ends)
        yield start + event, tokens
        start = b""


class Stop(NamedTuple):
    """Where an answer stops before its time, and how."""

    point: Point
    then: Then


def stop(script: Script) -> Stop | None:
    """The place where this script stops an answer."""
    if script.stall is not None:
        return Stop(script.stall, Then.PING if script.stall.where == "pings" else Then.HANG)
    if script.cut is not None:
        return Stop(script.cut, Then.FIN)
    return Stop(script.reset, Then.RST) if script.reset is not None else None


def scripted(events: Iterator[Event], script: Script, error: bytes) -> Steps:
    """The events up to the place where the script stops them."""
    halt = stop(script)
    last = halt.point.after if halt is not None and halt.point.where != "end" else -1
    wrong = -1 if script.inband is None else script.inband
    for sent, (event, tokens) in enumerate(events):
        if sent == wrong:
            yield Step(error, 1)
            return
        if halt is not None and sent == last:
            yield Step(event[: len(event) // 2] if halt.point.where == "mid" else b"", then=halt.then)
            return
        yield Step(event, 1, tokens)
    if halt is not None and halt.point.where == "end":
        yield Step(b"", then=halt.then)


def whole(body: bytes, tokens: int, script: Script) -> Steps:
    """A whole body in slices, up to the place where the script stops it."""
    halt = stop(script)
    end = len(body)
    if halt is not None:
        match halt.point.where:
            case "mid":
                end //= 2
            case "end":
                end -= 1
            case "events" if halt.point.at:
                pass
            case _:
                end = 0
    for start in range(0, max(end, 1), SLICE):
        final = start + SLICE >= end
        then = halt.then if halt is not None and final else Then.GO
        if then is Then.PING:  # a body with a length has no room for comments
            then = Then.HANG
        yield Step(body[start : min(start + SLICE, end)], int(final), tokens if final else 0, then)


def chunked(steps: Steps, script: Script) -> Steps:
    """The steps as HTTP chunks."""
    bad = script.badchunk
    for nth, step in enumerate(steps):
        if step.payload:
            # A stop inside an event leaves the chunk unfinished too.
            length = len(step.payload) if step.events or step.then is Then.GO else 2 * len(step.payload)
            size = b"zz" if bad and nth == 1 else b"%x" % length
            ending = b"\r\n" if length == len(step.payload) else b""
            step = Step(b"%b\r\n%b%b" % (size, step.payload, ending), step.events, step.tokens, step.then)
        yield step
        if step.then is not Then.GO:
            return
    yield Step(b"0\r\nx-mock-trailer: end\r\n\r\n" if script.trailers else b"0\r\n\r\n")


def merged(steps: Steps) -> Steps:
    """All the steps as one."""
    parts: list[bytes] = []
    events = tokens = 0
    then = Then.GO
    for step in steps:
        parts.append(step.payload)
        events, tokens, then = events + step.events, tokens + step.tokens, step.then
    yield Step(b"".join(parts), events, tokens, then)


def split(steps: Steps, size: int) -> Steps:
    """The same bytes in pieces of the given size."""
    for step in steps:
        pieces = [step.payload[at : at + size] for at in range(0, len(step.payload), size)]
        yield from (Step(piece) for piece in pieces[:-1])
        yield step._replace(payload=pieces[-1] if pieces else b"")


def headed(head: bytes, steps: Steps) -> Steps:
    """The head, sent together with the first step."""
    first = next(steps, Step(b""))
    yield first._replace(payload=head + first.payload)
    yield from steps
