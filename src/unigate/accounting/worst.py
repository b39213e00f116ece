"""What a call can cost at most, of all that it can consume."""

from __future__ import annotations

from typing import Final

from unigate.accounting.estimate import Bound
from unigate.price import Price, Rates

__all__ = ["reason_unpriced", "worst_case"]

_MILLION: Final = 1_000_000
_MOST_KNOWN: Final = 1024


def worst_case(price: Price, bound: Bound) -> int | None:
    """The nano-dollars that a call within its bound costs at most; None if nothing bounds them.

    A tier that was asked for may not be the one that serves it, so the ordinary one counts as well.
    """
    if bound.has_hosted_tools or bound.has_surcharge:
        return None
    ordinary = _worst(price, bound)
    if not bound.tier or ordinary is None:
        return ordinary
    other = _worst(price.tiers[bound.tier], bound)
    return None if other is None else max(ordinary, other)


def _worst(price: Price, bound: Bound) -> int | None:
    rates = price.rates
    fed, made = bound.input_tokens, bound.output_tokens
    dearest = _dearest(rates)
    dearest_in, dearest_out = dearest.fed, dearest.made
    long = price.long
    if long is not None and (fed is None or fed >= price.long_from):
        dearest = _dearest(long)
        dearest_in, dearest_out = max(dearest_in, dearest.fed), max(dearest_out, dearest.made)
    if (dearest_in and fed is None) or (dearest_out and made is None):
        return None
    total = dearest_in * (fed or 0) + dearest_out * (made or 0)
    return -(-total // _MILLION) + price.per_call


def reason_unpriced(price: Price | None, bound: Bound) -> str:
    """Why nobody can say what a call costs at most, for the sentence a refused client reads."""
    if price is None:
        return "no price is known for it"
    if bound.has_hosted_tools:
        return "the request uses tools that run at the provider, for a fee"
    if bound.has_surcharge:
        return "the request asks for a service whose price is not known"
    if bound.input_tokens is None:
        return "the request refers to more than its text, and the model's context window is not known"
    return "neither the request nor the table of prices limits the length of the answer"


class _Dearest:
    """What the dearest token in and the dearest token out cost at some rates."""

    __slots__ = ("fed", "made", "rates")

    def __init__(self, rates: Rates) -> None:
        self.rates = rates
        self.fed = max(
            rates.input, rates.cached or 0, rates.cache_write or 0, rates.cache_write_hour or 0, rates.audio_input or 0
        )
        self.made = max(rates.output, rates.audio_output or 0, rates.reasoning or 0)


# There are a few rates, and each call asks: by their identity, which stays taken as long as they are here.
_known: Final[dict[int, _Dearest]] = {}


def _dearest(rates: Rates) -> _Dearest:
    found = _known.get(id(rates))
    if found is None:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        found = _known[id(rates)] = _Dearest(rates)
    return found
