"""The table of prices: what a model costs at a provider from which day on, and what the operator says instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256

import msgspec

from unigate.config import PriceSettings, RateSettings, TierSettings
from unigate.price import NANO, Price, Rates
from unigate.target import Provider
from unigate.tier import tier_named, united

__all__ = ["Dated", "Listed", "PriceTable", "Section", "Tier", "day_of", "listed", "own_prices", "parse_prices"]

_encode = msgspec.json.Encoder(order="deterministic").encode


class Dated(msgspec.Struct, frozen=True, array_like=True):
    """A price and the first day of it, in UTC; no day is `always`."""

    since: str
    price: Price


class Section(msgspec.Struct, frozen=True, omit_defaults=True):
    """One service's prices. A model that has several names has one entry in `prices`, to which they all point."""

    names: dict[str, int]
    prices: tuple[tuple[Dated, ...], ...]
    # Other ways to write a name, as (pattern, replacement), each tried where the name itself is not listed.
    rewrites: tuple[tuple[str, str], ...] = ()
    # Sections to look in next.
    then: tuple[str, ...] = ()

    def find(self, model: str, day: str) -> Price | None:
        """What a model costs on a day."""
        for name in _spellings(model, self.rewrites):
            if (place := self.names.get(name)) is not None:
                return next((one.price for one in reversed(self.prices[place]) if one.since <= day), None)
        return None


_EMPTY = Section({}, ())


class PriceTable(msgspec.Struct, frozen=True):
    """All prices that are known: those that come with the gateway, and the operator's own, which go first."""

    version: str = ""
    sections: dict[str, Section] = {}
    # By `provider/model`, where `*` stands for anything.
    own: dict[str, Price] = {}

    def find(self, provider: Provider, model: str, at_ns: int) -> Price | None:
        """What a model costs at a provider at an instant; None is unknown, which is never free."""
        own, told = self.own_for(f"{provider.name}/{model}"), self._told(provider.prices, model, day_of(at_ns))
        if own is None or told is None:
            return own or told
        return msgspec.structs.replace(
            own,
            context=told.context if own.context is None else own.context,
            most_output=told.most_output if own.most_output is None else own.most_output,
        )

    def only(self, providers: Iterable[Provider]) -> PriceTable:
        """The part of the table that these providers can need."""
        return PriceTable(self.version, self.needed(provider.prices for provider in providers), self.own)

    def needed(self, names: Iterable[str]) -> dict[str, Section]:
        """The sections of these names, and those that they lead to."""
        kept: dict[str, Section] = {}
        wanted = [*names]
        while wanted:
            name = wanted.pop()
            if name in self.sections and name not in kept:
                kept[name] = self.sections[name]
                wanted += kept[name].then
        return kept

    def with_sections(self, more: Mapping[str, Section]) -> PriceTable:
        """The same with more sections."""
        return PriceTable(self.version, {**more, **self.sections}, self.own) if more else self

    def with_own(self, own: Mapping[str, Price]) -> PriceTable:
        """The same with the operator's prices."""
        return PriceTable(self.version, self.sections, dict(own))

    def own_for(self, place: str) -> Price | None:
        """What the operator says of a `provider/model`: its own entry, else the longest pattern that fits."""
        if (exact := self.own.get(place)) is not None:
            return exact
        fitting = [pattern for pattern in self.own if "*" in pattern and _fits(pattern, place)]
        return self.own[max(fitting, key=len)] if fitting else None

    def _told(self, section: str, model: str, day: str) -> Price | None:
        known = self.sections.get(section)
        if known is None:
            return None
        for one in (known, *(self.sections[name] for name in known.then if name in self.sections)):
            if (price := one.find(model, day)) is not None:
                return msgspec.structs.replace(price, version=self.version)
        return None


