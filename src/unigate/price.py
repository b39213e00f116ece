"""What a model costs, in nano-dollars: the one unit of money here, always an integer."""

from __future__ import annotations

import msgspec

__all__ = ["NANO", "Price", "Rates"]

NANO = 1_000_000_000
"""Nano-dollars in a dollar."""


class Rates(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Nano-dollars for a million tokens; None is `as the input` (or output) it is a part of."""

    input: int
    output: int
    cached: int | None = None
    cache_write: int | None = None
    # Writing what shall be kept for an hour; None is as any other writing.
    cache_write_hour: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None
    reasoning: int | None = None


class Price(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one model costs at one provider from one day on. What is unknown has no Price, and never one of zero."""

    rates: Rates
    # From this many input tokens on, the whole call costs the long rates.
    long_from: int = 0
    long: Rates | None = None
    # Nano-dollars for each call, whatever it consumes.
    per_call: int = 0
    # Tokens that go in at most, and that come out at most, where they are known.
    context: int | None = None
    most_output: int | None = None
    # Which table said so; it is kept with each row.
    version: str = ""
    # What it costs in other tiers of service, each a whole price of its own but for what a model is whoever pays.
    tiers: dict[str, Price] = {}
