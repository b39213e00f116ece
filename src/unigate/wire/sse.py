"""Server-sent events as bytes: cuts a stream where an event ends, without decoding what is only carried.

Line ends and blank lines follow the WHATWG HTML standard, section 9.2.6: LF, CR LF and CR all end a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from unigate.errors import Fault, Kind

__all__ = ["CR", "Cutter", "Events", "data_of", "events", "has_any", "name_of"]

# A CR at the very end may be half of a CR LF, so it ends a line only once the next byte is known.
_END: Final = rb"(?:\r\n|\n|\r(?=[^\n]))"
_BLANK: Final = re.compile(_END + _END)
_LF: Final = 10
CR: Final = 13
"""A byte to look for, as a number: given as bytes, `in` tries to take it for one first, and that failure costs most."""
_BLANK_AT_CLOSE: Final = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?!\n))")


class Cutter:
    """Turns any chunking of a stream into whole events; keeps the unfinished tail."""

    __slots__ = ("_limit", "_tail", "_with_cr")

    def __init__(self, limit: int = 8 * 1024 * 1024) -> None:
        self._tail = bytearray()
        self._with_cr = False
        self._limit = limit

    def feed(self, chunk: bytes) -> bytes:
        """The whole events that are complete now, possibly none. Raises Fault if one event outgrows the limit."""
        tail = self._tail
        # Not `endswith`: a look at two bytes costs a tenth of its call.
        if not tail and len(chunk) > 1 and chunk[-1] == _LF and chunk[-2] == _LF:
            return chunk
        start = max(len(tail) - 3, 0)
        tail += chunk
        # Only what is new is looked at: a long event in small pieces must not cost its length each time.
        self._with_cr = self._with_cr or CR in chunk
        end = _last_end(tail, start) if self._with_cr else tail.rfind(b"\n\n", start) + 2
        if end < 2:
            if len(tail) > self._limit:
                raise Fault(Kind.TOO_LARGE, f"The upstream sent one event of more than {self._limit} bytes.")
            return b""
        block = bytes(tail[:end])
        del tail[:end]
        self._with_cr = CR in tail
        return block

    def close(self) -> bytes:
        """The tail that no blank line ended; empty for a well-formed stream."""
        tail, self._tail = bytes(self._tail), bytearray()
        return tail


class Events:
    """Turns any chunking of a stream into its events, one by one."""

    __slots__ = ("_cutter",)

    def __init__(self) -> None:
        self._cutter = Cutter()

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that are complete now. Raises Fault if one outgrows the limit."""
        block = self._cutter.feed(chunk)
        if not block:
            return []
        if block.count(b"\n\n") == 1 and CR not in block:
            return [block]
        return events(block)

    def close(self) -> list[bytes]:
        """What no blank line ended, if it is more than white space."""
        return events(self._cutter.close().strip())


def _last_end(joined: bytearray, start: int) -> int:
    """Just past the last blank line at or after `start`, or 0."""
    end = 0
    for match in _BLANK.finditer(joined, start):
        end = match.end()
    return end


def events(block: bytes) -> list[bytes]:
    """Each event of a block of whole events, with its own blank line. A tail without one comes last."""
    if CR not in block:
        *whole, rest = block.split(b"\n\n")
        found = [event + b"\n\n" for event in whole]
    else:
        ends = [0, *(match.end() for match in _BLANK_AT_CLOSE.finditer(block))]
        found, rest = [block[start:end] for start, end in pairwise(ends)], block[ends[-1] :]
    if rest:
        found.append(rest)
    return found


def has_any(block: bytes, marks: Iterable[bytes]) -> bool:
    """Whether one of the marks stands somewhere in a block."""
    # Not `in`: it takes its bytes for a number first, and that failure costs more than the search.
    return any(map(block.count, marks))


def data_of(event: bytes) -> bytes:
    """The data of one event: its `data` lines joined by LF, or empty for a comment."""
    start = event.find(b"data:")
    is_last = start >= 0 and event.endswith(b"\n\n") and event.find(b"\n", start) == len(event) - 2
    if is_last and (start == 0 or event[start - 1] == _LF) and CR not in event:
        return event[start + 5 : -2].removeprefix(b" ")
    lines = event.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    values = [line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")]
    return b"\n".join(values)


def name_of(event: bytes) -> bytes:
    """The name of one event, from its `event` line, or empty."""
    end = event.find(b"\n")
    if event.startswith(b"event:") and end > 0 and CR not in event:
        return event[6:end].removeprefix(b" ")
    for line in event.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
        if line.startswith(b"event:"):
            return line[6:].removeprefix(b" ")
    return b""
