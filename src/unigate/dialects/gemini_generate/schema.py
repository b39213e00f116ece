"""Gemini's Schema, a subset of OpenAPI 3.0's, as JSON Schema (https://ai.google.dev/api/caching#Schema)."""

from __future__ import annotations

import msgspec

from unigate.dialects.gemini_generate.shapes import given
from unigate.dialects.gemini_generate.spelling import camel_name
from unigate.errors import Refusal

__all__ = ["json_schema"]

_NULL = msgspec.Raw(b"null")
_NULL_SCHEMA = msgspec.Raw(b'{"type":"null"}')
# Old libraries send enumerations as numbers.
_TYPES = ("", "string", "number", "integer", "boolean", "array", "object", "null")
# Numbers of 64 bits are text in ProtoJSON.
_COUNTS = frozenset({"maxItems", "minItems", "maxLength", "minLength", "maxProperties", "minProperties"})
_SCHEMA = frozenset({"items", "additionalProperties"})
_SCHEMAS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_NAMED_SCHEMAS = frozenset({"properties", "$defs", "defs"})
# The order is that of the properties themselves; the others are said otherwise.
_IDLE = frozenset({"type", "nullable", "propertyOrdering", "example"})
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_Fields = dict[str, msgspec.Raw]

_object = msgspec.json.Decoder(_Fields)
_array = msgspec.json.Decoder(list[msgspec.Raw])
_type: msgspec.json.Decoder[str | int | tuple[str, ...]] = msgspec.json.Decoder(str | int | tuple[str, ...])
_encode = msgspec.json.Encoder().encode


def json_schema(raw: msgspec.Raw, name: str) -> msgspec.Raw:
    """The same schema in JSON Schema's words. Raises Refusal (400) naming the field it stands in."""
    try:
        return _schema(raw)
    except _FAILURES as error:
        raise Refusal(400, "invalid_type", f"'{name}' must be a schema.", param=name) from error


def _schema(raw: msgspec.Raw) -> msgspec.Raw:
    fields = {camel_name(name): value for name, value in _object.decode(raw).items() if given(value)}
    written: _Fields = {}
    if "type" in fields:
        kind = _kind(fields["type"])
        if kind is not None:
            written["type"] = kind
    for name, value in fields.items():
        if name not in _IDLE:
            written[name] = _keyword(name, value)
    if "example" in fields and "examples" not in fields:
        written["examples"] = _list([fields["example"]])
    if "nullable" in fields and bytes(fields["nullable"]) == b"true":
        _allow_null(written)
    return msgspec.Raw(_encode(written))


def _kind(raw: msgspec.Raw) -> msgspec.Raw | None:
    kind = _type.decode(raw)
    if isinstance(kind, int):
        kind = _TYPES[kind] if 0 <= kind < len(_TYPES) else ""
    if isinstance(kind, tuple):
        return msgspec.Raw(_encode([one.lower() for one in kind]))
    return None if kind in ("", "TYPE_UNSPECIFIED") else msgspec.Raw(_encode(kind.lower()))


def _keyword(name: str, value: msgspec.Raw) -> msgspec.Raw:
    if name in _NAMED_SCHEMAS:
        return msgspec.Raw(_encode({own: _inner(one) for own, one in _object.decode(value).items()}))
    if name in _SCHEMAS:
        return _list([_inner(one) for one in _array.decode(value)])
    if name in _SCHEMA:
        return _inner(value)
    if name in _COUNTS and (digits := bytes(value).strip(b'"')).isdigit():
        return msgspec.Raw(digits)
    return value


def _inner(value: msgspec.Raw) -> msgspec.Raw:
    return _schema(value) if bytes(value).lstrip().startswith(b"{") else value


def _list(values: list[msgspec.Raw]) -> msgspec.Raw:
    return msgspec.Raw(_encode(values))


def _allow_null(schema: _Fields) -> None:
    if "type" in schema:
        schema["type"] = _list([schema["type"], msgspec.Raw(b'"null"')])
    if "enum" in schema:
        schema["enum"] = _list([*_array.decode(schema["enum"]), _NULL])
    if "anyOf" in schema:
        schema["anyOf"] = _list([*_array.decode(schema["anyOf"]), _NULL_SCHEMA])
