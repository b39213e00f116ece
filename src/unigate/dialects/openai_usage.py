"""What services that speak OpenAI's formats say of an answer's consumption."""

from __future__ import annotations

from typing import Final

import msgspec

from unigate.dialects.openai_answer import NULL
from unigate.dialects.openai_counts import Counts, Details
from unigate.tier import told_tier
from unigate.usage import REJECTED, Usage

__all__ = ["BAD_COUNTS", "read_counts", "read_usage", "usage_of"]

_NONE: Final = Details()
BAD_COUNTS: Final = Counts(prompt_tokens=-1)
"""Stands for counts that make no sense."""

_FAILURES: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_counts: Final = msgspec.json.Decoder(Counts | None)


def read_counts(raw: msgspec.Raw) -> Counts | None:
    """A `usage` object; BAD_COUNTS if it makes no sense."""
    try:
        return _counts.decode(raw)
    except _FAILURES:
        return BAD_COUNTS


def read_usage(raw: msgspec.Raw, tier: msgspec.Raw = NULL) -> Usage | None:
    """What a `usage` object says; None where it says nothing, and REJECTED where it makes no sense.

    `tier` is the `service_tier` that stands beside it.
    """
    return usage_of(read_counts(raw), tier)


def usage_of(counts: Counts | None, tier: msgspec.Raw = NULL) -> Usage | None:
    """The counts as usage; None where they say neither input nor output."""
    if counts is None or counts is BAD_COUNTS:
        return None if counts is None else REJECTED
    fed = counts.prompt_tokens_details or counts.input_tokens_details or _NONE
    made = counts.completion_tokens_details or counts.output_tokens_details or _NONE
    inputs = counts.prompt_tokens if counts.input_tokens is None else counts.input_tokens
    outputs = counts.completion_tokens if counts.output_tokens is None else counts.output_tokens
    if inputs is None and outputs is None:
        return None
    reasoning = made.reasoning_tokens if made.reasoning_tokens is not None else counts.reasoning_tokens
    # OpenAI counts reasoning within the output; xAI and Google beside it, where only the total shows it.
    beside = (counts.total_tokens or 0) - (inputs or 0) - (outputs or 0)
    if beside > 0 and inputs is not None and outputs is not None and reasoning in (None, beside):
        outputs, reasoning = outputs + beside, beside
    cached = fed.cached_tokens if fed.cached_tokens is not None else counts.prompt_cache_hit_tokens
    cached = cached if cached is not None else counts.num_cached_tokens
    written, heard, spoken = fed.cache_write_tokens, fed.audio_tokens, made.audio_tokens
    tier_told = told_tier(tier) if tier is not NULL else None  # as most say nothing of it
    return Usage(inputs, outputs, cached, reasoning, False, written, heard, spoken, None, False, tier_told)
