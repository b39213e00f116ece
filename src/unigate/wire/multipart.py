"""The one look into a multipart form that a gateway needs: where a small text field's value stands (RFC 7578)."""

from __future__ import annotations

import re

__all__ = ["boundary_of", "find_field"]

_BOUNDARY = re.compile(rb'boundary="?([0-9A-Za-z\'()+_,\-./:=? ]{1,70})"?', re.IGNORECASE)

_NAME = re.compile(rb';\s*name=(?:"([^"\r\n]*)"|([^\s;"]+))', re.IGNORECASE)


def boundary_of(content_type: bytes) -> bytes | None:
    """The boundary named by a multipart content type, or None."""
    found = _BOUNDARY.search(content_type)
    return found.group(1).rstrip() if found else None


def find_field(content: bytes, boundary: bytes, name: bytes) -> tuple[int, int] | None:
    """Start and end of the value of the first part called `name`, or None; linear in the size of the content."""
    mark = b"--" + boundary
    at = 0 if content.startswith(mark) else content.find(b"\r\n" + mark)
    while at >= 0:
        head_end = content.find(b"\r\n\r\n", at)
        if head_end < 0:
            return None
        value_end = content.find(b"\r\n" + mark, head_end + 2)
        if value_end < 0:
            return None
        if _is_called(content[at : min(head_end, at + 2048)], name):
            return head_end + 4, max(value_end, head_end + 4)
        at = value_end
    return None


def _is_called(head: bytes, name: bytes) -> bool:
    found = _NAME.search(head)
    return found is not None and name in found.groups() and b"filename" not in head.lower()
