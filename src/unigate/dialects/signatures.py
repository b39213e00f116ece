"""Signatures of reasoning on their way through another format: who made one travels with it, as base64.

A provider takes back only what it signed itself. A client's format has one slot and no place for an origin, so a
foreign signature goes out wrapped, and is known again when the client sends it back. Gemini's SDKs decode the slot as
base64, which is why the wrapping is.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Final

import msgspec

from unigate.wire.body import Body, few_quotes

__all__ = ["each_foreign", "field_without_foreign", "holds_foreign", "is_foreign", "unwrap", "wrap"]

_MARK: Final = b"ug1"  # three bytes, so that every wrapped text begins with the same four letters
_SHOWN: Final = base64.b64encode(_MARK).decode()
_SLOT: Final = b'"' + _SHOWN.encode()  # how a string of JSON begins that is a wrapped signature
_array: Final = msgspec.json.Decoder(list[msgspec.Raw])
_encode: Final = msgspec.json.Encoder().encode


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


def is_foreign(slot: str | None) -> bool:
    """Whether a slot holds a wrapped signature."""
    return slot is not None and slot.startswith(_SHOWN)


def holds_foreign(content: bytes) -> bool:
    """Whether a wrapped signature may stand somewhere in JSON."""
    quotes = few_quotes(content)
    if quotes is not None:
        return any(content.startswith(_SLOT, at) for at in quotes)
    return content.rfind(_SLOT) >= 0  # from behind it takes half the time


def field_without_foreign(body: Body, name: str, change: Callable[[msgspec.Raw], msgspec.Raw | None]) -> Body | None:
    """The request with the items of one field changed as `each_foreign` does; None if none of them was."""
    told = body.get(name)
    if told is None:
        return None
    changed = each_foreign(told, change)
    return {**body, name: changed} if changed is not told else None


def each_foreign(raw: msgspec.Raw, change: Callable[[msgspec.Raw], msgspec.Raw | None]) -> msgspec.Raw:
    """An array, or one object, whose items with a wrapped signature in them are changed, or left out for None.

    What needs no change is the very value that was given; so is what makes no sense, as the service will say.
    """
    content = bytes(raw)
    if not holds_foreign(content) or content[:1] not in (b"[", b"{"):
        return raw
    try:
        items = _array.decode(content) if content.startswith(b"[") else [raw]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return raw
    changed = [_changed(item, change) for item in items]
    if all(new is old for new, old in zip(changed, items, strict=True)):
        return raw
    kept = [item for item in changed if item is not None]
    return kept[0] if kept and items[0] is raw else msgspec.Raw(_encode(kept))


def _changed(item: msgspec.Raw, change: Callable[[msgspec.Raw], msgspec.Raw | None]) -> msgspec.Raw | None:
    if not holds_foreign(bytes(item)):
        return item
    try:
        return change(item)
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError):
        return item
