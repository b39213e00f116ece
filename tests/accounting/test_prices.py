"""The table of prices: which name costs what on which day, and what the operator says instead."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import msgspec
import pytest

from unigate.accounting.prices import Dated, PriceTable, Section, listed, own_prices
from unigate.config import LogSettings, PriceSettings, ProviderSettings, RateSettings, ServerSettings
from unigate.config_file import load_table
from unigate.demo import plan_demo
from unigate.dialects.table import DIALECTS
from unigate.local import Local
from unigate.price import NANO, Price, Rates
from unigate.price_file import load_prices
from unigate.routing.catalog import demo_way
from unigate.routing.table import build_provider
from unigate.secret import Secret
from unigate.snapshot import RouteEntry, Settings, Stored, build_snapshot
from unigate.target import Provider, Target

ROWS = load_table()
PRICES = load_prices()
NOW = int(datetime(2026, 11, 23, tzinfo=UTC).timestamp()) * NANO
CHAT = DIALECTS["openai.chat"]


def provider(kind: str, **given: str) -> Provider:
    facts: dict[str, object] = {"api_key": Secret("k")} | dict(given)
    return build_provider(kind, ProviderSettings(kind=kind, **facts), ROWS)  # type: ignore[arg-type]


def at(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * NANO


def dollars(found: Price | None) -> tuple[float, float] | None:
    return None if found is None else (found.rates.input / NANO, found.rates.output / NANO)


# --- names


@pytest.mark.parametrize(
    ("kind", "model", "price"),
    [
        ("openai", "gpt-4o", (2.5, 10)),
        ("openai", "gpt-4o-2024-08-06", (2.5, 10)),
        ("openai", "gpt-4o-2024-05-13", (5, 15)),
        ("openai", "gpt-4o-mini", (0.15, 0.6)),
        ("openai", "text-embedding-3-small", (0.02, 0)),
        ("anthropic", "claude-haiku-4-5", (1, 5)),
        ("anthropic", "claude-haiku-4-5-20251001", (1, 5)),
        ("deepseek", "deepseek-chat", (0.27, 1.1)),
        ("mistral", "mistral-small-latest", (0.15, 0.6)),
        ("openrouter", "anthropic/claude-haiku-4.5", (1, 5)),
        ("openai", "gpt-4o-as-nobody-knows-it", None),
        ("openai", "ft:gpt-4o:mine::abc", None),
        ("openrouter", "anthropic/claude-haiku-4.5:online", None),
        ("moonshot", "moonshot-v1-8k", None),
        ("ollama", "llama3.2", None),
    ],
)
def test_a_model_is_known_by_its_names_and_its_dated_ones(
    kind: str, model: str, price: tuple[float, float] | None
) -> None:
    assert dollars(PRICES.find(provider(kind), model, NOW)) == price


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", (0.25, 1.25)),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", (1.1, 5.5)),
        ("global.anthropic.claude-haiku-4-5-20251001-v1:0", (1, 5)),
        ("eu.amazon.nova-lite-v1:0", (0.06, 0.24)),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0", (0.06, 0.24)),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2", None),
    ],
)
def test_bedrock_names_a_region_or_an_address_before_the_model(model: str, price: tuple[float, float] | None) -> None:
    bedrock = provider("bedrock", region="us-east-1")

    assert dollars(PRICES.find(bedrock, model, NOW)) == price


def test_vertex_writes_a_date_after_an_at_sign() -> None:
    there = build_provider("vertex-anthropic", ProviderSettings(project="p", access_token=Secret("t")), ROWS)

    assert dollars(PRICES.find(there, "claude-haiku-4-5@20251001", NOW)) == (1, 5)


def test_azure_charges_what_openai_does_where_its_own_list_is_silent() -> None:
    azure = provider("azure", base_url="https://mine.openai.azure.com")

    assert dollars(PRICES.find(azure, "gpt-4o-mini", NOW)) == (0.15, 0.6)


def test_another_address_has_its_own_prices() -> None:
    relay = provider("openai", base_url="https://relay.example/v1")
    named = provider("openai", base_url="https://relay.example/v1", prices="openai")
    usual = provider("openai", base_url="https://api.openai.com/v1/")

    assert PRICES.find(relay, "gpt-4o", NOW) is None
    assert dollars(PRICES.find(named, "gpt-4o", NOW)) == (2.5, 10)
    assert dollars(PRICES.find(usual, "gpt-4o", NOW)) == (2.5, 10)


def test_each_row_names_a_section_that_exists() -> None:
    assert {row.prices for row in ROWS.values()} - {""} == set(PRICES.sections)


# --- days and tiers


def test_a_price_counts_from_its_first_day_in_utc() -> None:
    old, new = Price(rates=Rates(input=2, output=3)), Price(rates=Rates(input=1, output=1))
    days = (Dated("", old), Dated("2026-03-01", new))
    table = PriceTable("v1", {"s": Section({"m": 0}, (days,))})
    there = Provider(name="p", endpoints=(), key=Secret("k"), prices="s")

    found = [table.find(there, "m", at(day)) for day in ("2026-02-28T23:59:59", "2026-03-01T00:00:00")]

    assert [one.rates.input if one else None for one in found] == [2, 1]
    assert found[1] is not None and found[1].version == "v1"


def test_nothing_is_known_before_the_first_day() -> None:
    price = Price(rates=Rates(input=1, output=1))
    table = PriceTable("v1", {"s": Section({"m": 0}, ((Dated("2026-03-01", price),),))})
    there = Provider(name="p", endpoints=(), key=Secret("k"), prices="s")

    assert table.find(there, "m", at("2026-02-28")) is None


def test_a_long_input_has_rates_of_its_own() -> None:
    price = PRICES.find(provider("gemini"), "gemini-2.5-pro", NOW)

    assert price is not None and price.long is not None
    assert (price.long_from, price.rates.input, price.long.input) == (200_001, 1.25 * NANO, 2.5 * NANO)
    assert (price.context, price.most_output) == (1_048_576, 65_536)


def test_a_call_may_cost_a_fee_of_its_own() -> None:
    price = PRICES.find(provider("perplexity"), "sonar", NOW)

    assert price is not None and price.per_call == 12_000_000


def test_the_table_can_be_believed() -> None:
    prices = [dated.price for one in PRICES.sections.values() for days in one.prices for dated in days]

    assert len(prices) > 1000
    for price in prices:
        rates = [price.rates, *([price.long] if price.long is not None else [])]
        told = [rate for one in rates for rate in msgspec.structs.astuple(one) if rate is not None]
        assert all(0 <= rate <= 2_000 * NANO for rate in told)
        assert all(one.input >= price.rates.input and one.output >= price.rates.output for one in rates)


# --- the operator's word


def test_the_operators_price_goes_first_and_an_exact_one_before_a_pattern() -> None:
    own = own_prices(
        {
            "*": PriceSettings(input=9, output=9),
            "openai/*": PriceSettings(input=0, output=0),
            "openai/gpt-4o": PriceSettings(input=0.1, output=10, per_call=0.001),
        }
    )
    table = PRICES.with_own(own)
    openai, groq = provider("openai"), provider("groq")

    assert dollars(table.find(openai, "gpt-4o", NOW)) == (0.1, 10)
    assert dollars(table.find(openai, "anything/at-all", NOW)) == (0, 0)
    assert dollars(table.find(groq, "x", NOW)) == (9, 9)


def test_an_own_price_takes_the_tables_limits_where_it_names_none() -> None:
    table = PRICES.with_own(own_prices({"openai/gpt-4o": PriceSettings(input=1, output=2, max_output=99)}))
    price = table.find(provider("openai"), "gpt-4o", NOW)

    assert price is not None
    assert (price.context, price.most_output) == (128_000, 99)


def test_dollars_become_nano_dollars_as_they_were_written() -> None:
    long = RateSettings(input=0.2, output=0.3)
    settings = PriceSettings(input=0.1, output=0.7, cached=0.000000001, long_from=100, long=long, per_call=1.001)
    price = own_prices({"p/m": settings})["p/m"]

    assert price.rates == Rates(input=100_000_000, output=700_000_000, cached=1)
    assert (price.long, price.per_call) == (Rates(input=200_000_000, output=300_000_000), 1_001_000_000)


def test_what_was_changed_has_another_version() -> None:
    one, same, other = (own_prices({"p/m": PriceSettings(input=1, output=dear)})["p/m"] for dear in (2, 2.0, 3))

    assert one.version.startswith("config-")
    assert one.version == same.version != other.version


# --- targets


def settings(*providers: Provider, **rest: object) -> Settings:
    return Settings(server=ServerSettings(), providers=providers, log=LogSettings(), **rest)  # type: ignore[arg-type]


def test_every_way_to_name_a_target_finds_its_price() -> None:
    both = (provider("openai"), provider("groq"))
    routes = (RouteEntry("small", "ordered", (("openai", "gpt-4o-mini", 1),)),)
    stored = Stored(lists={"openai": ("gpt-4o",)})
    whole = settings(*both, routes=routes, prices=PRICES.only(both))
    catalog = build_snapshot(whole, stored, NOW).catalog

    def price(name: str) -> tuple[float, float] | None:
        ways = catalog.ways(name, CHAT, has_tools=False, random=Random(1))
        return dollars(ways[0].target.price)

    assert [price(name) for name in ("small", "gpt-4o", "openai/gpt-4o", "openai/unheard-of")] == [
        (0.15, 0.6),
        (2.5, 10),
        (2.5, 10),
        None,
    ]


def test_the_only_provider_needs_no_prefix() -> None:
    whole = settings(provider("openai"), prices=PRICES)
    ways = build_snapshot(whole, Stored(), NOW).catalog.ways("gpt-4o", CHAT, has_tools=False, random=Random(1))

    assert dollars(ways[0].target.price) == (2.5, 10)


def test_the_demo_costs_nothing() -> None:
    demo = plan_demo(Local(None, None)).demo
    target: Target = demo_way(demo, CHAT, True, "whatever").target

    assert target.price == Price(rates=Rates(input=0, output=0), version="demo")


def test_settings_carry_only_what_their_providers_need() -> None:
    azure = provider("azure", base_url="https://mine.openai.azure.com")

    assert set(PRICES.only([azure]).sections) == {"azure", "openai"}


# --- for people


def test_prices_are_listed_in_dollars() -> None:
    openai = provider("openai")
    table = PRICES.with_own(own_prices({"openai/gpt-4o": PriceSettings(input=1, output=2)})).only([openai])
    lines = {(line.provider, line.model): line for line in listed(table, [openai], NOW)}

    assert lines["openai", "gpt-4o"].rates == {"input": 1.0, "output": 2.0}
    assert lines["openai", "gpt-4o"].version.startswith("config-")
    assert lines["openai", "gpt-4o-mini"].rates == {"input": 0.15, "output": 0.6, "cached": 0.075}
    assert lines["openai", "gpt-4o-mini"].version == PRICES.version
