"""Chunks of HTTP/1.1's transfer coding (RFC 9112, section 7.1), written, and read where one came alone and whole."""

from __future__ import annotations

from typing import Final

__all__ = ["chunk_of", "data_in"]

_MOST: Final = 4096
_CR: Final = 13
_LF: Final = 10
# A stream's events are small, and their sizes repeat.
_OPENINGS: Final = tuple(b"%x\r\n" % size for size in range(_MOST))


def chunk_of(data: bytes) -> bytes:
    """The chunk that carries these bytes; there must be some, as an empty one would be the last."""
    size = len(data)
    opening = _OPENINGS[size] if size < _MOST else b"%x\r\n" % size
    return opening + data + b"\r\n"


def data_in(chunk: bytes) -> bytes:
    """What these bytes carry if they are one chunk of usual size, plainly written; nothing if a parser must judge."""
    whole = len(chunk)
    # As many digits as the size has that would make it as long as it is.
    start = 3 if whole < 0x10 + 5 else 4 if whole < 0x100 + 6 else 5
    size = whole - start - 2
    if not 0 < size < _MOST or chunk[-1] != _LF or chunk[-2] != _CR or chunk[:start] != _OPENINGS[size]:
        return b""
    return chunk[start:-2]
