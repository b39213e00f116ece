"""The dialects Unigate knows, by name; a new one is a file of its own and a line here."""

from __future__ import annotations

from unigate.dialects.dialect import Dialect
from unigate.dialects.openai_errors import read_fault
from unigate.dialects.openai_meters import ChatMeter, ResponsesMeter, SilentMeter

__all__ = ["DIALECTS"]

_CARRIED = (
    Dialect(
        name="openai.chat", operation="/chat/completions", usage_on_request=True, new_meter=ChatMeter, fault=read_fault
    ),
    Dialect(
        name="openai.completions",
        operation="/completions",
        usage_on_request=True,
        new_meter=ChatMeter,
        fault=read_fault,
    ),
    Dialect(name="openai.responses", operation="/responses", new_meter=ResponsesMeter, fault=read_fault),
    Dialect(name="openai.embeddings", operation="/embeddings", new_meter=ChatMeter, fault=read_fault),
    Dialect(name="openai.moderations", operation="/moderations", new_meter=ChatMeter, fault=read_fault),
    Dialect(name="openai.rerank", operation="/rerank", new_meter=ChatMeter, fault=read_fault),
    Dialect(
        name="openai.images.generations",
        operation="/images/generations",
        opaque=True,
        new_meter=SilentMeter,
        fault=read_fault,
    ),
    Dialect(
        name="openai.images.edits",
        operation="/images/edits",
        model_in="form",
        opaque=True,
        new_meter=SilentMeter,
        fault=read_fault,
    ),
    Dialect(
        name="openai.images.variations",
        operation="/images/variations",
        model_in="form",
        opaque=True,
        new_meter=SilentMeter,
        fault=read_fault,
    ),
    Dialect(
        name="openai.audio.speech", operation="/audio/speech", opaque=True, new_meter=SilentMeter, fault=read_fault
    ),
    Dialect(
        name="openai.audio.transcriptions",
        operation="/audio/transcriptions",
        model_in="form",
        opaque=True,
        new_meter=SilentMeter,
        fault=read_fault,
    ),
    Dialect(
        name="openai.audio.translations",
        operation="/audio/translations",
        model_in="form",
        opaque=True,
        new_meter=SilentMeter,
        fault=read_fault,
    ),
)

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in _CARRIED}
