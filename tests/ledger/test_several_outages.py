"""A Redis that forgets, freezes, vanishes or starts anew: limits hold, nobody waits, and budgets do not notice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import Mock, start_mock, until
from ledger.fault_proxy import FaultProxy, fault_proxy
from ledger.load import Ask, Told, asks
from ledger.money import limited
from ledger.servers import Database, Redis
from ledger.several import codes_of, most_in_a_minute, race, served, three
from ledger.stage import Stage

BY_MINUTE = "sk-ug-minute-1b9XcQ7mVtR2"
SPENDER = "sk-ug-budget-1b9XcQ7mVtR2"
REQUESTS = 500
KEYS = limited("minute", BY_MINUTE, f"requests_per_minute: {REQUESTS}") + limited(
    "spender", SPENDER, "budget_usd_total: 100"
)
# What a call may take on a machine that has much else to do; without any limit it takes a tenth of that.
PROMPT_S = 4.0


@pytest.fixture
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


class Scene:
    """Three gateways behind one proxy to Redis, and all calls that were made."""

    def __init__(self, mock: Mock, gateways: list[Stage], proxy: FaultProxy, redis: Redis) -> None:
        self.mock = mock
        self.gateways = gateways
        self.proxy = proxy
        self.redis = redis
        self.made: list[Ask] = []

    def call(self, key: str, count: int = 3) -> list[Told]:
        """So many calls, one on each gateway in turn."""
        calls = asks(len(self.made), count, script="tokens=10", key=key, max_tokens=10)
        self.made += calls
        return asyncio.run(race(self.gateways, calls))

    def call_first(self, key: str, count: int) -> list[Told]:
        """So many calls on the first gateway alone."""
        calls = asks(len(self.made), count, script="tokens=10", key=key, max_tokens=10)
        self.made += calls
        return asyncio.run(race(self.gateways[:1], calls))

    def served(self) -> list[dict[str, object]]:
        """What the upstream saw of the calls whose number is limited."""
        return served(self.mock, [one for one in self.made if one.key == BY_MINUTE])

    def are_well(self) -> bool:
        """Whether all gateways let calls in."""
        return {one.status for one in self.call(BY_MINUTE)} == {200}

    def assert_nobody_waits(self) -> None:
        """While Redis does not answer: what has a limit is let in or refused at once, what has a budget is let in."""
        told = [one for _ in range(3) for one in self.call(BY_MINUTE) + self.call(SPENDER)]
        assert {one.status for one in told if one.ask.key == SPENDER} == {200}, codes_of(told)
        assert {one.status for one in told} <= {200, 429, 503}, codes_of(told)
        assert max(one.over - one.began for one in told) < PROMPT_S


def freeze(scene: Scene) -> None:
    scene.redis.freeze()


def thaw(scene: Scene) -> None:
    scene.redis.thaw()


def start_anew(scene: Scene) -> None:
    scene.redis.restart()


FAULTS: list[tuple[Callable[[Scene], object], Callable[[Scene], object]]] = [
    (lambda scene: scene.redis.run("FLUSHALL"), lambda scene: None),
    (lambda scene: scene.proxy.black_hole(), lambda scene: scene.proxy.mend()),
    (freeze, thaw),
    (lambda scene: scene.redis.stop(), lambda scene: scene.redis.start()),
    (lambda scene: scene.redis.run("DEL", "unigate:rates"), lambda scene: None),
]


def test_whatever_redis_does_the_limit_holds_and_nobody_waits(
    mock: Mock, database: Database, redis: Redis, tmp_path: Path
) -> None:
    with (
        fault_proxy(redis.port) as proxy,
        three(tmp_path, mock, database, KEYS, redis.url_through(proxy.port)) as gateways,
    ):
        scene = Scene(mock, gateways, proxy, redis)
        until(scene.are_well, "the first calls")
        for breaks, heals in FAULTS:
            breaks(scene)
            scene.assert_nobody_waits()
            heals(scene)
            until(scene.are_well, "the recovery", 20.0)

        until(
            lambda: scene.call(BY_MINUTE, 150) and len(scene.served()) >= REQUESTS,
            "the end of the minute's share",
            30.0,
        )
        assert {one.status for one in scene.call(BY_MINUTE, 30)} <= {429, 503}
        assert most_in_a_minute(scene.served()) <= REQUESTS
        for one in gateways:
            lines = [line for line in one.log().splitlines() if " rates." in line]
            assert len(lines) <= 2 * len(FAULTS), lines
