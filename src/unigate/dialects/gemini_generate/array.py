"""A stream as one JSON array, for clients that did not ask for `alt=sse` (https://ai.google.dev/api/generate-content)."""

from __future__ import annotations

from unigate.wire import sse

__all__ = ["ArrayFraming"]


class ArrayFraming:
    """Puts the data of server-sent events into an array, byte for byte."""

    __slots__ = ("_before",)

    content_type = b"application/json"

    def __init__(self) -> None:
        self._before = b"["

    def put(self, block: bytes) -> bytes:
        """The items that whole events make."""
        framed = b""
        for event in sse.events(block):
            if data := sse.data_of(event):
                framed += self._before + data
                self._before = b"\n,\r\n"
        return framed

    def end(self, block: bytes) -> bytes:
        """The last items, and the end of the array."""
        return self.put(block) + b"\n]\n"
