"""Cohere's chat, second version, as the gateway speaks it to providers; no client speaks it to the gateway."""

from __future__ import annotations

from unigate.dialects.cohere_chat.answer_reader import CohereReader
from unigate.dialects.cohere_chat.request_writer import write_ask
from unigate.dialects.dialect import Dialect, ErrorShape, ProviderSide
from unigate.dialects.openai_errors import error_body, error_event, read_fault
from unigate.dialects.openai_meters import SilentMeter

__all__ = ["COHERE"]

COHERE = Dialect(
    name="cohere.chat",
    operation="/chat",
    new_meter=SilentMeter,
    # An error is a sentence, under the name that a bare error has everywhere: `message`.
    fault=read_fault,
    errors=ErrorShape(error_body, error_event),
    provider=ProviderSide(write_ask=write_ask, new_reader=CohereReader),
)
