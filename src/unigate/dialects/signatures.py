"""Signatures of reasoning on their way through another format: who made one travels with it, as base64.

A provider takes back only what it signed itself. A client's format has one slot and no place for an origin, so a
foreign signature goes out wrapped, and is known again when the client sends it back. Gemini's SDKs decode the slot as
base64, which is why the wrapping is.
"""

from __future__ import annotations

import base64
import binascii

__all__ = ["unwrap", "wrap"]

_MARK = b"ug1"  # three bytes, so that every wrapped text begins with the same four letters
_SHOWN = base64.b64encode(_MARK).decode()


def wrap(signature: str, origin: str) -> str:
    """A signature made in the dialect `origin`, for a slot in another one."""
    return base64.b64encode(_MARK + origin.encode() + b"\n" + signature.encode()).decode()


def unwrap(slot: str, own: str) -> tuple[str, str]:
    """The signature in a slot of the dialect `own`, and the dialect that made it."""
    if not slot.startswith(_SHOWN):
        return slot, own
    try:
        origin, newline, signature = base64.b64decode(slot, validate=True)[len(_MARK) :].decode().partition("\n")
    except (binascii.Error, UnicodeDecodeError):
        return slot, own
    return (signature, origin) if newline else (slot, own)
