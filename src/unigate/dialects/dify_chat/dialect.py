"""Dify's chat apps as the gateway speaks to them; no client speaks it to the gateway."""

from __future__ import annotations

from unigate.dialects.dialect import Dialect, ErrorShape, ProviderSide
from unigate.dialects.dify_chat.answer_reader import DifyReader
from unigate.dialects.dify_chat.errors import read_fault
from unigate.dialects.dify_chat.request_writer import write_ask
from unigate.dialects.openai_errors import error_body, error_event
from unigate.dialects.openai_meters import SilentMeter

__all__ = ["DIFY"]

DIFY = Dialect(
    name="dify.chat",
    operation="/chat-messages",
    new_meter=SilentMeter,
    fault=read_fault,
    errors=ErrorShape(error_body, error_event),
    # Apps that call tools answer in streams only.
    provider=ProviderSide(write_ask=write_ask, new_reader=DifyReader, only_streams=True),
)
