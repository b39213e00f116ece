"""The counts that services which speak OpenAI's formats tell with an answer."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["Counts", "Details"]

# A count outside this range is no count; whoever sent it has said nothing about usage.
Count = Annotated[int, msgspec.Meta(ge=0, lt=2**40)]


class Details(msgspec.Struct, frozen=True):
    """Parts of the input, or of the output."""

    cached_tokens: Count | None = None
    reasoning_tokens: Count | None = None
    audio_tokens: Count | None = None
    cache_write_tokens: Count | None = None


class Counts(msgspec.Struct, frozen=True):
    """Both families' names: Chat Completions says prompt/completion, Responses says input/output."""

    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    total_tokens: Count | None = None
    prompt_tokens_details: Details | None = None
    completion_tokens_details: Details | None = None
    input_tokens_details: Details | None = None
    output_tokens_details: Details | None = None
    # Services that have no details put these here.
    prompt_cache_hit_tokens: Count | None = None
    num_cached_tokens: Count | None = None
    reasoning_tokens: Count | None = None
