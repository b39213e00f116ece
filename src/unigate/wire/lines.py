"""JSON values that follow each other: one on each line, or as the items of one long array.

Lines end with LF or CR LF (https://github.com/ndjson/ndjson-spec); the items of an array are cut where RFC 8259 ends
them. Nothing is looked at twice, so a long value in small pieces costs no more than in one.
"""

from __future__ import annotations

import re
from typing import Final

from unigate.errors import Fault, Kind

__all__ = ["ArrayItems", "LineCutter", "Lines"]

_LARGEST: Final = 8 * 1024 * 1024
_BETWEEN_ITEMS: Final = re.compile(rb"[^ \t\r\n,]")
_IN_ITEM: Final = re.compile(rb'["{}\[\]]')
_IN_STRING: Final = re.compile(rb'["\\]')
_OPENING: Final = b"{["
_QUOTE: Final = 0x22
_BACKSLASH: Final = 0x5C
_OBJECT: Final = 0x7B
_ARRAY: Final = 0x5B
_ARRAY_END: Final = 0x5D


class Lines:
    """Turns any chunking of a stream into whole lines; keeps the unfinished tail."""

    __slots__ = ("_limit", "_tail")

    def __init__(self, limit: int = _LARGEST) -> None:
        self._tail = bytearray()
        self._limit = limit

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that are complete now, without their ends; blank ones are left out. Raises Fault for a huge one."""
        lines = chunk.split(b"\n")
        self._tail += lines[0]
        if len(lines) > 1:
            lines[0] = bytes(self._tail)
            self._tail = bytearray(lines.pop())
            found = [line for one in lines if (line := one.removesuffix(b"\r"))]
        else:
            found = []
        if len(self._tail) > self._limit or any(len(line) > self._limit for line in found):
            raise Fault(Kind.TOO_LARGE, f"The upstream sent one line of more than {self._limit} bytes.")
        return found

    def close(self) -> bytes:
        """The last line, if nothing ended it; empty for a well-formed stream."""
        tail, self._tail = bytes(self._tail), bytearray()
        return tail.removesuffix(b"\r")


class LineCutter:
    """Turns any chunking of a stream into blocks of whole lines, which stay the bytes they are."""

    __slots__ = ("_limit", "_tail")

    def __init__(self, limit: int = _LARGEST) -> None:
        self._tail = bytearray()
        self._limit = limit

    def feed(self, chunk: bytes) -> bytes:
        """The whole lines that are complete now, possibly none. Raises Fault if one outgrows the limit."""
        end = chunk.rfind(b"\n") + 1
        if not end:
            self._tail += chunk
            if len(self._tail) > self._limit:
                raise Fault(Kind.TOO_LARGE, f"The upstream sent one line of more than {self._limit} bytes.")
            return b""
        block = bytes(self._tail) + chunk[:end]
        self._tail = bytearray(chunk[end:])
        return block

    def close(self) -> bytes:
        """The last line, if nothing ended it; empty for a well-formed stream."""
        tail, self._tail = bytes(self._tail), bytearray()
        return tail


class ArrayItems:
    """Turns any chunking of an array of objects into these objects; a lone object stands for an array of one."""

    __slots__ = ("_at", "_begun", "_depth", "_ended", "_fault", "_in_string", "_limit", "_tail")

    def __init__(self, limit: int = _LARGEST) -> None:
        self._tail = bytearray()
        self._at: int = 0
        self._depth: int = 0
        self._in_string = False
        self._begun = False
        self._ended = False
        self._limit = limit
        self._fault: Fault | None = None

    def feed(self, chunk: bytes) -> list[bytes]:
        """The objects that are complete now. Raises Fault for what is no such array, once they are handed over."""
        if self._fault is not None:
            raise self._fault
        self._tail += chunk
        found: list[bytes] = []
        try:
            while item := self._next():
                found.append(item)
            if len(self._tail) > self._limit:
                raise Fault(Kind.TOO_LARGE, f"The upstream sent one item of more than {self._limit} bytes.")
        except Fault as fault:
            self._fault = fault
            if not found:
                raise
        return found

    def close(self) -> None:
        """Checks that the array came to its end. Raises Fault otherwise."""
        if self._fault is not None:
            raise self._fault
        if not self._ended:
            raise Fault(Kind.TRUNCATED, "The upstream's list of events ended before it was finished.")

    def _next(self) -> bytes:
        """The next whole item, or empty while there is none; what follows it stays in the tail."""
        return self._rest() if self._depth or self._opens() else b""

    def _opens(self) -> bool:
        """Whether an item begins in the tail; all before it is done with."""
        tail = self._tail
        while found := _BETWEEN_ITEMS.search(tail, self._at):
            sign = tail[found.start()]
            if self._ended:
                raise Fault(Kind.INVALID, "The upstream went on after the end of its list of events.")
            if sign == _OBJECT:
                del tail[: found.start()]
                self._at = 1
                self._depth = 1
                return True
            if sign not in (_ARRAY, _ARRAY_END) or self._begun == (sign == _ARRAY):
                raise Fault(Kind.INVALID, "The upstream's answer is not a list of events.")
            self._begun = True
            self._ended = sign == _ARRAY_END
            self._at = found.end()
        tail.clear()
        self._at = 0
        return False

    def _rest(self) -> bytes:
        """The item that the tail begins with, once its last bracket is there."""
        tail, at = self._tail, self._at
        while found := (_IN_STRING if self._in_string else _IN_ITEM).search(tail, at):
            at = found.end()
            sign = tail[at - 1]
            if sign == _BACKSLASH:
                at += 1  # whatever is escaped ends no string
            elif sign == _QUOTE:
                self._in_string = not self._in_string
            else:
                self._depth += 1 if sign in _OPENING else -1
            if self._depth == 0:
                item = bytes(tail[:at])
                del tail[:at]
                self._at = 0
                self._ended = not self._begun
                return item
        self._at = max(at, len(tail))
        return b""
