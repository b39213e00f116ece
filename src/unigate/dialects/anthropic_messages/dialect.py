"""Anthropic's Messages, and its count of tokens, as the gateway carries and translates them."""

from __future__ import annotations

from unigate.dialects.anthropic_messages.answer_reader import MessagesReader
from unigate.dialects.anthropic_messages.answer_writer import MessagesWriter
from unigate.dialects.anthropic_messages.count import counted
from unigate.dialects.anthropic_messages.errors import error_body, error_event, read_fault
from unigate.dialects.anthropic_messages.fields import FIELDS
from unigate.dialects.anthropic_messages.meter import MessagesMeter
from unigate.dialects.anthropic_messages.moved import without_foreign
from unigate.dialects.anthropic_messages.request_reader import read_ask
from unigate.dialects.anthropic_messages.request_writer import write_ask
from unigate.dialects.dialect import ClientSide, Dialect, ErrorShape, ProviderSide
from unigate.dialects.openai_meters import SilentMeter
from unigate.wire.body import Body

__all__ = ["COUNT_TOKENS", "MESSAGES"]

_ERRORS = ErrorShape(error_body, error_event)


def _estimate(body: Body, model: str) -> bytes:
    return counted(read_ask(body, model, False))


MESSAGES = Dialect(
    name="anthropic.messages",
    operation="/messages",
    stream_operation="/messages",
    new_meter=MessagesMeter,
    fault=read_fault,
    without_foreign=without_foreign,
    errors=_ERRORS,
    id_header=b"request-id",
    client=ClientSide(fields=FIELDS, read_ask=read_ask, new_writer=MessagesWriter),
    provider=ProviderSide(write_ask=write_ask, new_reader=MessagesReader),
)
COUNT_TOKENS = Dialect(
    name="anthropic.count_tokens",
    operation="/messages/count_tokens",
    new_meter=SilentMeter,
    fault=read_fault,
    without_foreign=without_foreign,
    errors=_ERRORS,
    id_header=b"request-id",
    estimate=_estimate,
)
