"""Three doors race for one budget, and die in the race: not a nano-dollar too much, none lost, and in the end all."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Mock, start_mock, until
from ledger.check import until_all_agree
from ledger.load import Ask, Told, asks, load
from ledger.money import billed, limited, spent, until_no_drift, until_quiet
from ledger.stage import PRICES, Stage, stage
from ledger.storm import storm

pytestmark = pytest.mark.xdist_group("money-doors")
KEY = "sk-ug-budget-1b9XcQ7mVtR2"
SCOPE = "key_file:spender"
COST = 34_000  # four tokens in, ten out
LIMIT = 300 * COST
MORE = limited("spender", KEY, f"budget_usd_total: {LIMIT / 1e9:.9f}") + PRICES
# More than any call here holds: its bytes as tokens, and ten tokens out.
LARGEST_HOLD = 400_000


@pytest.fixture
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


def calls(seed: int, count: int, script: str = "tokens=10") -> list[Ask]:
    return asks(seed, count, script=script, key=KEY, max_tokens=10)


def use_up(where: Stage, told: list[Told]) -> None:
    """One call after the other until there is no more."""
    fresh = iter(calls(99, 100_000))

    def is_over() -> bool:
        told.extend(asyncio.run(load(where.port, [next(fresh) for _ in range(3)], concurrency=3)))
        return all(one.code == "insufficient_quota" for one in told[-3:])

    until(is_over, "the end of the budget", 40.0)


def assert_all_is_spent(where: Stage, told: list[Told], mock: Mock) -> None:
    until_all_agree(where, told, mock)
    until_no_drift(where, mock)
    assert billed(mock) <= LIMIT
    assert LIMIT - LARGEST_HOLD < spent(where, SCOPE) <= LIMIT
    until_quiet(where)


def test_three_doors_spend_one_budget_to_its_end_and_no_further(mock: Mock, tmp_path: Path) -> None:
    with stage(tmp_path / "g", mock, workers=3, more=MORE) as where:
        where.until_ready()
        told = asyncio.run(load(where.port, calls(1, 900), concurrency=200))
        assert {one.status for one in told} <= {200, 429}, Counter((one.status, one.code) for one in told)
        assert billed(mock) <= LIMIT
        use_up(where, told)
        assert_all_is_spent(where, told, mock)


def test_a_door_that_dies_in_the_race_costs_its_holds_and_no_more(mock: Mock, tmp_path: Path) -> None:
    with stage(tmp_path / "g", mock, workers=3, more=MORE) as where:
        waiting = iter(calls(2, 100_000, "tokens=10,latency=20"))
        seen = asyncio.run(
            storm(where, waiting, seed=2, kills=4, calls_per_kill=60, concurrency=20, victims=("door-0", "keeper"))
        )
        assert billed(mock) <= LIMIT
        use_up(where, seen.told)
        assert_all_is_spent(where, seen.told, mock)


def test_a_budget_that_is_raised_lets_calls_through_at_once(mock: Mock, tmp_path: Path) -> None:
    more = limited("spender", KEY, f"budget_usd_total: {LARGEST_HOLD / 1e9:.9f}") + PRICES
    with stage(tmp_path / "g", mock, more=more) as where:
        told: list[Told] = []
        use_up(where, told)
        where.stop()
        where.more = MORE
        where.start()
        until(lambda: asyncio.run(load(where.port, calls(5, 1)))[0].was_confirmed, "the raised budget", 10.0)
