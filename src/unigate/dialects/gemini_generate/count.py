"""Counting tokens without answering (https://ai.google.dev/api/tokens#method:-models.counttokens)."""

from __future__ import annotations

from typing import Annotated

import msgspec

from unigate.conversation import Ask
from unigate.dialects.gemini_generate.request_reader import read_ask
from unigate.dialects.gemini_generate.shapes import given
from unigate.dialects.gemini_generate.spelling import camel_name
from unigate.errors import Fault, Kind
from unigate.wire.body import Body
from unigate.wire.typed import TypedDecoder

__all__ = ["count_body", "read_count", "read_count_ask", "write_count_ask"]

_request = TypedDecoder(Body, "generateContentRequest")


class _Counted(msgspec.Struct, frozen=True, rename="camel"):
    total_tokens: Annotated[int, msgspec.Meta(ge=0)]


_counted = msgspec.json.Decoder(_Counted)
_encode = msgspec.json.Encoder().encode


def read_count_ask(body: Body, model: str) -> Ask:
    """The ask whose tokens are to be counted: the request itself, or the one in it. Raises Refusal (400)."""
    fields = {camel_name(name): raw for name, raw in body.items()}
    inner = fields.get("generateContentRequest")
    if inner is not None and given(inner):
        return read_ask(_request.decode(inner)[0], model, False)
    return read_ask(body, model, False)


def write_count_ask(request: bytes, model: str) -> bytes:
    """The request that counts the tokens of another, as the Gemini API wants it: with the model's name within."""
    named = _encode({"model": f"models/{model}"})
    return b'{"generateContentRequest":%b,%b}' % (named[:-1], request[1:])


def count_body(total: int) -> bytes:
    """The answer to a client."""
    return _encode({"totalTokens": total, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": total}]})


def read_count(content: bytes) -> int:
    """A provider's answer. Raises Fault if it is none."""
    try:
        return _counted.decode(content).total_tokens
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Fault(Kind.INVALID, "The upstream answered 200 with something that counts no tokens.") from error
