"""Several gateways on one PostgreSQL race for one budget: not a nano-dollar too much, and in the end all of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from harness import Mock, start_mock, until
from ledger.check import until_all_agree
from ledger.load import Ask, Told, asks, endless, load
from ledger.money import billed, leases, limited, spent, until_no_drift, until_quiet
from ledger.servers import Database
from ledger.stage import PRICES, Stage, stage

KEY = "sk-ug-budget-1b9XcQ7mVtR2"
SCOPE = "key_file:spender"
# 300 calls of four tokens in and ten out.
LIMIT = 300 * 34_000
DOLLARS = LIMIT / 1e9
# More than any call here holds: its bytes as tokens, and ten tokens out.
LARGEST_HOLD = 400_000


@pytest.fixture
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


@contextmanager
def three(folder: Path, mock: Mock, database: Database) -> Iterator[list[Stage]]:
    """Three gateways, as on three machines, with one key that has a budget."""
    more = limited("spender", KEY, f"budget_usd_total: {DOLLARS:.9f}") + PRICES
    with ExitStack() as stack:
        yield [stack.enter_context(stage(folder / f"g{one}", mock, database, more=more)) for one in range(3)]


def calls(seed: int, count: int) -> list[Ask]:
    return asks(seed, count, script="tokens=10", key=KEY, max_tokens=10)


async def race(gateways: list[Stage], count: int, told: list[Told], victim: Stage | None = None) -> None:
    """The same load on all; one of them may be killed in the middle, with all its processes, and started again."""
    midway = asyncio.Event()

    def note(one: Told) -> None:
        told.append(one)
        if len(told) > count:
            midway.set()

    tasks = [
        asyncio.create_task(load(one.port, calls(seed, count), concurrency=30, told=note))
        for seed, one in enumerate(gateways)
    ]
    if victim is not None:
        await midway.wait()
        await asyncio.to_thread(victim.kill, "all")
        await asyncio.to_thread(victim.start)
    await asyncio.gather(*tasks)


def use_up(gateways: list[Stage], told: list[Told]) -> None:
    """One call after the other, on each gateway in turn, until there is no more."""
    fresh = endless(99, script="tokens=10", key=KEY, max_tokens=10)

    def is_over() -> bool:
        answers = [asyncio.run(load(one.port, [next(fresh)])) for one in gateways]
        told.extend(one for answer in answers for one in answer)
        return all(one.code == "insufficient_quota" for answer in answers for one in answer)

    try:
        until(is_over, "the end of the budget")
    finally:
        print("the last answers:", Counter((one.status, one.code) for one in told[-30:]))


@pytest.mark.parametrize("with_kill", [False, True], ids=["all-live", "one-killed"])
def test_three_gateways_spend_one_budget_to_its_end_and_no_further(
    with_kill: bool, mock: Mock, database: Database, tmp_path: Path
) -> None:
    with three(tmp_path, mock, database) as gateways:
        for one in gateways:
            one.until_ready()
        told: list[Told] = []
        asyncio.run(race(gateways, 200, told, gateways[1] if with_kill else None))
        assert billed(mock) <= LIMIT, "the upstream charged more than the budget"
        use_up(gateways, told)

        codes = Counter((one.status, one.code) for one in told)
        assert {code for (status, code) in codes if status >= 400} <= REFUSALS, codes
        assert {status for status, _ in codes} <= {200, 429, 503, 0}, codes
        until_all_agree(gateways[0], told, mock)
        until_no_drift(gateways[0], mock)
        assert billed(mock) <= LIMIT
        assert spent(gateways[0], SCOPE) <= LIMIT
        assert LIMIT - spent(gateways[0], SCOPE) < LARGEST_HOLD
        until_quiet(gateways[0])
        assert leases(gateways[0]) == []


REFUSALS = {"insufficient_quota", "budget_reserved", "budget_unavailable"}
