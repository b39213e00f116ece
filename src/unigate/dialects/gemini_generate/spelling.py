"""Field names as Google's servers take them: both `inlineData` and `inline_data` (ProtoJSON, protobuf.dev/json)."""

from __future__ import annotations

import re

import msgspec

from unigate.errors import Refusal

__all__ = ["camel_cased", "camel_name", "standard_base64"]

_SNAKE = re.compile(rb'"[a-z]+_[a-z0-9_]*"\s*:')
_SPLIT = re.compile(r"_([a-z0-9])")
_URL_SAFE = str.maketrans("-_", "+/")
# What stands below these is the client's own: arguments, results, schemas.
_CLIENTS_OWN = frozenset(
    {
        "args",
        "labels",
        "parameters",
        "parametersJsonSchema",
        "partMetadata",
        "response",
        "responseJsonSchema",
        "responseSchema",
        "schema",
    }
)
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError)

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array = msgspec.json.Decoder(list[msgspec.Raw])
_encode = msgspec.json.Encoder().encode


def camel_name(name: str) -> str:
    """A field's name in the one spelling that the rest of this dialect knows."""
    return name if "_" not in name or name.startswith("_") else _SPLIT.sub(lambda found: found[1].upper(), name)


def camel_cased(raw: msgspec.Raw) -> msgspec.Raw:
    """JSON with all field names in that spelling, except within what is the client's own. Raises Refusal (400)."""
    if bytes(raw).find(b"_") < 0 or not _SNAKE.search(raw):  # finding a letter takes a tenth of the time
        return raw
    try:
        return msgspec.Raw(_respelt(bytes(raw)))
    except RecursionError as error:
        raise Refusal(400, "json_too_deep", "The request body is nested too deeply; flatten it.") from error
    except _FAILURES:
        return raw  # whoever decodes it will say what is wrong


def _respelt(content: bytes) -> bytes:
    start = content.lstrip()[:1]
    if start == b"[":
        return _encode([msgspec.Raw(_respelt(bytes(one))) for one in _array.decode(content)])
    if start != b"{":
        return content
    respelt: dict[str, msgspec.Raw] = {}
    for name, raw in _object.decode(content).items():
        own = camel_name(name)
        respelt[own] = raw if own in _CLIENTS_OWN else msgspec.Raw(_respelt(bytes(raw)))
    return _encode(respelt)


def standard_base64(text: str) -> str:
    """Base64 in its first alphabet (RFC 4648, section 4); Google's own SDKs write the URL-safe one."""
    return text.translate(_URL_SAFE) if "-" in text or "_" in text else text
