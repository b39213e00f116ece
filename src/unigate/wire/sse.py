"""Server-sent events as bytes: cuts a stream where an event ends, without decoding what is only carried.

Line ends and blank lines follow the WHATWG HTML standard, section 9.2.6: LF, CR LF and CR all end a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from unigate.errors import Fault, Kind

__all__ = ["Cutter", "data_of", "events"]

# A CR at the very end may be half of a CR LF, so it ends a line only once the next byte is known.
_END = rb"(?:\r\n|\n|\r(?=[^\n]))"
_BLANK = re.compile(_END + _END)
_BLANK_AT_CLOSE = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?!\n))")


class Cutter:
    """Turns any chunking of a stream into whole events; keeps the unfinished tail."""

    __slots__ = ("_limit", "_tail")

    def __init__(self, limit: int = 8 * 1024 * 1024) -> None:
        self._tail = b""
        self._limit = limit

    def feed(self, chunk: bytes) -> bytes:
        """The whole events that are complete now, possibly none. Raises Fault if one event outgrows the limit."""
        if not self._tail and chunk.endswith(b"\n\n"):
            return chunk
        joined = self._tail + chunk if self._tail else chunk
        end = _last_end(joined, max(len(self._tail) - 3, 0))
        self._tail = joined[end:]
        if len(self._tail) > self._limit:
            raise Fault(Kind.TOO_LARGE, f"The upstream sent one event of more than {self._limit} bytes.")
        return joined[:end]

    def close(self) -> bytes:
        """The tail that no blank line ended; empty for a well-formed stream."""
        tail, self._tail = self._tail, b""
        return tail


def _last_end(joined: bytes, start: int) -> int:
    """Just past the last blank line at or after `start`, or 0."""
    if b"\r" not in joined:
        found = joined.rfind(b"\n\n", start)
        return found + 2 if found >= 0 else 0
    end = 0
    for match in _BLANK.finditer(joined, start):
        end = match.end()
    return end


def events(block: bytes) -> Iterator[bytes]:
    """Each event of a block of whole events, with its own blank line. A tail without one comes last."""
    start = 0
    for match in _BLANK_AT_CLOSE.finditer(block):
        yield block[start : match.end()]
        start = match.end()
    if start < len(block):
        yield block[start:]


def data_of(event: bytes) -> bytes:
    """The data of one event: its `data` lines joined by LF, or empty for a comment."""
    lines = event.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    values = [line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")]
    return b"\n".join(values)
