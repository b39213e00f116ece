"""Rankings as DashScope says them (https://help.aliyun.com/zh/model-studio/text-rerank-api)."""

from __future__ import annotations

import msgspec

from unigate.dialects.conversion import ProviderHalf, Reranking
from unigate.dialects.losses import Losses
from unigate.dialects.ranking.ranking import Aspect, Place, RankAsk, Ranking, possible
from unigate.dialects.whole_answers import NOTHING, Count, decoded, usage_from
from unigate.target import Target
from unigate.usage import Usage

__all__ = ["RERANK", "usage_in"]

_encode = msgspec.json.Encoder().encode


class _Counts(msgspec.Struct, frozen=True):
    total_tokens: Count | None = None


class _Output(msgspec.Struct, frozen=True):
    results: tuple[Place, ...]


class _Told(msgspec.Struct, frozen=True):
    usage: msgspec.Raw = NOTHING


class _Answer(_Told, frozen=True, kw_only=True):
    output: _Output
    request_id: str | None = None


_told = msgspec.json.Decoder(_Told)
_answer = msgspec.json.Decoder(_Answer)
_counts = msgspec.json.Decoder(_Counts | None)


def usage_in(content: bytes) -> Usage:
    """The usage that an answer tells. Raises Fault if it is no JSON object."""
    return usage_from(_counts, decoded(_told, content).usage, _tokens)


def _tokens(counts: _Counts | None) -> float | None:
    return counts.total_tokens if counts is not None else None


def _write_ask(ask: RankAsk, target: Target, losses: Losses) -> bytes:
    if ask.max_tokens is not None:
        losses.cannot(Aspect.MAX_TOKENS)
    body: dict[str, object] = {
        "model": target.model,
        "input": {"query": ask.query, "documents": [document.text for document in ask.documents]},
        "parameters": {} if ask.top is None else {"top_n": ask.top},
    }
    return _encode(body)


def _read_answer(content: bytes, ask: RankAsk) -> Ranking:
    answer = decoded(_answer, content)
    usage = usage_from(_counts, answer.usage, _tokens)
    return possible(Ranking(answer.output.results, answer.request_id or "", usage), ask)


RERANK = Reranking(provider=ProviderHalf(write_ask=_write_ask, read_answer=_read_answer))
