"""Gemini's generateContent and countTokens as the gateway carries and translates them."""

from __future__ import annotations

from functools import partial

from unigate.dialects.dialect import ClientSide, Dialect, ErrorShape, ProviderSide
from unigate.dialects.estimate import tokens_of_ask
from unigate.dialects.gemini_generate.answer_reader import GenerateReader
from unigate.dialects.gemini_generate.answer_writer import ArrayWriter, EventWriter
from unigate.dialects.gemini_generate.array import ArrayFraming
from unigate.dialects.gemini_generate.count import count_body, read_count_ask
from unigate.dialects.gemini_generate.errors import error_body, error_event, error_item, read_fault
from unigate.dialects.gemini_generate.fields import FIELDS
from unigate.dialects.gemini_generate.meter import GenerateMeter
from unigate.dialects.gemini_generate.moved import without_foreign
from unigate.dialects.gemini_generate.request_reader import read_ask
from unigate.dialects.gemini_generate.request_writer import write_ask
from unigate.dialects.openai_meters import SilentMeter
from unigate.wire.body import Body

__all__ = ["COUNT_TOKENS", "GENERATE", "GENERATE_ARRAY"]

_ERRORS = ErrorShape(error_body, error_event)
# Its libraries read every line of a stream as JSON, so that nothing else may stand in one.
_generate = partial(
    Dialect,
    operation="/models/{model}:generateContent",
    stream_operation="/models/{model}:streamGenerateContent?alt=sse",
    model_in="path",
    new_meter=GenerateMeter,
    fault=read_fault,
    without_foreign=without_foreign,
    comments=False,
)


def _estimate(body: Body, model: str) -> bytes:
    return count_body(tokens_of_ask(read_count_ask(body, model)))


GENERATE = _generate(
    name="gemini.generate",
    errors=_ERRORS,
    client=ClientSide(fields=FIELDS, read_ask=read_ask, new_writer=EventWriter),
    provider=ProviderSide(write_ask=write_ask, new_reader=GenerateReader),
)
# What a client without `alt=sse` reads: the same chunks as the items of an array.
GENERATE_ARRAY = _generate(
    name="gemini.generate.array",
    errors=ErrorShape(error_body, error_item),
    new_framing=ArrayFraming,
    client=ClientSide(fields=FIELDS, read_ask=read_ask, new_writer=ArrayWriter, stream_type=b"application/json"),
)
COUNT_TOKENS = Dialect(
    name="gemini.count_tokens",
    operation="/models/{model}:countTokens",
    model_in="path",
    new_meter=SilentMeter,
    fault=read_fault,
    without_foreign=without_foreign,
    errors=_ERRORS,
    estimate=_estimate,
)
