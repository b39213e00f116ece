"""The Responses API as the gateway carries it (https://platform.openai.com/docs/api-reference/responses)."""

from __future__ import annotations

from unigate.dialects.dialect import ClientSide, Dialect, ErrorShape, ProviderSide
from unigate.dialects.openai_errors import error_body, read_fault
from unigate.dialects.openai_responses.answer_reader import ResponsesReader
from unigate.dialects.openai_responses.answer_writer import ResponsesWriter
from unigate.dialects.openai_responses.errors import error_event
from unigate.dialects.openai_responses.fields import FIELDS, OWN
from unigate.dialects.openai_responses.meter import ResponsesMeter
from unigate.dialects.openai_responses.moved import without_foreign
from unigate.dialects.openai_responses.request_reader import read_ask
from unigate.dialects.openai_responses.request_writer import write_ask

__all__ = ["RESPONSES"]

RESPONSES = Dialect(
    name=OWN,
    operation="/responses",
    new_meter=ResponsesMeter,
    fault=read_fault,
    without_foreign=without_foreign,
    errors=ErrorShape(error_body, error_event),
    client=ClientSide(fields=FIELDS, read_ask=read_ask, new_writer=ResponsesWriter),
    provider=ProviderSide(write_ask=write_ask, new_reader=ResponsesReader, custom_tools=True),
)
"""Both sides."""
