"""What a request's head says about its target and its body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from unigate.errors import Refusal

__all__ = ["Head", "body_too_large", "has_body", "length_of", "split_target"]

# Header lines that a request may have, and the bytes of its target and all lines together.
_MOST_HEADERS: Final = 100
_LARGEST_HEAD: Final = 32 * 1024


class Head:
    """A request's head as it comes: its target, and its header lines by their names in lower case."""

    __slots__ = ("_lines", "_size", "headers", "target")

    def __init__(self) -> None:
        self._lines = 0
        self._size = 0
        self.target = b""
        self.headers: dict[bytes, bytes] = {}

    def add_target(self, piece: bytes) -> None:
        """One more piece of the target. Raises Refusal (431)."""
        self.target += piece
        self._grow(len(piece))

    def add_line(self, name: bytes, value: bytes, *, counts: bool) -> None:
        """One more line, which may be of no account but for its size. Raises Refusal (431)."""
        self._lines += 1
        self._grow(len(name) + len(value))
        if counts:
            name = name.lower()
            said = self.headers.get(name)
            self.headers[name] = value if said is None else said + b", " + value

    def _grow(self, size: int) -> None:
        self._size += size
        if self._lines > _MOST_HEADERS or self._size > _LARGEST_HEAD:
            reason = f"The request's head has more than {_MOST_HEADERS} lines or {_LARGEST_HEAD} bytes."
            raise Refusal(431, "headers_too_large", reason)


def split_target(target: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request target; the absolute form (RFC 9112, section 3.2.2) counts by its path alone.

    A fragment counts for nothing, in either form.
    """
    if not target.startswith(b"/"):
        try:
            parts = urlsplit(target)
        except ValueError:
            return b"", b""
        return parts.path or b"/", parts.query
    path, _, query = target.partition(b"#")[0].partition(b"?")
    return path, query


def has_body(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a body follows the head."""
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0").strip() != b"0"


def length_of(headers: Mapping[bytes, bytes]) -> bytes:
    """The body's length as it was told, or 0."""
    return headers.get(b"content-length", b"0").strip()


def body_too_large(limit: int) -> Refusal:
    """What is said of a body beyond its limit."""
    return Refusal(413, "body_too_large", f"The request body is larger than {limit} bytes; send a smaller one.")
