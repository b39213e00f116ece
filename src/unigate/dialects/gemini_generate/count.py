"""Counting tokens without answering (https://ai.google.dev/api/tokens#method:-models.counttokens)."""

from __future__ import annotations

import msgspec

from unigate.conversation import Ask
from unigate.dialects.gemini_generate.request_reader import read_ask
from unigate.dialects.gemini_generate.shapes import given
from unigate.dialects.gemini_generate.spelling import camel_name
from unigate.wire.body import Body
from unigate.wire.typed import TypedDecoder

__all__ = ["count_body", "read_count_ask"]

_request = TypedDecoder(Body, "generateContentRequest")


_encode = msgspec.json.Encoder().encode


def read_count_ask(body: Body, model: str) -> Ask:
    """The ask whose tokens are to be counted: the request itself, or the one in it. Raises Refusal (400)."""
    fields = {camel_name(name): raw for name, raw in body.items()}
    inner = fields.get("generateContentRequest")
    if inner is not None and given(inner):
        return read_ask(_request.decode(inner)[0], model, False)
    return read_ask(body, model, False)


def count_body(total: int) -> bytes:
    """The answer to a client."""
    return _encode({"totalTokens": total, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": total}]})
