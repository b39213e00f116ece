"""AWS event streams as frames: cuts `application/vnd.amazon.eventstream` and checks both of its checksums.

A frame is total length, header length, CRC-32 of these two, headers, payload, CRC-32 of all before it; integers are
big-endian (https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html and the Smithy specification,
https://smithy.io/2.0/aws/amazon-eventstream.html).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

import msgspec

from unigate.errors import Fault, Kind

__all__ = ["Frame", "Frames"]

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_SHORT = struct.Struct(">H")
_AROUND = _PRELUDE.size + _CRC.size
_LARGEST = 16 * 1024 * 1024
_STRING = 7
# Bytes of a value by its type: true, false, byte, short, integer, long, timestamp, UUID; bytes (6) tell their length.
_FIXED: Mapping[int, int] = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_VARIABLE = (6, _STRING)


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One message: its headers that are text, by name, and its payload."""

    headers: dict[str, str]
    payload: bytes


class Frames:
    """Turns any chunking of an event stream into whole frames; keeps the unfinished tail."""

    __slots__ = ("_fault", "_limit", "_tail")

    def __init__(self, limit: int = _LARGEST) -> None:
        self._tail = bytearray()
        self._limit = limit
        self._fault: Fault | None = None

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that are complete now. Raises Fault for a damaged one, once those before it are handed over."""
        if self._fault is not None:
            raise self._fault
        tail = self._tail
        tail += chunk
        found: list[Frame] = []
        start = 0
        try:
            while end := self._end(start):
                found.append(_frame(bytes(tail[start:end])))
                start = end
        except Fault as fault:
            self._fault = fault
            if not found:
                raise
        del tail[:start]
        return found

    def close(self) -> None:
        """Checks that the stream ended with a whole frame. Raises Fault otherwise."""
        if self._fault is not None:
            raise self._fault
        if self._tail:
            raise Fault(Kind.TRUNCATED, "The upstream's stream ended in the middle of a frame.")

    def _end(self, start: int) -> int:
        """Just past the frame that begins at `start`, or 0 while it is incomplete."""
        tail = self._tail
        if len(tail) - start < _PRELUDE.size:
            return 0
        total, headers, checksum = _PRELUDE.unpack_from(tail, start)
        if zlib.crc32(tail[start : start + 8]) != checksum:
            raise _damaged("whose prelude fails its checksum")
        if total > self._limit:
            raise Fault(Kind.TOO_LARGE, f"The upstream sent one frame of more than {self._limit} bytes.")
        if total < headers + _AROUND:
            raise _damaged("shorter than its own headers")
        return start + total if len(tail) - start >= total else 0


def _frame(whole: bytes) -> Frame:
    if zlib.crc32(whole[: -_CRC.size]) != _CRC.unpack_from(whole, len(whole) - _CRC.size)[0]:
        raise _damaged("that fails its checksum")
    end = _PRELUDE.size + _PRELUDE.unpack_from(whole)[1]
    return Frame(_headers(whole[_PRELUDE.size : end]), whole[end : -_CRC.size])


def _headers(block: bytes) -> dict[str, str]:
    """The headers whose value is text; the other types are stepped over, for no service says anything in them."""
    found: dict[str, str] = {}
    at = 0
    try:
        while at < len(block):
            name = block[at + 1 : (at := at + 1 + block[at])]
            kind = block[at]
            value_at = at + 3 if kind in _VARIABLE else at + 1
            at = value_at + (_SHORT.unpack_from(block, at + 1)[0] if kind in _VARIABLE else _FIXED[kind])
            if at > len(block):
                raise _damaged("whose headers are cut short")
            if kind == _STRING:
                found[name.decode()] = block[value_at:at].decode()
    except (IndexError, KeyError, struct.error, UnicodeDecodeError) as error:
        raise _damaged("whose headers cannot be read") from error
    return found


def _damaged(how: str) -> Fault:
    return Fault(Kind.INVALID, f"The upstream sent a frame {how}.")
