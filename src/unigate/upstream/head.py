"""The head of an upstream's answer: its header lines, by small names and within bounds, and what ends its body."""

from __future__ import annotations

from typing import Final

from unigate.errors import Fault, Kind

__all__ = ["LARGEST_HEAD", "ends_at_eof", "headers_in", "too_many_headers"]

LARGEST_HEAD: Final = 64 * 1024
"""Bytes of all names and values together."""

_MOST_HEADERS: Final = 200
# Names of headers as they come, and small: each provider has a few dozen, and they come with every answer.
_small: Final[dict[bytes, bytes]] = {}
_MOST_NAMES: Final = 1024
_LONGEST_NAME: Final = 64


def headers_in(lines: dict[bytes, bytes], size: int) -> dict[bytes, bytes]:
    """The lines by small names; `size` is at least what they came in, in bytes. Raises Fault if they are too many."""
    is_long = size > LARGEST_HEAD and sum(map(len, (*lines, *lines.values()))) > LARGEST_HEAD
    if is_long or len(lines) > _MOST_HEADERS:
        raise too_many_headers()
    return {_small.get(name) or _made_small(name): value for name, value in lines.items()}


def _made_small(name: bytes) -> bytes:
    small = name.lower()
    if len(name) <= _LONGEST_NAME:
        if len(_small) >= _MOST_NAMES:
            _small.clear()
        _small[name] = small
    return small


def too_many_headers() -> Fault:
    """The fault of an upstream whose head does not end in time."""
    return Fault(Kind.PROTOCOL, "The upstream's answer has too many headers.")


def ends_at_eof(status: int, headers: dict[bytes, bytes]) -> bool:
    """Whether only the end of the connection ends this answer (RFC 9112, section 6.3); a status of 0 is no answer."""
    is_framed = b"content-length" in headers or b"transfer-encoding" in headers
    return status > 0 and status not in (204, 304) and not is_framed
