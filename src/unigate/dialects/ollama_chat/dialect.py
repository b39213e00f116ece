"""Ollama's chat and generate as the gateway carries and translates them."""

from __future__ import annotations

from functools import partial

from unigate.dialects.dialect import ClientSide, Dialect, ErrorShape, ProviderSide
from unigate.dialects.ollama_chat.answer_reader import ChatReader
from unigate.dialects.ollama_chat.answer_writer import chat_writer, generate_writer
from unigate.dialects.ollama_chat.fields import FIELDS, GENERATE_FIELDS
from unigate.dialects.ollama_chat.meter import LineMeter
from unigate.dialects.ollama_chat.request_reader import read_ask, read_generate_ask
from unigate.dialects.ollama_chat.request_writer import write_ask
from unigate.dialects.ollama_chat.shelf import idle_chat, idle_generate
from unigate.dialects.openai_errors import read_fault
from unigate.dialects.vectors.ollama_errors import error_body, error_event
from unigate.wire.lines import LineCutter

__all__ = ["CHAT", "GENERATE"]

_STREAM = b"application/x-ndjson"
# Every line of a stream is an object, so that nothing else may stand in one.
_ollama = partial(
    Dialect,
    streams_by_default=True,
    stream_type=_STREAM,
    new_cutter=LineCutter,
    new_meter=LineMeter,
    fault=read_fault,
    errors=ErrorShape(error_body, error_event),
    comments=False,
)

CHAT = _ollama(
    name="ollama.chat",
    operation="/api/chat",
    client=ClientSide(fields=FIELDS, read_ask=read_ask, new_writer=chat_writer, stream_type=_STREAM),
    provider=ProviderSide(write_ask=write_ask, new_reader=ChatReader),
    idle=idle_chat,
)
GENERATE = _ollama(
    name="ollama.generate",
    operation="/api/generate",
    client=ClientSide(
        fields=GENERATE_FIELDS, read_ask=read_generate_ask, new_writer=generate_writer, stream_type=_STREAM
    ),
    idle=idle_generate,
)
