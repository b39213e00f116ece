"""Three doors race for one budget, and die in the race: not a nano-dollar too much, none lost, and in the end all."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from harness import Mock, start_mock, until
from ledger.check import until_all_agree
from ledger.load import Ask, Told, endless, load
from ledger.money import billed, limited, spent, until_no_drift, until_quiet
from ledger.stage import PRICES, Stage, stage
from ledger.storm import storm

KEY = "sk-ug-budget-1b9XcQ7mVtR2"
SCOPE = "key_file:spender"
COST = 34_000  # four tokens in, ten out
LIMIT = 300 * COST
MORE = limited("spender", KEY, f"budget_usd_total: {LIMIT / 1e9:.9f}") + PRICES
# A crowded machine may answer `unavailable`, where the bank took too long; that is no refusal for good.
REFUSALS = {"", "insufficient_quota", "budget_reserved", "budget_unavailable"}
# More than any call here holds: its bytes as tokens, and ten tokens out.
LARGEST_HOLD = 400_000


@pytest.fixture
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


def calls(seed: int, count: int, script: str = "tokens=10") -> list[Ask]:
    return list(islice(fresh_calls(seed, script), count))


def fresh_calls(seed: int, script: str = "tokens=10") -> Iterator[Ask]:
    return endless(seed, script=script, key=KEY, max_tokens=10)


def use_up(where: Stage, told: list[Told], fresh: Iterator[Ask] | None = None) -> None:
    """A few calls at a time until there is no more."""
    fresh = fresh or fresh_calls(99)

    def is_over() -> bool:
        told.extend(asyncio.run(load(where.port, [next(fresh) for _ in range(3)], concurrency=3)))
        return all(one.code == "insufficient_quota" for one in told[-3:])

    until(is_over, "the end of the budget")


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
        assert {one.code for one in told} <= REFUSALS, Counter((one.status, one.code) for one in told)
        assert billed(mock) <= LIMIT
        use_up(where, told)
        assert_all_is_spent(where, told, mock)


# Words that come in cost nothing here, and as many come out as may: a call costs what it holds.
EXACT = '\nprices:\n  "mock/*": {input: 0, output: 3.0, context: 20000, max_output: 1000}\n'


def test_a_budget_for_a_hundred_calls_lets_exactly_a_hundred_through(mock: Mock, tmp_path: Path) -> None:
    # It is for nearly another one.
    more = limited("spender", KEY, "budget_usd_total: 0.003029") + EXACT
    with stage(tmp_path / "g", mock, workers=3, more=more) as where:
        where.until_ready()
        told = asyncio.run(load(where.port, calls(3, 1000), concurrency=200))

        assert sum(one.was_confirmed for one in told) == 100
        assert {one.code for one in told} <= REFUSALS
        assert sum(call["method"] == "POST" for call in mock.calls()) == 100
        until(lambda: spent(where, SCOPE) == 3_000_000, "what a hundred calls cost")
        until_quiet(where)


def test_calls_of_all_sizes_fill_a_budget_to_the_last_token(mock: Mock, tmp_path: Path) -> None:
    rng = random.Random(4)
    sizes = [rng.randint(1, 20) for _ in range(1000)]
    todo = [
        replace(one, script=f"tokens={size}", max_tokens=size) for one, size in zip(calls(4, 1000), sizes, strict=True)
    ]
    smallest = (replace(one, script="tokens=1", max_tokens=1) for one in fresh_calls(5))
    # A whole number of tokens, and nearly another one.
    more = limited("spender", KEY, "budget_usd_total: 0.015002") + EXACT
    with stage(tmp_path / "g", mock, workers=3, more=more) as where:
        where.until_ready()
        told = asyncio.run(load(where.port, todo, concurrency=60))
        use_up(where, told, smallest)

        assert sum(int(str(call["output_tokens"])) for call in mock.calls()) == 5_000
        until(lambda: spent(where, SCOPE) == 15_000_000, "what five thousand tokens cost")
        until_quiet(where)


def test_a_door_that_dies_in_the_race_costs_its_holds_and_no_more(mock: Mock, tmp_path: Path) -> None:
    with stage(tmp_path / "g", mock, workers=3, more=MORE) as where:
        waiting = fresh_calls(2, "tokens=10,latency=20")
        seen = asyncio.run(
            storm(where, waiting, seed=2, kills=6, calls_per_kill=40, concurrency=20, victims=("door-0", "keeper"))
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
        until(lambda: asyncio.run(load(where.port, calls(5, 1)))[0].was_confirmed, "the raised budget")
