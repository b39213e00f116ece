"""Chat Completions as the gateway carries and translates it."""

from __future__ import annotations

from unigate.dialects.dialect import ClientSide, Dialect, ErrorShape, ProviderSide
from unigate.dialects.openai_chat.answer_reader import ChatReader
from unigate.dialects.openai_chat.answer_writer import ChatWriter
from unigate.dialects.openai_chat.fields import FIELDS
from unigate.dialects.openai_chat.moved import without_foreign
from unigate.dialects.openai_chat.request_reader import read_ask
from unigate.dialects.openai_chat.request_writer import write_ask
from unigate.dialects.openai_errors import error_body, error_event, read_fault
from unigate.dialects.openai_meters import ChatMeter

__all__ = ["CHAT"]

CHAT = Dialect(
    name="openai.chat",
    operation="/chat/completions",
    usage_on_request=True,
    new_meter=ChatMeter,
    fault=read_fault,
    errors=ErrorShape(error_body, error_event),
    client=ClientSide(fields=FIELDS, read_ask=read_ask, new_writer=ChatWriter),
    provider=ProviderSide(write_ask=write_ask, new_reader=ChatReader),
    without_foreign=without_foreign,
)