class Tier(msgspec.Struct, frozen=True):
    """A tier's price as people read it."""

    rates: dict[str, float]
    long_from: int | None
    long: dict[str, float] | None


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A price as people read it; the rates are US dollars for a million tokens, by what the tokens are."""

    provider: str
    model: str
    rates: dict[str, float]
    # From this many input tokens on, all of a call costs the long rates.
    long_from: int | None
    long: dict[str, float] | None
    # What it costs in other tiers of service, by their names.
    tiers: dict[str, Tier]
    # US dollars for each call.
    per_call: float
    context: int | None
    max_output: int | None
    version: str
    # The first day of it; None where it has none.
    since: str | None


def parse_prices(content: bytes) -> PriceTable:
    """The table in the file that comes with the package. Raises msgspec.ValidationError for a malformed one."""
    return msgspec.json.decode(content, type=PriceTable)


def day_of(at_ns: int) -> str:
    """The UTC day of an instant, as 2026-11-23."""
    return datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).date().isoformat()


def own_prices(settings: Mapping[str, PriceSettings]) -> dict[str, Price]:
    """The operator's prices; their version is a digest of what they say."""
    return {place: _own_price(one) for place, one in settings.items()}


def listed(table: PriceTable, providers: Iterable[Provider], at_ns: int) -> Iterator[Listed]:
    """Every price that the configured providers have on a day, the operator's own first."""
    day = day_of(at_ns)
    for place, price in table.own.items():
        provider, _, model = place.partition("/")
        yield _listed(provider, model, price, "", price.version)
    for provider in providers:
        section = table.sections.get(provider.prices, _EMPTY)
        for name, index in section.names.items():
            dated = next((one for one in reversed(section.prices[index]) if one.since <= day), None)
            if dated is not None and table.own_for(f"{provider.name}/{name}") is None:
                yield _listed(provider.name, name, dated.price, dated.since, table.version)


def _spellings(model: str, rewrites: tuple[tuple[str, str], ...]) -> Iterator[str]:
    """A name, then what the rules make of it, each of the result of those before it."""
    yield model
    for pattern, replacement in rewrites:
        written = re.sub(pattern, replacement, model)
        if written != model:
            model = written
            yield model


def _fits(pattern: str, place: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), place, re.DOTALL) is not None


def _own_price(settings: PriceSettings) -> Price:
    price = msgspec.structs.replace(
        _tier_price(settings, settings.per_call),
        context=settings.context,
        most_output=settings.max_output,
        tiers={
            united(map(tier_named, name.split("+"))): _tier_price(one, settings.per_call)
            for name, one in settings.tiers.items()
        },
    )
    return msgspec.structs.replace(price, version=f"config-{sha256(_encode(price)).hexdigest()[:8]}")


def _tier_price(settings: TierSettings, per_call: float) -> Price:
    return Price(
        rates=_rates(settings),
        long_from=settings.long_from or 0,
        long=_rates(settings.long) if settings.long is not None else None,
        per_call=_nano(per_call),
    )


def _rates(told: RateSettings) -> Rates:
    return Rates(
        input=_nano(told.input),
        output=_nano(told.output),
        cached=_nano_or_none(told.cached),
        cache_write=_nano_or_none(told.cache_write),
        cache_write_hour=_nano_or_none(told.cache_write_hour),
        audio_input=_nano_or_none(told.audio_input),
        audio_output=_nano_or_none(told.audio_output),
        reasoning=_nano_or_none(told.reasoning),
    )


def _nano_or_none(dollars: float | None) -> int | None:
    return None if dollars is None else _nano(dollars)


def _nano(dollars: float) -> int:
    """Dollars as they were written, not as the machine holds them: 0.1 is a tenth."""
    return -int(-Decimal(repr(dollars)) * NANO // 1)


def _listed(provider: str, model: str, price: Price, since: str, version: str) -> Listed:
    own = _tier(price)
    return Listed(
        provider=provider,
        model=model,
        rates=own.rates,
        long_from=own.long_from,
        long=own.long,
        tiers={name: _tier(one) for name, one in price.tiers.items()},
        per_call=price.per_call / NANO,
        context=price.context,
        max_output=price.most_output,
        version=version,
        since=since or None,
    )


def _tier(price: Price) -> Tier:
    return Tier(
        _dollars(price.rates),
        price.long_from if price.long is not None else None,
        _dollars(price.long) if price.long is not None else None,
    )


def _dollars(rates: Rates) -> dict[str, float]:
    told: dict[str, int | None] = msgspec.structs.asdict(rates)
    return {name: nano / NANO for name, nano in told.items() if nano is not None}
