"""A JSON request body as its top level only: every value stays the bytes it came as.

Duplicate top-level keys: the last one wins, and only that one is judged and sent, because what goes out is re-encoded.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from unigate.errors import Refusal

__all__ = ["Body", "decode_body", "encode_body", "flag_of", "text_of"]

Body = dict[str, msgspec.Raw]

_decoder = msgspec.json.Decoder(Body)
_text = msgspec.json.Decoder(str | None)
_encoder = msgspec.json.Encoder()


def decode_body(content: bytes) -> Body:
    """The top level of a JSON object. Raises Refusal (400) for anything else, and for one nested too deeply."""
    try:
        return _decoder.decode(content)
    except RecursionError as error:
        raise Refusal(400, "json_too_deep", "The request body is nested too deeply; flatten it.") from error
    except msgspec.ValidationError as error:
        raise Refusal(400, "invalid_json", 'The request body must be a JSON object, such as {"model": …}.') from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, "invalid_json", f"The request body is not valid JSON: {error}.") from error


def encode_body(body: Mapping[str, msgspec.Raw]) -> bytes:
    """The bytes of an object whose values are already bytes."""
    return _encoder.encode(body)


def text_of(body: Body, name: str) -> str | None:
    """One top-level string, or None if absent or null. Raises Refusal (400) naming the parameter."""
    raw = body.get(name)
    if raw is None:
        return None
    try:
        return _text.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, "invalid_type", f"'{name}' must be a string.", param=name) from error


def flag_of(body: Body, name: str, default: bool = False) -> bool:
    """One top-level flag; absent or null is the default. Raises Refusal (400) naming the parameter."""
    raw = body.get(name)
    if raw is None:
        return default
    word = bytes(raw)
    if word == b"true":
        return True
    if word == b"false":
        return False
    if word == b"null":
        return default
    raise Refusal(400, "invalid_type", f"'{name}' must be true or false.", param=name)
