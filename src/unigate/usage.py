"""What a call consumed, in the provider's own counts."""

from __future__ import annotations

import msgspec

__all__ = ["REJECTED", "Usage"]


class Usage(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Tokens of one answer; `None` is unknown and never means zero.

    `input_tokens` counts all input, read from a cache or written to it or not; `output_tokens` all output, reasoning
    included. The others are parts of these two.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    estimated: bool = False
    cache_write_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    # The part of what was written to a cache that shall be kept there for an hour.
    cache_write_hour_tokens: int | None = None
    # Something was told that no count can be.
    rejected: bool = False
    # The tier of service that the provider says it was; empty is the ordinary one.
    tier: str | None = None


REJECTED = Usage(rejected=True)
"""What is left of counts that cannot be any."""
