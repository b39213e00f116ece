"""Coze's chat, third version, as the gateway speaks it to bots; no client speaks it to the gateway."""

from __future__ import annotations

from unigate.dialects.coze_chat.answer_reader import CozeReader
from unigate.dialects.coze_chat.errors import read_fault
from unigate.dialects.coze_chat.request_writer import query_of, write_ask
from unigate.dialects.dialect import Dialect, ErrorShape, ProviderSide
from unigate.dialects.openai_errors import error_body, error_event
from unigate.dialects.openai_meters import SilentMeter

__all__ = ["COZE"]

COZE = Dialect(
    name="coze.chat",
    operation="/v3/chat",
    new_meter=SilentMeter,
    fault=read_fault,
    errors=ErrorShape(error_body, error_event),
    # An unstreamed chat gives no text: it would have to be asked for again and again until it is done.
    provider=ProviderSide(write_ask=write_ask, new_reader=CozeReader, query_of=query_of, only_streams=True),
)
