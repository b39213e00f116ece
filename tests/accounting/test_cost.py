"""Money: usage made believable first, then reckoned in whole nano-dollars."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unigate.accounting.cost import ABSURD, cost_of, sane
from unigate.accounting.estimate import Bound
from unigate.accounting.worst import worst_case
from unigate.price import NANO, Price, Rates
from unigate.price_file import load_prices
from unigate.tariff import Tariff
from unigate.usage import Usage

TABLE = [
    Tariff(dated.price) for section in load_prices().sections.values() for dates in section.prices for dated in dates
]
DEAR = Tariff(
    Price(
        rates=Rates(
            input=2 * NANO,
            output=8 * NANO,
            cached=NANO // 5,
            cache_write=5 * NANO // 2,
            cache_write_hour=4 * NANO,
            audio_input=40 * NANO,
            audio_output=80 * NANO,
            reasoning=9 * NANO,
        ),
        long_from=1001,
        long=Rates(input=4 * NANO, output=16 * NANO, cached=NANO),
        per_call=7,
    )
)
PLAIN = Tariff(Price(rates=Rates(input=2 * NANO, output=8 * NANO), context=1000, most_output=100))
HELD = Bound(500, 50)


# --- cost


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(0, 0), 7),
        (Usage(10, 0), 7 + 10 * 2000),
        (Usage(10, 5), 7 + 10 * 2000 + 5 * 8000),
        (Usage(10, 0, 4), 7 + 6 * 2000 + 4 * 200),
        (Usage(10, 0, 4, cache_write_tokens=5), 7 + 1 * 2000 + 4 * 200 + 5 * 2500),
        (Usage(10, 0, cache_write_tokens=5, cache_write_hour_tokens=2), 7 + 5 * 2000 + 3 * 2500 + 2 * 4000),
        (Usage(10, 0, audio_input_tokens=3), 7 + 7 * 2000 + 3 * 40000),
        (Usage(0, 10, audio_output_tokens=2, reasoning_tokens=3), 7 + 5 * 8000 + 2 * 80000 + 3 * 9000),
        (Usage(1000, 1), 7 + 1000 * 2000 + 8000),
        (Usage(1001, 1), 7 + 1001 * 4000 + 16000),
        (Usage(1001, 1, 1), 7 + 1000 * 4000 + 1000 + 16000),
    ],
)
def test_each_token_costs_what_it_is(usage: Usage, cost: int) -> None:
    assert cost_of(DEAR, usage) == cost


def test_a_part_without_a_rate_costs_what_its_whole_does() -> None:
    parts = Usage(10, 10, 4, 5, cache_write_tokens=2, audio_input_tokens=3, audio_output_tokens=3)

    assert cost_of(PLAIN, parts) == cost_of(PLAIN, Usage(10, 10))


def test_a_fraction_of_a_nano_dollar_is_rounded_up_once() -> None:
    price = Tariff(Price(rates=Rates(input=1, output=1)))

    assert [cost_of(price, Usage(count, count)) for count in (0, 1, 500_000, 500_001)] == [0, 1, 1, 2]


@pytest.mark.parametrize("usage", [Usage(), Usage(5), Usage(output_tokens=5)])
def test_what_is_not_known_is_not_free(usage: Usage) -> None:
    assert cost_of(PLAIN, usage) is None


def test_what_would_cost_nothing_need_not_be_known() -> None:
    embedding, local = (
        Tariff(Price(rates=Rates(input=NANO, output=0))),
        Tariff(Price(rates=Rates(input=0, output=0), per_call=3)),
    )

    assert (cost_of(embedding, Usage(5)), cost_of(local, Usage())) == (5000, 3)


# --- believing


@pytest.mark.parametrize(
    ("told", "believed", "flags"),
    [
        (Usage(10, 5), Usage(10, 5), ()),
        (Usage(10, 5, 4, 2), Usage(10, 5, 4, 2), ()),
        (Usage(-5, 5), Usage(500, 50, estimated=True, rejected=True), ("usage_rejected",)),
        (Usage(10, 10**18), Usage(500, 50, estimated=True, rejected=True), ("usage_rejected",)),
        (Usage(10, 1101), Usage(500, 50, estimated=True, rejected=True), ("usage_rejected",)),
        (Usage(rejected=True), Usage(500, 50, estimated=True, rejected=True), ("usage_rejected",)),
        (Usage(output_tokens=3, rejected=True), Usage(500, 50, estimated=True, rejected=True), ("usage_rejected",)),
        (Usage(), Usage(500, 50, estimated=True), ("usage_missing",)),
        (Usage(10), Usage(10, 50, estimated=True), ("usage_missing",)),
        (Usage(600, 60), Usage(600, 60), ("over_hold",)),
        (Usage(10, 5, 11), Usage(10, 5), ("usage_rejected",)),
        (Usage(10, 5, -1), Usage(10, 5), ("usage_rejected",)),
        (Usage(10, 5, None, 6), Usage(10, 5, None, 5), ("usage_rejected",)),
        (Usage(10, 5, 8, None, False, 5), Usage(10, 5, None, None, False, 5), ("usage_rejected",)),
        (Usage(10, 5, cache_write_tokens=99), Usage(10, 5, cache_write_tokens=10), ("usage_rejected",)),
    ],
)
def test_what_cannot_be_true_becomes_the_bound_of_the_hold(
    told: Usage, believed: Usage, flags: tuple[str, ...]
) -> None:
    assert sane(told, HELD, PLAIN) == (believed, flags)


def test_the_input_of_a_stream_that_was_cut_is_estimated() -> None:
    cut = Usage(output_tokens=3, estimated=True)

    assert sane(cut, HELD, PLAIN, 12) == (Usage(12, 3, estimated=True), ())
    assert sane(cut, None, None, 12) == (Usage(12, 3, estimated=True), ())


def test_without_a_hold_what_cannot_be_true_is_estimated_or_unknown() -> None:
    assert sane(Usage(10, -5)) == (Usage(estimated=True, rejected=True), ("usage_rejected",))
    cut = Usage(output_tokens=3, estimated=True, rejected=True)
    assert sane(cut, None, None, 12) == (Usage(12, 3, estimated=True, rejected=True), ("usage_rejected",))


def test_an_embedding_writes_nothing_and_lacks_nothing() -> None:
    assert sane(Usage(10), Bound(500, 0), PLAIN) == (Usage(10, 0), ())


def test_hosted_tools_may_read_a_window_many_times_over() -> None:
    read = Usage(50_000, 5)

    assert sane(read, Bound(500, 50, True), PLAIN) == (read, ("over_hold",))
    assert sane(read, HELD, PLAIN)[1] == ("usage_rejected",)


# --- for every price and every usage

counts = st.none() | st.integers(-(10**19), 10**19) | st.integers(-5, 3000)
wild = st.builds(Usage, counts, counts, counts, counts, st.booleans(), counts, counts, counts, counts, st.booleans())
small = st.integers(0, 300_000)
prices = st.sampled_from([*TABLE, DEAR, PLAIN])


@settings(deadline=None)
@given(told=wild, price=prices)
def test_believed_counts_are_never_negative_nor_absurd(told: Usage, price: Tariff) -> None:
    for bound in (None, HELD):
        usage, _ = sane(told, bound, price)
        cost = cost_of(price, usage)

        numbers = (usage.input_tokens, usage.output_tokens, usage.cached_tokens, usage.cache_write_tokens)
        assert all(number is None or 0 <= number <= ABSURD for number in numbers)
        assert cost is None or cost >= 0


@settings(deadline=None)
@given(told=wild, price=prices)
def test_a_call_with_a_hold_always_has_a_cost(told: Usage, price: Tariff) -> None:
    assert cost_of(price, sane(told, HELD, price)[0]) is not None


@settings(deadline=None)
@given(price=prices, fed=small, made=small, more=small)
def test_more_tokens_never_cost_less(price: Tariff, fed: int, made: int, more: int) -> None:
    cost = cost_of(price, Usage(fed, made))

    assert cost is not None
    assert cost <= (cost_of(price, Usage(fed + more, made)) or 0)
    assert cost <= (cost_of(price, Usage(fed, made + more)) or 0)


@settings(max_examples=30, deadline=None)
@given(told=wild, most_in=small, most_out=small)
def test_whatever_fits_into_its_bound_costs_no_more_than_the_worst_case(
    told: Usage, most_in: int, most_out: int
) -> None:
    bound = Bound(most_in, most_out)
    for price in TABLE:
        usage, flags = sane(told, bound, price)
        cost, worst = cost_of(price, usage), worst_case(price, bound)

        assert "over_hold" in flags or (cost is not None and worst is not None and cost <= worst)


def test_who_lies_about_one_part_is_believed_no_cheaper_one() -> None:
    stored = Tariff(Price(rates=Rates(input=600, output=2400, cached=30, cache_write=375)))
    usage, flags = sane(Usage(400, 10, reasoning_tokens=99, cache_write_tokens=300), HELD, stored)

    assert (usage.cache_write_tokens, usage.reasoning_tokens, flags) == (None, 10, ("usage_rejected",))


@settings(deadline=None)
@given(told=wild, price=prices)
def test_a_lie_about_parts_never_makes_a_call_cheaper_than_it_can_be(told: Usage, price: Tariff) -> None:
    usage, flags = sane(told, HELD, price)
    if "usage_rejected" in flags and not usage.rejected:
        whole = Usage(usage.input_tokens, usage.output_tokens)
        cheap = Usage(usage.input_tokens, usage.output_tokens, usage.cached_tokens)
        assert (cost_of(price, usage) or 0) >= min(cost_of(price, whole) or 0, cost_of(price, cheap) or 0)
