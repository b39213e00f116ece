"""Gateways that share a store go by its clock, whatever their own say; and when that one jumps, limits hold."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateways import CLIENT_KEY
from harness import UPSTREAM_KEY, Mock, Wire, start_mock, until
from ledger.check import rows_of, until_all_agree
from ledger.clocks import TurnedClock, turned_clock
from ledger.load import Ask, Told, asks
from ledger.money import billed, limited, until_no_drift
from ledger.servers import Postgres, needed
from ledger.several import most_in_a_minute, race, served
from ledger.stage import CLIENT, PRICES, Stage, stage
from ledger.test_clocks import (
    BY_DAY,
    BY_MINUTE,
    DAY,
    HOUR,
    LIMITS,
    REQUESTS,
    first_served_after,
    last_refused,
    moment_of,
)
from ledger.test_clocks import administered as administered_in

__all__ = ["turned_clock"]

MIDNIGHT = datetime(2028, 2, 29, tzinfo=UTC)
ENDING = "sk-ug-ending-1b9XcQ7mVtR2w"
ENDING_ADMIN = "sk-ug-endingadmin-1b9XcQ7mVt"
# When o3 became cheaper, and nano-dollars for a token in and out, before and since.
CHEAPER = datetime(2025, 6, 10, tzinfo=UTC)
BEFORE, SINCE = (10_000, 40_000), (2_000, 8_000)
# Twice the daily limit of LIMITS.
TWO_DAYS = 600_000


@pytest.fixture
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


@pytest.fixture
def postgres_by(turned_clock: TurnedClock) -> Iterator[Postgres]:
    """A PostgreSQL whose clock the test turns."""
    needed()
    server = Postgres(turned_clock.server_environment)
    try:
        server.start()
        yield server
    finally:
        server.remove()


def clock_at(moment: datetime, folder: Path) -> TurnedClock:
    """The clock of a host that believes it is that moment."""
    clock = TurnedClock(folder)
    clock.turn_to(moment)
    return clock


class Desk:
    """Some gateways, and all that clients were told there."""

    def __init__(self) -> None:
        self.made: list[Ask] = []
        self.told: list[Told] = []

    def call(self, gateways: list[Stage], key: str, count: int) -> list[Told]:
        """So many calls at once, on each gateway in turn."""
        calls = asks(len(self.made), count, script="tokens=10", key=key, max_tokens=10)
        self.made += calls
        told = asyncio.run(race(gateways, calls))
        self.told += told
        return told

    def use_up(self, gateways: list[Stage], key: str) -> Told:
        """Calls until no gateway has any left; one of the refusals."""

        def look() -> Told | None:
            told = self.call(gateways, key, len(gateways))
            return told[0] if {one.code for one in told} == {"insufficient_quota"} else None

        return until(look, "the end of the budget")


def test_a_day_ends_by_the_databases_clock_also_for_who_was_away_or_has_another_one(
    turned_clock: TurnedClock, postgres_by: Postgres, mock: Mock, tmp_path: Path
) -> None:
    turned_clock.turn_to(MIDNIGHT - timedelta(minutes=10))
    early = clock_at(MIDNIGHT + timedelta(minutes=5), tmp_path / "early")
    database = postgres_by.fresh()
    with ExitStack() as stack:
        gateways = [
            stack.enter_context(
                stage(tmp_path / f"g{n}", mock, database, more=LIMITS + PRICES, environment=environment)
            )
            for n, environment in enumerate(({}, early.environment, {}))
        ]
        for one in gateways:
            one.until_ready()
        desk = Desk()
        refused = desk.use_up(gateways, BY_DAY)
        gateways[2].kill("all")
        turned_clock.turn_to(MIDNIGHT - timedelta(seconds=1))
        until(lambda: 200 in {one.status for one in desk.call(gateways[:2], BY_DAY, 2)}, "another day")
        gateways[2].start()
        gateways[2].until_ready()
        desk.use_up(gateways, BY_DAY)

        until_all_agree(gateways[0], desk.told, mock)
        rows = until_no_drift(gateways[0], mock)
        served = first_served_after(rows, "daily", refused)
        assert served >= MIDNIGHT
        assert last_refused([row for row in rows if moment_of(row) < served], "daily") < MIDNIGHT
        assert billed(mock) <= TWO_DAYS


def test_a_stores_clock_that_jumps_lets_nobody_pass_a_limit(
    turned_clock: TurnedClock, postgres_by: Postgres, mock: Mock, tmp_path: Path
) -> None:
    database = postgres_by.fresh()
    more = limited("quick", BY_MINUTE, f"requests_per_minute: {REQUESTS}")
    with ExitStack() as stack:
        gateways = [stack.enter_context(stage(tmp_path / f"g{n}", mock, database, more=more)) for n in range(2)]
        for one in gateways:
            one.until_ready()
        desk = Desk()
        until(lambda: {one.status for one in desk.call(gateways, BY_MINUTE, 2)} == {200}, "the first calls")
        desk.call(gateways[:1], BY_MINUTE, 2 * REQUESTS)
        for by in (HOUR, -HOUR, -DAY, DAY):
            turned_clock.turn(by)
            desk.call(gateways[1:], BY_MINUTE, 20)

        assert most_in_a_minute(served(mock, desk.made)) <= REQUESTS
        assert {one.status for one in desk.told} <= {200, 429, 503}
        until_all_agree(gateways[0], desk.told, mock)


def test_a_key_ends_by_the_databases_clock_whatever_a_gateway_believes(
    turned_clock: TurnedClock, postgres_by: Postgres, mock: Mock, tmp_path: Path
) -> None:
    turned_clock.turn_to(MIDNIGHT - timedelta(minutes=2))
    database = postgres_by.fresh()
    more = CLIENT + f'  - {{name: ending, key: {ENDING}, expires: "{MIDNIGHT.isoformat()}"}}\n'
    more += f'  - {{name: admin, key: {ENDING_ADMIN}, role: admin, expires: "{MIDNIGHT.isoformat()}"}}\n'
    with ExitStack() as stack:
        gateways: list[Stage] = []
        for name, off in (("early", 5), ("late", -5)):
            clock = clock_at(turned_clock.now + timedelta(minutes=off), tmp_path / f"{name}-clock")
            gateways.append(
                stack.enter_context(stage(tmp_path / name, mock, database, more=more, environment=clock.environment))
            )
        for one in gateways:
            one.until_ready()
        desk = Desk()

        def until_all_say(*expected: tuple[int, str]) -> None:
            until(lambda: told(desk, gateways) == set(expected), f"{expected}")
            assert told(desk, gateways) == set(expected)
            assert {administered(one) for one in gateways} == {status for status, _ in expected}

        until_all_say((200, ""))
        turned_clock.turn_to(MIDNIGHT + timedelta(seconds=1))
        until_all_say((401, "key_expired"))
        gateways[1].kill("all")
        gateways[1].start()
        gateways[1].until_ready()
        until_all_say((401, "key_expired"))
        turned_clock.turn(-HOUR)
        until_all_say((200, ""))


def test_a_price_begins_by_the_databases_clock_whatever_a_gateway_believes(
    turned_clock: TurnedClock, postgres_by: Postgres, mock: Mock, tmp_path: Path
) -> None:
    turned_clock.turn_to(CHEAPER - timedelta(minutes=5))
    early = clock_at(CHEAPER + timedelta(minutes=5), tmp_path / "early")
    with stage(tmp_path / "g", mock, postgres_by.fresh(), environment=early.environment) as where:
        where.until_ready()
        address = f"http://127.0.0.1:{mock.port}/v1"
        made = {"kind": "openai", "base_url": address, "api_key": UPSTREAM_KEY, "prices": "openai"}
        administered_in(where, "PUT", "providers/dated", made)
        until(lambda: rates_of_a_call(where) == BEFORE, "the price of the day that the database has")
        turned_clock.turn_to(CHEAPER + timedelta(seconds=1))
        until(lambda: rates_of_a_call(where) == SINCE, "the price of its next day")


def rates_of_a_call(where: Stage) -> tuple[int, int] | None:
    """Which of the prices a call is charged by; None while its model is not known here."""
    known = {row.id for row in rows_of(where)}
    body = json.dumps({"model": "dated/o3", "messages": [{"role": "user", "content": "x"}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {CLIENT_KEY}\r\n"
    with Wire(where.port, timeout=60.0) as wire:
        if wire.send(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body).answer().status != 200:
            return None
    row = until(
        lambda: next((one for one in rows_of(where) if one.id not in known and one.status == 200), None), "its row"
    )
    into, out = row.input_tokens or 0, row.output_tokens or 0
    return next((one for one in (BEFORE, SINCE) if row.cost == into * one[0] + out * one[1]), None)


def told(desk: Desk, gateways: list[Stage]) -> set[tuple[int, str]]:
    """What a client of each gateway is told of the key that ends, several times over."""
    return {(one.status, one.code) for one in desk.call(gateways, ENDING, 4 * len(gateways))}


def administered(gateway: Stage) -> int:
    """The status that an admin key which ends is answered with."""
    head = f"GET /admin/v1/projects HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {ENDING_ADMIN}\r\n\r\n"
    with Wire(gateway.port, timeout=60.0) as wire:
        return wire.send(head.encode()).answer().status
