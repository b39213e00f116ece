"""A price made ready for reckoning: what every call asks of it, worked out once."""

from __future__ import annotations

from math import gcd
from typing import Final

import msgspec

from unigate.price import Price, Rates

__all__ = ["Tariff", "tariff_of"]

_MILLION: Final = 1_000_000
_MOST_KNOWN: Final = 4096


class Tariff:
    """A price in nano-dollars for `per` tokens: as small numbers as are exact, which are multiplied fastest."""

    __slots__ = (
        "context",
        "dearest_in",
        "dearest_out",
        "long",
        "long_dearest_in",
        "long_dearest_out",
        "long_from",
        "most_output",
        "per",
        "per_call",
        "price",
        "rates",
        "tiers",
        "version",
    )

    def __init__(self, price: Price) -> None:
        self.price = price
        self.version = price.version
        self.context = price.context
        self.most_output = price.most_output
        self.per_call = price.per_call
        common = gcd(_MILLION, *_given(price.rates), *(_given(price.long) if price.long is not None else ()))
        self.per = _MILLION // common
        self.rates = _divided(price.rates, common)
        # From this many input tokens on, the whole call costs the long rates.
        self.long_from = price.long_from
        self.long = _divided(price.long, common) if price.long is not None else None
        # What a token in and a token out cost at most.
        self.dearest_in, self.dearest_out = _dearest(self.rates)
        self.long_dearest_in, self.long_dearest_out = _dearest(self.long or self.rates)
        # What it costs in other tiers of service.
        self.tiers = {name: Tariff(tier) for name, tier in price.tiers.items()}


def _given(rates: Rates) -> list[int]:
    return [rate for rate in msgspec.structs.astuple(rates) if rate is not None]


def _divided(rates: Rates, common: int) -> Rates:
    rated = {name: rate for name, rate in msgspec.structs.asdict(rates).items() if rate is not None}
    return msgspec.structs.replace(rates, **{name: rate // common for name, rate in rated.items()})


def _dearest(rates: Rates) -> tuple[int, int]:
    fed = (rates.cached, rates.cache_write, rates.cache_write_hour, rates.audio_input)
    made = (rates.audio_output, rates.reasoning)
    return max(rates.input, *(rate or 0 for rate in fed)), max(rates.output, *(rate or 0 for rate in made))


# By the identity of prices, which stays taken as long as their tariffs are here: many models have the same one.
_known: Final[dict[int, Tariff]] = {}


def tariff_of(price: Price) -> Tariff:
    """The tariff of a price, the same one each time."""
    found = _known.get(id(price))
    if found is None:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        found = _known[id(price)] = Tariff(price)
    return found
