"""What a call costs: its usage made believable first, then reckoned in whole nano-dollars."""

from __future__ import annotations

from typing import Final

import msgspec

from unigate.accounting.estimate import Bound
from unigate.price import Rates
from unigate.tariff import Tariff
from unigate.usage import Usage

__all__ = ["ABSURD", "cost_of", "sane"]

ABSURD: Final = 1_000_000_000
"""More tokens than any call has."""

_PLAUSIBLE: Final[tuple[str, ...]] = ()
_REJECTED: Final = ("usage_rejected",)


def cost_of(tariff: Tariff, usage: Usage) -> int | None:
    """The nano-dollars of a usage that `sane` has seen, rounded up once; None if what would cost is not known."""
    fed, made = usage.input_tokens, usage.output_tokens
    rates = tariff.rates
    if tariff.long is not None and fed is not None and fed >= tariff.long_from:
        rates = tariff.long
    if (fed is None and (rates.input or tariff.long is not None)) or (made is None and rates.output):
        return None
    total = _fed(rates, usage, fed or 0) + _made(rates, usage, made or 0)
    return -(-total // tariff.per) + tariff.per_call


def _fed(rates: Rates, usage: Usage, fed: int) -> int:
    """Every token of the input once: written to a cache, read from one, sound, the rest."""
    cached, written, sound = usage.cached_tokens, usage.cache_write_tokens, usage.audio_input_tokens
    if not cached and not written and not sound:
        return fed * rates.input
    total, rest = 0, fed
    if written:
        rest -= written
        write = rates.input if rates.cache_write is None else rates.cache_write
        hours = usage.cache_write_hour_tokens or 0
        total += (written - hours) * write
        total += hours * (write if rates.cache_write_hour is None else rates.cache_write_hour)
    if cached:
        rest -= cached
        total += cached * (rates.input if rates.cached is None else rates.cached)
    if sound and rates.audio_input is not None:
        sound = min(sound, rest)
        rest -= sound
        total += sound * rates.audio_input
    return total + rest * rates.input


def _made(rates: Rates, usage: Usage, made: int) -> int:
    sound, thought = usage.audio_output_tokens, usage.reasoning_tokens
    total, rest = 0, made
    if sound and rates.audio_output is not None:
        rest -= sound
        total += sound * rates.audio_output
    if thought and rates.reasoning is not None:
        thought = min(thought, rest)
        rest -= thought
        total += thought * rates.reasoning
    return total + rest * rates.output


def sane(
    usage: Usage, bound: Bound | None = None, tariff: Tariff | None = None, likely_input: int | None = None
) -> tuple[Usage, tuple[str, ...]]:
    """A usage that money can be reckoned by, and what was noteworthy about it.

    A count that cannot be true becomes the bound of the call's hold; without a hold it is estimated, or unknown. Parts
    that do not fit into their whole never make a call cheaper. Where nobody told the input, `likely_input` stands in.
    """
    fed, made = usage.input_tokens, usage.output_tokens
    if _is_plain(usage, fed, made) and _is_within(bound, fed, made, likely_input):
        return usage, _PLAUSIBLE
    most_fed, most_made = _most(bound, tariff)
    if usage.rejected or not _is_plausible(fed, most_fed) or not _is_plausible(made, most_made):
        if bound is not None:
            return Usage(bound.input_tokens, bound.output_tokens, estimated=True, rejected=True), _REJECTED
        counted = made if usage.estimated and _is_plausible(made, most_made) else None
        return Usage(likely_input, counted, estimated=True, rejected=True), _REJECTED
    flags: list[str] = []
    is_estimated = usage.estimated
    if fed is None and likely_input is not None:
        fed, is_estimated = likely_input, True
    if bound is not None and (fed is None or made is None):
        if fed is None or bound.output_tokens != 0:
            flags.append("usage_missing")
            is_estimated = True
        fed = bound.input_tokens if fed is None else fed
        made = bound.output_tokens if made is None else made
    if bound is not None and (_exceeds(fed, bound.input_tokens) or _exceeds(made, bound.output_tokens)):
        flags.append("over_hold")
    parts = _parts(usage, fed, made, tariff)
    if parts is None and fed == usage.input_tokens and made == usage.output_tokens:
        return usage, tuple(flags) if flags else _PLAUSIBLE
    if parts is not None:
        flags.append("usage_rejected")
        usage = parts
    changed = msgspec.structs.replace(usage, input_tokens=fed, output_tokens=made, estimated=is_estimated)
    return changed, tuple(flags)


def _most(bound: Bound | None, tariff: Tariff | None) -> tuple[int, int]:
    """The largest believable counts: hosted tools may read and write a window many times over."""
    if bound is None or tariff is None or bound.has_hosted_tools:
        return ABSURD, ABSURD
    if tariff.context is None or tariff.most_output is None:
        return ABSURD, ABSURD
    window = tariff.context + tariff.most_output
    return min(max(window, bound.input_tokens or 0), ABSURD), min(max(window, bound.output_tokens or 0), ABSURD)


def _is_plain(usage: Usage, fed: int | None, made: int | None) -> bool:
    """Whether a usage is two believable counts and no more: nothing can be wrong with that."""
    if usage.rejected or usage.cached_tokens or usage.reasoning_tokens or not 0 <= (fed or 0) + (made or 0) <= ABSURD:
        return False
    if usage.cache_write_tokens or usage.cache_write_hour_tokens:
        return False
    return not (usage.audio_input_tokens or usage.audio_output_tokens) and (fed or 0) >= 0 and (made or 0) >= 0


def _is_within(bound: Bound | None, fed: int | None, made: int | None, likely_input: int | None) -> bool:
    """Whether there is nothing to add to two counts, and nothing to note about them."""
    if bound is None:
        return likely_input is None or fed is not None
    if fed is None or made is None:
        return False
    return not _exceeds(fed, bound.input_tokens) and not _exceeds(made, bound.output_tokens)


def _is_plausible(count: int | None, most: int) -> bool:
    return count is None or 0 <= count <= most


def _exceeds(count: int | None, most: int | None) -> bool:
    return count is not None and most is not None and count > most


def _parts(usage: Usage, fed: int | None, made: int | None, tariff: Tariff | None) -> Usage | None:
    """The usage with parts that fit into their wholes; None if they do as they are."""
    cached, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
    hours, sound = usage.cache_write_hour_tokens or 0, usage.audio_input_tokens or 0
    spoken, thought = usage.audio_output_tokens or 0, usage.reasoning_tokens or 0
    if not (cached or written or hours or sound or spoken or thought):
        return None
    whole_in, whole_out = fed or 0, made or 0
    fits = cached >= 0 and written >= 0 and cached + written <= whole_in and 0 <= hours <= written
    if fits and 0 <= sound <= whole_in and 0 <= spoken <= whole_out and 0 <= thought <= whole_out:
        return None
    # Who lied about one is believed no other that is cheaper than the rest, but for what was read from a cache.
    written = _within(written, whole_in) if _is_dear(tariff, "cache_write", "input") else 0
    hours = _within(hours, written) if _is_dear(tariff, "cache_write_hour", "input") else 0
    sound = _within(sound, whole_in) if _is_dear(tariff, "audio_input", "input") else 0
    spoken = _within(spoken, whole_out) if _is_dear(tariff, "audio_output", "output") else 0
    thought = _within(thought, whole_out) if _is_dear(tariff, "reasoning", "output") else 0
    return msgspec.structs.replace(
        usage,
        cached_tokens=cached if 0 < cached <= whole_in - written else None,
        cache_write_tokens=written or None,
        cache_write_hour_tokens=hours or None,
        audio_input_tokens=sound or None,
        audio_output_tokens=spoken or None,
        reasoning_tokens=thought or None,
    )


def _is_dear(tariff: Tariff | None, part: str, whole: str) -> bool:
    """Whether tokens of a part cost no less than the other ones of its whole."""
    for rates in (tariff.rates, tariff.long) if tariff is not None else ():
        if rates is not None and (rate := getattr(rates, part)) is not None and rate < getattr(rates, whole):
            return False
    return True


def _within(count: int, whole: int) -> int:
    return max(0, min(count, whole))
