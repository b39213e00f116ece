"""JSON Schemas as Claude models want them: every object of a bound answer closed.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs
"""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["closed", "of_object"]

_MAPS: Final = ("properties", "$defs", "definitions")
_LISTS: Final = ("anyOf", "oneOf", "prefixItems")
_FALSE: Final = msgspec.Raw(b"false")
_OBJECT: Final = msgspec.Raw(b'"object"')
_EMPTY: Final = msgspec.Raw(b'{"type":"object","properties":{}}')

_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array: Final = msgspec.json.Decoder(list[msgspec.Raw])
_encode: Final = msgspec.json.Encoder().encode


def of_object(schema: msgspec.Raw | None) -> msgspec.Raw:
    """A tool's schema with the type that it must have; none is that of a tool without arguments."""
    if schema is None or bytes(schema) == b"null":
        return _EMPTY
    fields = _fields(schema)
    if fields is None or "type" in fields:
        return schema
    return msgspec.Raw(_encode({"type": _OBJECT, **fields}))


def closed(schema: msgspec.Raw) -> msgspec.Raw:
    """The schema with `additionalProperties: false` wherever nothing is said; what satisfies it satisfied the other."""
    fields = _fields(schema)
    if fields is None:
        return schema
    for name in _MAPS:
        inner = _fields(fields[name]) if name in fields else None
        if inner is not None:
            fields[name] = msgspec.Raw(_encode({key: closed(one) for key, one in inner.items()}))
    for name in _LISTS:
        if name in fields and bytes(fields[name]).startswith(b"["):
            fields[name] = msgspec.Raw(_encode([closed(one) for one in _array.decode(fields[name])]))
    if "items" in fields:
        fields["items"] = closed(fields["items"])
    if "properties" in fields or b'"object"' in bytes(fields.get("type", b"")):
        fields.setdefault("additionalProperties", _FALSE)
    return msgspec.Raw(_encode(fields))


def _fields(schema: msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    try:
        return _object.decode(schema)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
