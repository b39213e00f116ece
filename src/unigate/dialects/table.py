"""The dialects Unigate knows, by name; a new one is a file of its own and a line here."""

from __future__ import annotations

from functools import partial

from unigate.dialects.dialect import Dialect, ErrorShape
from unigate.dialects.openai_errors import error_body, error_event, read_fault
from unigate.dialects.openai_meters import ChatMeter, SilentMeter
from unigate.dialects.openai_responses.meter import ResponsesMeter

__all__ = ["DIALECTS"]

_openai = partial(Dialect, fault=read_fault, errors=ErrorShape(error_body, error_event))
_read = partial(_openai, new_meter=ChatMeter)
_opaque = partial(_openai, new_meter=SilentMeter, opaque=True)
_form = partial(_opaque, model_in="form")

_CARRIED: tuple[Dialect, ...] = (
    _read(name="openai.chat", operation="/chat/completions", usage_on_request=True),
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
