"""What a request's head says about its target and its body."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

__all__ = ["has_body", "length_of", "split_target"]


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
