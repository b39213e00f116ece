"""Chunks of HTTP/1.1's transfer coding (RFC 9112, section 7.1), written, and read where one came alone and whole."""

from __future__ import annotations

__all__ = ["chunk_of", "data_in"]

_MOST = 4096
# A stream's events are small, and their sizes repeat.
_OPENINGS = tuple(b"%x\r\n" % size for size in range(_MOST))


def chunk_of(data: bytes) -> bytes:
    """The chunk that carries these bytes; there must be some, as an empty one would be the last."""
    size = len(data)
    opening = _OPENINGS[size] if size < _MOST else b"%x\r\n" % size
    return opening + data + b"\r\n"


def data_in(chunk: bytes) -> bytes:
    """What these bytes carry if they are one chunk of usual size, plainly written; nothing if a parser must judge."""
    start = chunk.find(b"\n", 0, 5) + 1
    size = len(chunk) - start - 2
    if not 0 < size < _MOST or chunk[:start] != _OPENINGS[size] or not chunk.endswith(b"\r\n"):
        return b""
    return chunk[start:-2]
