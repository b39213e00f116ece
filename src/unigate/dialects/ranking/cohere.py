"""Rankings as Cohere's second version says them (https://docs.cohere.com/reference/rerank)."""

from __future__ import annotations

import msgspec

from unigate.dialects.conversion import ProviderHalf, Reranking
from unigate.dialects.losses import Losses
from unigate.dialects.ranking.ranking import Place, RankAsk, Ranking, possible
from unigate.dialects.whole_answers import NOTHING, Count, decoded, usage_from
from unigate.target import Target
from unigate.usage import Usage

__all__ = ["RERANK", "usage_in"]

_encode = msgspec.json.Encoder().encode


class _Units(msgspec.Struct, frozen=True):
    search_units: Count | None = None
    input_tokens: Count | None = None


class _Meta(msgspec.Struct, frozen=True):
    billed_units: _Units | None = None


class _Told(msgspec.Struct, frozen=True):
    meta: msgspec.Raw = NOTHING


class _Answer(_Told, frozen=True, kw_only=True):
    results: tuple[Place, ...]
    id: str | None = None


_told = msgspec.json.Decoder(_Told)
_answer = msgspec.json.Decoder(_Answer)
_meta = msgspec.json.Decoder(_Meta | None)


def usage_in(content: bytes) -> Usage:
    """The usage that an answer tells, in tokens: mostly none. Raises Fault if it is no JSON object."""
    return usage_from(_meta, decoded(_told, content).meta, _tokens)


def _tokens(meta: _Meta | None) -> float | None:
    return meta.billed_units.input_tokens if meta is not None and meta.billed_units is not None else None


def _units(meta: _Meta | None) -> float | None:
    return meta.billed_units.search_units if meta is not None and meta.billed_units is not None else None


def _write_ask(ask: RankAsk, target: Target, losses: Losses) -> bytes:
    body: dict[str, object] = {
        "model": target.model,
        "query": ask.query,
        "documents": [document.text for document in ask.documents],
    }
    if ask.top is not None:
        body["top_n"] = ask.top
    if ask.max_tokens is not None:
        body["max_tokens_per_doc"] = ask.max_tokens
    return _encode(body)


def _read_answer(content: bytes, ask: RankAsk) -> Ranking:
    answer = decoded(_answer, content)
    usage, units = (usage_from(_meta, answer.meta, count) for count in (_tokens, _units))
    return possible(Ranking(answer.results, answer.id or "", usage, units.input_tokens), ask)


RERANK = Reranking(provider=ProviderHalf(write_ask=_write_ask, read_answer=_read_answer))
