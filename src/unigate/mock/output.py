"""Every byte of one answer in its order: the head, the body or the events, and whatever the script spoils of them."""

from __future__ import annotations

import msgspec

from unigate.mock import head
from unigate.mock.ask import Reply
from unigate.mock.bodies import bomb, encoded, encoded_steps, spoiled
from unigate.mock.faults import Step, Steps, chunked, headed, merged, scripted, spelt, split, stop, whole
from unigate.mock.frames import framed
from unigate.mock.head import Top
from unigate.mock.script import Point, Script

__all__ = ["output", "plain"]

EVENTS = b"text/event-stream"


def output(reply: Reply, top: Top, script: Script, error: bytes) -> Steps:
    """The answer as the script wants it; the error is what a stream says if the script breaks it off in band."""
    script = _unpinged(script, top)
    halt = stop(script)
    if halt is not None and halt.point.where == "head":
        return iter((Step(b"", then=halt.then),))
    steps = _streamed(reply, top, script, error) if reply.events else plain(reply, top, script)
    if halt is not None and halt.point.where == "status":
        steps = iter((Step(next(steps).payload[:20], then=halt.then),))
    if script.interim:
        steps = headed(head.interim(script), steps)
    if script.merge:
        steps = merged(steps)
    return split(steps, script.split) if script.split > 0 else steps


def _unpinged(script: Script, top: Top) -> Script:
    """The script, but still where it would send comments into a stream that knows none."""
    point = script.stall
    if point is None or point.where != "pings" or top.content_type.startswith(EVENTS):
        return script
    return msgspec.structs.replace(script, stall=Point("events", point.after))


def _streamed(reply: Reply, top: Top, script: Script, error: bytes) -> Steps:
    assert reply.events is not None
    events = reply.events
    if script.chars is not None or script.body:
        events = ((spoiled(event, script), tokens) for event, tokens in events)
    if reply.frame is not None:
        events, error = framed(events, reply.frame, script), reply.frame(error) if error else error
    else:
        events = spelt(events, script, sse=top.content_type.startswith(EVENTS))
    steps = encoded_steps(scripted(events, script, error), script)
    start = head.build(top, -1 if script.close else None, script)
    return headed(start, steps if script.close else chunked(steps, script))


def plain(reply: Reply, top: Top, script: Script) -> Steps:
    """The answer in one body."""
    body = spoiled(reply.body, script)
    if script.encoding == "bomb":
        steps = chunked((Step(piece) for piece in bomb(body, script)), script)
        return headed(head.build(top, None, script), steps)
    body = encoded(body, script)
    steps = whole(body, reply.output_tokens, script)
    if script.badchunk or script.trailers:
        return headed(head.build(top, None, script), chunked(steps, script))
    framing = -1 if script.close else len(body) + script.short
    extra = [Step(b"!" * script.long)] if script.long else []
    return headed(head.build(top, framing, script), _chain(steps, extra))


def _chain(steps: Steps, extra: list[Step]) -> Steps:
    yield from steps
    yield from extra
