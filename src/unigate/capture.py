"""Capture: what is kept of the bodies of a call whose key asks for it, gathered as they pass, up to a cap each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from unigate.accounting.record import Body, encode_entry
from unigate.call import Call
from unigate.dialects.converted import Crossing
from unigate.dialects.crossing import Straight
from unigate.errors import Fault, StorageError
from unigate.journal import Journal, Scribe
from unigate.side_files import SideFiles
from unigate.target import Target
from unigate.tenancy import Capture
from unigate.usage import Usage
from unigate.wire.body import decode_body

__all__ = ["Books", "Capturing", "Shelf", "Watched"]

log: Final = logging.getLogger("unigate.door")

_LARGEST_ENTRY: Final = 64 * 1024
_REDACTED: Final = Capture.REDACTED
_FULL: Final = Capture.FULL
# What every call has changed on its way; the record tells the model, and nobody's words are in the other.
_OURS: Final = ("model", "stream_options")


class Shelf:
    """Where a door puts bodies: small ones into the journal, large ones beside it. They give way to records."""

    def __init__(self, journal: Journal, folder: Path, *, most: int, most_waiting: int = 32 * 1024 * 1024) -> None:
        self._journal = journal
        self._most = most
        self._side_files = SideFiles(folder, self._write, most_waiting=most_waiting)
        # How many bodies found no room.
        self.dropped = 0

    def capturing(self, call: Call) -> Capturing | None:
        """What gathers the bodies of a call whose body was just received; None if its key keeps none."""
        capture = call.caller.standing.capture
        if capture is _FULL or capture is _REDACTED:
            return Capturing(call, self, self._most, redact=capture is _REDACTED)
        return None

    def put(self, body: Body) -> bool:
        """Whether there was room for it."""
        is_large = len(body.content) > _LARGEST_ENTRY
        if self._journal.is_tight or (is_large and not self._side_files.put(body)):
            self._drop(body)
            return False
        return is_large or self._write(body)

    async def close(self, seconds: float) -> None:
        """Waits for the large ones that are being written, but not longer than that."""
        await self._side_files.close(seconds)

    def _write(self, body: Body) -> bool:
        try:
            self._journal.begin(encode_entry(body))
        except StorageError:
            self._drop(body)
            return False
        return True

    def _drop(self, body: Body) -> None:
        if not self.dropped:
            log.warning("bodies.dropped first=%s", body.call)
        self.dropped += 1


class Books(NamedTuple):
    """What a door writes in: its journal, and the shelf for bodies."""

    journal: Scribe
    shelf: Shelf


class _Kept:
    """The beginning of a body, and how long all of it was."""

    __slots__ = ("_most", "content", "size")

    def __init__(self, most: int) -> None:
        self._most = most
        self.content = bytearray()
        self.size = 0

    def add(self, piece: bytes) -> None:
        room = self._most - len(self.content)
        if room > 0:
            self.content += piece[:room]
        self.size += len(piece)


class Capturing:
    """The bodies of one running call, until its record is written."""

    __slots__ = ("_call", "_is_redacted", "_most", "_shelf", "answer", "received", "request", "sent")

    def __init__(self, call: Call, shelf: Shelf, most: int, *, redact: bool) -> None:
        self._call = call.id
        self._shelf = shelf
        self._most = most
        self._is_redacted = redact
        self.request = _Kept(most)
        self.request.add(call.content)
        self.answer = _Kept(most)
        self.begin_attempt()

    def begin_attempt(self) -> None:
        """What an attempt before it sent and received is forgotten."""
        self.sent = _Kept(self._most)
        self.received = _Kept(self._most)

    def put_away(self) -> tuple[str, ...]:
        """Hands everything to the shelf; what the record must say about it."""
        kept = (("request", self.request), ("answer", self.answer), ("sent", self.sent), ("received", self.received))
        found = [
            self._shelf.put(Body(self._call, kind, bytes(one.content), self._is_redacted, one.size))
            for kind, one in kept
            if one.size
        ]
        return () if all(found) else ("body_dropped",)


class Watched:
    """A crossing whose bytes are kept on both of its sides, as far as the sides differ."""

    __slots__ = ("_capturing", "_crossing", "_is_straight", "feed")

    def __init__(self, crossing: Crossing, capturing: Capturing) -> None:
        self._crossing = crossing
        self._capturing = capturing
        # Its answer is the provider's own, so one copy is enough.
        self._is_straight = isinstance(crossing, Straight)

    @property
    def streams(self) -> bool:
        """Whether the upstream is asked for a stream."""
        return self._crossing.streams

    @property
    def is_stream(self) -> bool:
        """Whether the client's answer is a stream of events."""
        return self._crossing.is_stream

    @property
    def query(self) -> str:
        """What the call adds to the query of the address."""
        return self._crossing.query

    @property
    def dropped(self) -> tuple[str, ...]:
        """Request fields that were left out, by name."""
        return self._crossing.dropped

    @property
    def usage(self) -> Usage:
        """What the call has consumed so far."""
        return self._crossing.usage

    def outgoing(self, call: Call, target: Target) -> bytes:
        """The request body for the target; kept if it is not the client's own."""
        self._capturing.begin_attempt()
        content = self._crossing.outgoing(call, target)
        if not (self._is_straight and _is_same(call, content)):
            self._capturing.sent.add(content)
        return content

    def begin(self, content_type: bytes) -> None:
        """Learns from the answer's content type how its body will pass."""
        self._crossing.begin(content_type)
        # What may be passed on now: whole events, or nothing yet.
        self.feed: Callable[[bytes], bytes] = self._both_sides() if not self._is_straight else self._one_side()

    def content_type(self, upstream: bytes) -> bytes:
        """The content type of the client's answer."""
        return self._crossing.content_type(upstream)

    def close(self) -> bytes:
        """The terminal part. Raises Fault if the answer did not come to its proper end."""
        last = self._crossing.close()
        self._capturing.answer.add(last)
        return last

    def fault(self, status: int, headers: dict[bytes, bytes], content: bytes) -> Fault:
        """The fault behind an error answer, whose own words the client never sees."""
        self._capturing.received.add(content)
        return self._crossing.fault(status, headers, content)

    def _one_side(self) -> Callable[[bytes], bytes]:
        feed, answered = self._crossing.feed, self._capturing.answer.add

        def pass_on(chunk: bytes) -> bytes:
            passed = feed(chunk)
            answered(passed)
            return passed

        return pass_on

    def _both_sides(self) -> Callable[[bytes], bytes]:
        received, pass_on = self._capturing.received.add, self._one_side()

        def take(chunk: bytes) -> bytes:
            received(chunk)
            return pass_on(chunk)

        return take


def _is_same(call: Call, content: bytes) -> bool:
    """Whether the provider was sent what the client said, but for its model's name and what we ask for ourselves."""
    if call.body is None:
        return True  # a form, of which only the model is rewritten
    sent = decode_body(content)
    return _without_ours(sent) == _without_ours(call.body)


def _without_ours(body: Mapping[str, msgspec.Raw]) -> Mapping[str, msgspec.Raw]:
    return {name: value for name, value in body.items() if name not in _OURS}
