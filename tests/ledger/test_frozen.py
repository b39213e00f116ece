"""One of three gateways is frozen amid its calls and thawed later: nothing is settled twice, and no limit is passed."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import Mock, start_mock, until
from ledger.load import Ask, Told, asks
from ledger.money import limited, spent, until_no_drift, until_quiet
from ledger.servers import Database, Redis
from ledger.several import codes_of, most_in_a_minute, race, served, three
from ledger.stage import Stage

SPENDER = "sk-ug-budget-1b9XcQ7mVtR2"
BY_MINUTE = "sk-ug-minute-1b9XcQ7mVtR2"
SCOPE = "key_file:spender"
# 150 calls of four tokens in and ten out.
LIMIT = 150 * 34_000
REQUESTS = 120
LARGEST_HOLD = 400_000
KEYS = limited("spender", SPENDER, f"budget_usd_total: {LIMIT / 1e9:.9f}") + limited(
    "minute", BY_MINUTE, f"requests_per_minute: {REQUESTS}"
)
# A door uses nothing of a rate for longer that it was not heard of: 10 s; others get it after 75 s.
FROZEN_S = float(os.environ.get("SOAK_FROZEN_S", "11"))
STORES = ("postgresql", "redis") if "SOAK_FROZEN_S" in os.environ else ("postgresql",)


@pytest.fixture
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


@pytest.fixture(params=STORES)
def valkey(request: pytest.FixtureRequest) -> str:
    """Where rates are."""
    if request.param == "postgresql":
        return ""
    server: Redis = request.getfixturevalue("redis")
    return server.url


@contextmanager
def frozen(gateway: Stage) -> Iterator[None]:
    """SIGSTOP for all of a gateway, and SIGCONT at the end."""
    pids = (gateway.supervisor, *gateway.children().values())
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            os.kill(pid, signal.SIGCONT)


def calls(seed: str, count: int, key: str) -> list[Ask]:
    return asks(seed, count, script="tokens=10,latency=20", key=key, max_tokens=10)


def test_a_gateway_that_was_frozen_settles_nothing_twice_and_passes_no_limit(
    mock: Mock, database: Database, valkey: str, tmp_path: Path
) -> None:
    with three(tmp_path, mock, database, KEYS, valkey) as gateways:
        until(lambda: are_well(gateways), "the first calls")
        before, meanwhile, after = (pair(seed, count) for seed, count in ((1, 90), (2, 150), (3, 60)))

        async def play() -> list[Told]:
            begun = len(mock.calls())
            running = asyncio.create_task(race(gateways, before))
            await asyncio.to_thread(until, lambda: len(mock.calls()) > begun + 20, "a load")
            ends = time.monotonic() + FROZEN_S
            with frozen(gateways[1]):
                told = await race([gateways[0], gateways[2]], meanwhile)
                await asyncio.to_thread(until, lambda: time.monotonic() > ends, "the end of the pause", FROZEN_S + 5)
            return [*told, *await race(gateways, after), *await running]

        told = asyncio.run(play())
        # A connection that was being made meanwhile is late.
        assert {one.status for one in told} <= {200, 429, 503, 504}, codes_of(told)
        assert most_in_a_minute(served(mock, [one.ask for one in told if one.ask.key == BY_MINUTE])) <= REQUESTS
        assert spent(gateways[0], SCOPE) <= LIMIT
        until(lambda: are_spent(gateways), "the end of the budget")
        rows = until_no_drift(gateways[0], mock)
        assert [row for row in rows if row.end == "interrupted"] == []
        assert LIMIT - LARGEST_HOLD < spent(gateways[0], SCOPE) <= LIMIT
        until_quiet(gateways[0])


def pair(seed: int, count: int) -> list[Ask]:
    """So many calls of each key."""
    return [one for key in (SPENDER, BY_MINUTE) for one in calls(f"{seed}{key}", count, key)]


def are_well(gateways: list[Stage]) -> bool:
    """Whether all gateways have joined the others."""
    told = asyncio.run(race(gateways, calls(str(time.monotonic()), len(gateways), BY_MINUTE)))
    return {one.status for one in told} == {200}


def are_spent(gateways: list[Stage]) -> bool:
    """Whether no gateway has anything left."""
    told = asyncio.run(race(gateways, calls(str(time.monotonic()), len(gateways), SPENDER)))
    return {one.code for one in told} == {"insufficient_quota"}
