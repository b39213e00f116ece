"""The one look into a multipart form that a gateway needs: where a small text field's value stands (RFC 7578)."""

from __future__ import annotations

import re

from unigate.errors import Refusal

__all__ = ["add_field", "boundary_of", "find_field"]

_BOUNDARY = re.compile(rb'(?:^|;)\s*boundary="?([0-9A-Za-z\'()+_,\-./:=? ]{1,70})"?', re.IGNORECASE)
_NAME = re.compile(rb';\s*name\s*=\s*(?:"([^"\r\n]*)"|([^\s;"]+))', re.IGNORECASE)
# Spellings of a name that some parsers decode and others do not.
_ODD_NAME = re.compile(rb';\s*name\s*(?:\*|=\s*"[^"\r\n]*\\)', re.IGNORECASE)


def boundary_of(content_type: bytes) -> bytes | None:
    """The boundary named by a multipart content type, or None."""
    found = _BOUNDARY.search(content_type)
    return found.group(1).rstrip() if found else None


def find_field(content: bytes, boundary: bytes, name: bytes) -> tuple[int, int] | None:
    """Start and end of the value of the one field called `name`, or None; linear in the size of the content.

    Raises Refusal (400) for a form that the upstream could read differently: of two fields of that name, it may take
    the other one. Whatever any parser could take for the beginning of a part is therefore looked at.
    """
    mark = b"--" + boundary
    found: list[tuple[int, int] | None] = []
    at = content.find(mark)
    while at >= 0:
        following = content.find(mark, at + len(mark))
        end = following if following >= 0 else len(content)
        head_end = content.find(b"\r\n\r\n", at, end)
        head = content[at : head_end if head_end >= 0 else end]
        if _is_called(head, name):
            is_whole = head_end >= 0 and following >= 0 and content.endswith(b"\r\n", at, following)
            is_text = b"filename" not in head.lower()
            found.append((head_end + 4, max(following - 2, head_end + 4)) if is_whole and is_text else None)
        at = following
    if len(found) > 1:
        raise _ambiguous(name)
    return found[0] if found else None


def add_field(content: bytes, boundary: bytes, name: bytes, value: bytes) -> bytes:
    """The form with one more field, before all others."""
    part = b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (boundary, name, value)
    at = max(content.find(b"--" + boundary), 0)
    return content[:at] + part + content[at:]


def _is_called(head: bytes, name: bytes) -> bool:
    if _ODD_NAME.search(head):
        raise _ambiguous(name)
    return any(name in found.groups() for found in _NAME.finditer(head))


def _ambiguous(name: bytes) -> Refusal:
    shown = name.decode("latin-1")
    reason = f"The form may name '{shown}' more than once; send one field of that name, plainly spelled."
    return Refusal(400, "invalid_form", reason, param=shown)
