"""The dialects Unigate knows, by name; a new one is a folder of its own and a line here."""

from __future__ import annotations

from functools import partial

from unigate.dialects.anthropic_messages.dialect import COUNT_TOKENS, MESSAGES
from unigate.dialects.bedrock_converse.dialect import CONVERSE
from unigate.dialects.cohere_chat.dialect import COHERE
from unigate.dialects.coze_chat.dialect import COZE
from unigate.dialects.dialect import Dialect
from unigate.dialects.dify_chat.dialect import DIFY
from unigate.dialects.gemini_generate.dialect import COUNT_TOKENS as GEMINI_COUNT_TOKENS
from unigate.dialects.gemini_generate.dialect import GENERATE, GENERATE_ARRAY
from unigate.dialects.ollama_chat.dialect import CHAT as OLLAMA_CHAT
from unigate.dialects.ollama_chat.dialect import GENERATE as OLLAMA_GENERATE
from unigate.dialects.openai_chat.dialect import CHAT
from unigate.dialects.openai_errors import read_fault
from unigate.dialects.openai_meters import ChatMeter, SilentMeter
from unigate.dialects.openai_responses.dialect import RESPONSES
from unigate.dialects.ranking.dialect import RANKINGS
from unigate.dialects.vectors.dialect import VECTORS
from unigate.target import Provider

__all__ = ["DIALECTS", "OPENAI_ERRORS", "dialect_for"]

OPENAI_ERRORS = CHAT.errors
"""How a client is told of errors where nothing says what it speaks."""

_openai = partial(Dialect, fault=read_fault, errors=OPENAI_ERRORS)
_read = partial(_openai, new_meter=ChatMeter)
_opaque = partial(_openai, new_meter=SilentMeter, opaque=True)
_form = partial(_opaque, model_in="form")

_TRANSLATED: tuple[Dialect, ...] = (
    CHAT,
    RESPONSES,
    MESSAGES,
    GENERATE,
    GENERATE_ARRAY,
    OLLAMA_CHAT,
    OLLAMA_GENERATE,
    CONVERSE,
    COHERE,
    COZE,
    DIFY,
)
_CARRIED: tuple[Dialect, ...] = (
    COUNT_TOKENS,
    GEMINI_COUNT_TOKENS,
    _read(name="openai.completions", operation="/completions", usage_on_request=True),
    _read(name="openai.moderations", operation="/moderations"),
    _opaque(name="openai.images.generations", operation="/images/generations"),
    _form(name="openai.images.edits", operation="/images/edits"),
    _form(name="openai.images.variations", operation="/images/variations"),
    _opaque(name="openai.audio.speech", operation="/audio/speech"),
    _form(name="openai.audio.transcriptions", operation="/audio/transcriptions"),
    _form(name="openai.audio.translations", operation="/audio/translations"),
)

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in _TRANSLATED + VECTORS + RANKINGS + _CARRIED}


def dialect_for(provider: Provider, asked: Dialect) -> Dialect | None:
    """What to speak to a provider for a client that speaks `asked`: the same if it can, else what it likes best."""
    if provider.endpoint(asked.name) is not None:
        return asked
    words = (word for endpoint in provider.endpoints for word in endpoint.speaks)
    return next((found for word in words if (found := DIALECTS.get(word)) and _leads(asked, found)), None)


def _leads(asked: Dialect, spoken: Dialect) -> bool:
    """Whether calls of one dialect can be rewritten for a target that speaks the other."""
    if asked.converts is None or spoken.converts is None:
        return asked.client is not None and spoken.provider is not None
    is_kin = type(asked.converts) is type(spoken.converts)
    return is_kin and asked.converts.client is not None and spoken.converts.provider is not None
