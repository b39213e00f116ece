"""Unpacks compressed answers: identity is asked for, but some upstreams compress all the same."""

from __future__ import annotations

import zlib
from typing import Protocol

from unigate.errors import Fault, Kind

__all__ = ["Inflate"]

_LARGEST_DECODED = 64 * 1024 * 1024


class _Engine(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class Inflate:
    """Decodes gzip and deflate as they come, up to a cap. Raises Fault for other codings, damage and bombs."""

    __slots__ = ("_encoding", "_engine", "_made")

    def __init__(self, encoding: bytes) -> None:
        if encoding not in (b"gzip", b"x-gzip", b"deflate"):
            raise Fault(Kind.ENCODING, "The upstream used a content encoding that was not asked for.")
        self._encoding = encoding
        self._engine: _Engine | None = None
        self._made = 0

    def feed(self, data: bytes) -> bytes:
        """What these bytes unpack to."""
        made: list[bytes] = []
        while data:
            try:
                engine = self._engine = self._engine or self._start(data[0])
                made.append(engine.decompress(data, _LARGEST_DECODED - self._made + 1))
            except zlib.error as error:
                raise Fault(Kind.ENCODING, "The upstream's compressed answer is damaged.") from error
            self._made += len(made[-1])
            if self._made > _LARGEST_DECODED:
                raise Fault(Kind.TOO_LARGE, "The upstream's compressed answer is too large once unpacked.")
            data = engine.unused_data
            if engine.eof:
                self._engine = None  # gzip members may follow each other (RFC 1952, section 2.2)
        return b"".join(made)

    def close(self) -> None:
        """Checks that the packed data came to its end."""
        if self._engine is not None and not self._engine.eof:
            raise Fault(Kind.TRUNCATED, "The upstream's compressed answer ended early.")

    def _start(self, first: int) -> _Engine:
        if self._encoding == b"deflate":
            # "deflate" is zlib by RFC 9110, and bare by habit: a zlib stream begins with 0x78 in practice.
            return zlib.decompressobj() if first & 0x0F == 8 else zlib.decompressobj(-zlib.MAX_WBITS)
        return zlib.decompressobj(16 + zlib.MAX_WBITS)
