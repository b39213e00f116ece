"""The dialects Unigate knows, by name; a new one is a file of its own and a line here."""

from __future__ import annotations

from functools import partial

from unigate.dialects.dialect import ClientSide, Dialect, ErrorShape, ProviderSide
from unigate.dialects.openai_chat.answer_reader import ChatReader
from unigate.dialects.openai_chat.answer_writer import ChatWriter
from unigate.dialects.openai_chat.fields import FIELDS as CHAT_FIELDS
from unigate.dialects.openai_chat.request_reader import read_ask as read_chat
from unigate.dialects.openai_chat.request_writer import write_ask as write_chat
from unigate.dialects.openai_errors import error_body, error_event, read_fault
from unigate.dialects.openai_meters import ChatMeter, SilentMeter
from unigate.dialects.openai_responses.meter import ResponsesMeter
from unigate.target import Provider

__all__ = ["DIALECTS", "OPENAI_ERRORS", "dialect_for"]

OPENAI_ERRORS = ErrorShape(error_body, error_event)
"""How a client is told of errors where nothing says what it speaks."""

_openai = partial(Dialect, fault=read_fault, errors=OPENAI_ERRORS)
_read = partial(_openai, new_meter=ChatMeter)
_opaque = partial(_openai, new_meter=SilentMeter, opaque=True)
_form = partial(_opaque, model_in="form")

_CARRIED: tuple[Dialect, ...] = (
    _read(
        name="openai.chat",
        operation="/chat/completions",
        usage_on_request=True,
        client=ClientSide(fields=CHAT_FIELDS, read_ask=read_chat, new_writer=ChatWriter),
        provider=ProviderSide(write_ask=write_chat, new_reader=ChatReader),
    ),
    _read(name="openai.completions", operation="/completions", usage_on_request=True),
    _openai(name="openai.responses", operation="/responses", new_meter=ResponsesMeter),
    _read(name="openai.embeddings", operation="/embeddings"),
    _read(name="openai.moderations", operation="/moderations"),
    _read(name="openai.rerank", operation="/rerank"),
    _opaque(name="openai.images.generations", operation="/images/generations"),
    _form(name="openai.images.edits", operation="/images/edits"),
    _form(name="openai.images.variations", operation="/images/variations"),
    _opaque(name="openai.audio.speech", operation="/audio/speech"),
    _form(name="openai.audio.transcriptions", operation="/audio/transcriptions"),
    _form(name="openai.audio.translations", operation="/audio/translations"),
)

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in _CARRIED}


def dialect_for(provider: Provider, asked: Dialect) -> Dialect | None:
    """What to speak to a provider for a client that speaks `asked`: the same if it can, else what it likes best."""
    if provider.endpoint(asked.name) is not None:
        return asked
    if asked.client is None:
        return None
    words = (word for endpoint in provider.endpoints for word in endpoint.speaks)
    return next((found for word in words if (found := DIALECTS.get(word)) and found.provider is not None), None)
