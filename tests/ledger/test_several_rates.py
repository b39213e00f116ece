"""Several gateways share limits per minute and at once: never exceeded, as the upstream counts, and used to the end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

from harness import Mock, start_mock, until
from ledger.load import Ask, Told, asks, endless, load
from ledger.money import limited
from ledger.servers import Database, Redis
from ledger.several import codes_of, most_at_once, most_in_a_minute, race, served, three
from ledger.stage import Stage

BY_MINUTE = "sk-ug-minute-1b9XcQ7mVtR2"
BY_TOKENS = "sk-ug-tokens-1b9XcQ7mVtR2"
AT_ONCE = "sk-ug-atonce-1b9XcQ7mVtR2"
REQUESTS, TOKENS, SLOTS = 100, 2000, 5
# A call's bytes as tokens, and ten tokens out.
LARGEST_HOLD = 400
KEYS = (
    limited("minute", BY_MINUTE, f"requests_per_minute: {REQUESTS}")
    + limited("tokens", BY_TOKENS, f"tokens_per_minute: {TOKENS}")
    + limited("slots", AT_ONCE, f"concurrency: {SLOTS}")
)


@pytest.fixture
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


def calls(seed: int, count: int, key: str, script: str = "tokens=10") -> list[Ask]:
    return asks(seed, count, script=script, key=key, max_tokens=10)


@pytest.fixture(params=["postgresql", "redis"])
def valkey(request: pytest.FixtureRequest) -> str:
    """Where rates are: in the database, or in a Redis of their own."""
    if request.param == "postgresql":
        return ""
    server: Redis = request.getfixturevalue("redis")
    return server.url


def use_up(gateways: list[Stage], key: str, made: list[Ask]) -> list[Told]:
    """One call after the other, on each gateway in turn, until nobody has any left."""
    told: list[Told] = []

    def is_over() -> bool:
        batch = calls(len(made), 3, key)
        made.extend(batch)
        told.extend(asyncio.run(race(gateways, batch)))
        return all(one.status == 429 for one in told[-3:])

    until(is_over, "the end of the minute's share")
    return told


def running(mock: Mock) -> list[dict[str, object]]:
    """The long calls that the upstream has."""
    return [one for one in mock.calls() if "latency=120000" in str(one["model"]) and one["ended"] is None]


def join(gateways: list[Stage]) -> None:
    """Waits until each gateway has told the others what it has; until then it says 503 and `try again in 1 s`."""
    for gateway in gateways:
        until(lambda: asyncio.run(race([gateway], calls(9, 1, AT_ONCE)))[0].status == 200, "the first call")  # noqa: B023


def assert_refusals_help(told: list[Told]) -> None:
    """Whoever was refused knows when to come again."""
    refused = [one for one in told if one.status != 200]
    assert {one.status for one in refused} <= {429, 503}, codes_of(told)
    assert all(1 <= int(one.headers["retry-after"]) <= 63 for one in refused)
    assert all(one.headers["x-should-retry"] == "true" for one in refused)


def test_of_a_thousand_calls_at_three_gateways_no_limit_is_exceeded(
    mock: Mock, database: Database, valkey: str, tmp_path: Path
) -> None:
    with three(tmp_path, mock, database, KEYS, valkey) as gateways:
        join(gateways)
        minute, tokens, slots = calls(1, 400, BY_MINUTE), calls(2, 300, BY_TOKENS), calls(3, 300, AT_ONCE, "latency=50")
        told = asyncio.run(race(gateways, random.Random(7).sample([*minute, *tokens, *slots], 1000)))
        assert_refusals_help(told)
        told += use_up(gateways, BY_MINUTE, minute) + use_up(gateways, BY_TOKENS, tokens)

        assert most_in_a_minute(served(mock, minute)) == len(served(mock, minute)) == REQUESTS
        used = sum(int(str(one["input_tokens"])) + int(str(one["output_tokens"])) for one in served(mock, tokens))
        assert TOKENS - LARGEST_HOLD < used <= TOKENS
        assert 1 < most_at_once(served(mock, slots)) <= SLOTS


def test_the_slots_of_a_gateway_that_is_killed_are_there_again(
    mock: Mock, database: Database, redis: Redis, tmp_path: Path
) -> None:
    with three(tmp_path, mock, database, KEYS, redis.url) as gateways:
        join(gateways)

        async def hold() -> None:
            gone = asyncio.Event()
            # Whoever is refused, as others hold slots still, comes again.
            todo = takewhile(
                lambda _: not gone.is_set(), endless(4, script="latency=120000", key=AT_ONCE, max_tokens=10)
            )
            holding = asyncio.create_task(load(gateways[0].port, todo, concurrency=SLOTS))
            await asyncio.to_thread(until, lambda: len(running(mock)) == SLOTS, "the calls")
            [refused] = await race(gateways[1:2], calls(5, 1, AT_ONCE))
            assert refused.status in (429, 503)
            gone.set()
            await asyncio.to_thread(gateways[0].kill, "all")
            await holding
            await asyncio.to_thread(gateways[0].start)

        asyncio.run(hold())
        until(
            lambda: asyncio.run(race(gateways[1:2], calls(6, 1, AT_ONCE)))[0].status == 200,
            "the slots of those that died",
            60.0,
        )
