"""The dialects in which texts become vectors, as the table has them."""

from __future__ import annotations

from functools import partial

from unigate.dialects import openai_errors
from unigate.dialects.dialect import Dialect, ErrorShape
from unigate.dialects.gemini_generate import errors as gemini_errors
from unigate.dialects.openai_meters import ChatMeter
from unigate.dialects.vectors import cohere, gemini, ollama, ollama_errors, openai
from unigate.dialects.whole_answers import WholeMeter

__all__ = ["VECTORS"]

_whole = partial(Dialect, comments=False)
_openai = partial(
    _whole,
    fault=openai_errors.read_fault,
    errors=ErrorShape(openai_errors.error_body, openai_errors.error_event),
)
# What is told in one sentence is read like OpenAI's.
_ollama = partial(
    _whole,
    fault=openai_errors.read_fault,
    errors=ErrorShape(ollama_errors.error_body, ollama_errors.error_event),
    new_meter=partial(WholeMeter, ollama.usage_in),
)
_gemini = partial(
    _whole,
    model_in="path",
    fault=gemini_errors.read_fault,
    errors=ErrorShape(gemini_errors.error_body, gemini_errors.error_event),
    new_meter=partial(WholeMeter, gemini.usage_in),
)

VECTORS: tuple[Dialect, ...] = (
    _openai(name="openai.embeddings", operation="/embeddings", new_meter=ChatMeter, converts=openai.EMBEDDINGS),
    _gemini(
        name="gemini.batch_embed",
        operation="/models/{model}:batchEmbedContents",
        converts=gemini.BATCH_OF_EMBEDS,
        name_model=gemini.name_in_batch,
    ),
    _gemini(
        name="gemini.embed",
        operation="/models/{model}:embedContent",
        converts=gemini.EMBED,
        name_model=gemini.name_in_body,
    ),
    _ollama(name="ollama.embed", operation="/api/embed", converts=ollama.EMBED),
    _ollama(name="ollama.embeddings", operation="/api/embeddings", converts=ollama.EMBEDDINGS),
    _openai(
        name="cohere.embed",
        operation="/embed",
        new_meter=partial(WholeMeter, cohere.usage_in),
        converts=cohere.EMBED,
    ),
)
