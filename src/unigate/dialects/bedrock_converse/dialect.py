"""Bedrock's Converse as the gateway speaks it to providers; no client speaks it to the gateway."""

from __future__ import annotations

from unigate.dialects.bedrock_converse.answer_reader import ConverseReader
from unigate.dialects.bedrock_converse.errors import read_fault
from unigate.dialects.bedrock_converse.request_writer import write_ask
from unigate.dialects.dialect import Dialect, ErrorShape, ProviderSide
from unigate.dialects.openai_errors import error_body, error_event
from unigate.dialects.openai_meters import SilentMeter

__all__ = ["CONVERSE"]

CONVERSE = Dialect(
    name="bedrock.converse",
    operation="/model/{model}/converse",
    stream_operation="/model/{model}/converse-stream",
    model_in="path",
    stream_type=b"application/vnd.amazon.eventstream",
    new_meter=SilentMeter,
    fault=read_fault,
    errors=ErrorShape(error_body, error_event),
    provider=ProviderSide(write_ask=write_ask, new_reader=ConverseReader),
)
