"""The dialects in which documents are ranked, as the table has them."""

from __future__ import annotations

from functools import partial

from unigate.dialects import openai_errors
from unigate.dialects.dialect import Dialect, ErrorShape
from unigate.dialects.ranking import cohere, dashscope, openai
from unigate.dialects.whole_answers import WholeMeter

__all__ = ["RANKINGS"]

# A sentence in `message` is all that these services have in common, and OpenAI's reader finds it.
_whole = partial(
    Dialect,
    comments=False,
    fault=openai_errors.read_fault,
    errors=ErrorShape(openai_errors.error_body, openai_errors.error_event),
)

RANKINGS: tuple[Dialect, ...] = (
    _whole(
        name="openai.rerank",
        operation="/rerank",
        aliases=("/v2/rerank",),  # Cohere's own clients, whose questions are the same
        new_meter=partial(WholeMeter, openai.usage_in),
        converts=openai.RERANK,
    ),
    _whole(
        name="cohere.rerank",
        operation="/rerank",
        new_meter=partial(WholeMeter, cohere.usage_in),
        converts=cohere.RERANK,
    ),
    _whole(
        name="dashscope.rerank",
        operation="/services/rerank/text-rerank/text-rerank",
        new_meter=partial(WholeMeter, dashscope.usage_in),
        converts=dashscope.RERANK,
    ),
)
