"""What a request's head says about its target and its body."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from unigate.errors import Refusal

__all__ = ["LARGEST_HEAD", "MOST_HEADERS", "body_too_large", "has_body", "head_too_large", "length_of", "split_target"]

MOST_HEADERS = 100
"""Header lines that a request may have."""

LARGEST_HEAD = 32 * 1024
"""Bytes that a request's target and header lines may have together."""


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


def head_too_large() -> Refusal:
    """What is said of a head beyond its limits."""
    reason = f"The request's head has more than {MOST_HEADERS} lines or {LARGEST_HEAD} bytes."
    return Refusal(431, "headers_too_large", reason)


def body_too_large(limit: int) -> Refusal:
    """What is said of a body beyond its limit."""
    return Refusal(413, "body_too_large", f"The request body is larger than {limit} bytes; send a smaller one.")
