"""Embeddings as Cohere's second version says them (https://docs.cohere.com/reference/embed)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from unigate.dialects.conversion import Embedding, ProviderHalf
from unigate.dialects.losses import Losses
from unigate.dialects.vectors.vectors import Aspect, EmbedAsk, Purpose, Vectors, complete, numbers_of
from unigate.dialects.whole_answers import NOTHING, Count, decoded, usage_from
from unigate.target import Target
from unigate.usage import Usage

__all__ = ["EMBED", "usage_in"]

_WORDS: Mapping[Purpose, str] = {
    Purpose.QUERY: "search_query",
    Purpose.DOCUMENT: "search_document",
    Purpose.CLASSIFICATION: "classification",
    Purpose.CLUSTERING: "clustering",
}
# Kinds of queries that other services tell apart.
_NEAREST: Mapping[Purpose, str] = {
    Purpose.QUESTION: "search_query",
    Purpose.FACT: "search_query",
    Purpose.CODE_QUERY: "search_query",
}
# The field is required, and what is embedded without a purpose is mostly what will be searched.
_USUAL = "search_document"

_encode = msgspec.json.Encoder().encode


class _Kinds(msgspec.Struct, frozen=True):
    float: tuple[msgspec.Raw, ...]


class _Units(msgspec.Struct, frozen=True):
    input_tokens: Count | None = None


class _Meta(msgspec.Struct, frozen=True):
    billed_units: _Units | None = None


class _Told(msgspec.Struct, frozen=True):
    meta: msgspec.Raw = NOTHING


class _Answer(_Told, frozen=True, kw_only=True):
    embeddings: _Kinds


_told = msgspec.json.Decoder(_Told)
_answer = msgspec.json.Decoder(_Answer)
_meta = msgspec.json.Decoder(_Meta | None)


def usage_in(content: bytes) -> Usage:
    """The usage that an answer tells. Raises Fault if it is no JSON object."""
    return usage_from(_meta, decoded(_told, content).meta, _tokens)


def _tokens(meta: _Meta | None) -> float | None:
    return meta.billed_units.input_tokens if meta is not None and meta.billed_units is not None else None


def _write_ask(ask: EmbedAsk, target: Target, losses: Losses) -> bytes:
    body: dict[str, object] = {
        "model": target.model,
        "input_type": _input_type(ask.purpose, losses),
        "texts": ask.texts,
        "embedding_types": ("float",),
    }
    if ask.dimensions is not None:
        body["output_dimension"] = ask.dimensions
    if ask.truncate is not None:
        body["truncate"] = ask.truncate.upper()
    for aspect, value in ((Aspect.TITLE, ask.title), (Aspect.USER, ask.user)):
        if value is not None:
            losses.cannot(aspect)
    return _encode(body)


def _input_type(purpose: Purpose | None, losses: Losses) -> str:
    if purpose is None:
        return _USUAL
    word = _WORDS.get(purpose)
    if word is None:
        losses.cannot(Aspect.PURPOSE)
    return word or _NEAREST.get(purpose, _USUAL)


def _read_answer(content: bytes, ask: EmbedAsk) -> Vectors:
    answer = decoded(_answer, content)
    vectors = tuple(map(numbers_of, answer.embeddings.float))
    return complete(Vectors(vectors, "", usage_from(_meta, answer.meta, _tokens)), ask)


EMBED = Embedding(provider=ProviderHalf(write_ask=_write_ask, read_answer=_read_answer))
