"""Real processes at the ends of days, months and years, and amid clocks that jump: no window and no limit errs."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from gateways import ADMIN_KEY, CLIENT_KEY
from harness import Mock, start_mock, until
from ledger.check import Row, log_files, logged, logged_in, until_all_agree
from ledger.clocks import TurnedClock, turned_clock
from ledger.load import Ask, Told, asks, load
from ledger.money import limited, until_no_drift
from ledger.several import most_at_once, most_in_a_minute, served
from ledger.stage import CLIENT, PRICES, Stage, stage

__all__ = ["turned_clock"]

BY_DAY = "sk-ug-byday-1b9XcQ7mVtR2w"
BY_MONTH = "sk-ug-bymonth-1b9XcQ7mVtR2"
# A few calls of four tokens in and ten out.
FEW = "0.000300"
LIMITS = (
    CLIENT
    + limited("daily", BY_DAY, f"budget_usd_per_day: {FEW}")
    + limited("monthly", BY_MONTH, f"budget_usd_per_month: {FEW}")
)
# The first moment of a day, where the machine believes to be, and whether a month ends with the day before.
EDGES = [
    pytest.param("2028-01-01", "Pacific/Auckland", True, id="year"),
    pytest.param("2028-02-29", "UTC", False, id="leap-day-begins"),
    pytest.param("2028-03-01", "Asia/Kolkata", True, id="leap-day-ends"),
    pytest.param("2027-03-14", "America/New_York", False, id="summer-time"),
]


@pytest.fixture
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


class Desk:
    """One gateway, and all that its clients were told."""

    def __init__(self, where: Stage) -> None:
        self.where = where
        self.told: list[Told] = []
        self._seeds = itertools.count(1)

    def call(self, key: str, count: int = 1, script: str = "tokens=10") -> list[Told]:
        """So many calls, one after the other."""
        todo = asks(next(self._seeds), count, script=script, key=key, max_tokens=10)
        return self.make(todo)

    def make(self, todo: list[Ask], concurrency: int = 1) -> list[Told]:
        """These calls."""
        told = asyncio.run(load(self.where.port, todo, concurrency=concurrency))
        self.told += told
        return told

    def answer(self, key: str) -> int:
        """The status of one call, once the bank had time for it."""
        return until(lambda: next((one.status for one in self.call(key) if one.status != 503), None), "an answer")

    def use_up(self, key: str) -> Told:
        """Calls until there is nothing left; the refusal."""
        return until(
            lambda: next((one for one in self.call(key) if one.code == "insufficient_quota"), None), "the end", 20.0
        )


@pytest.mark.parametrize(("edge", "zone", "ends_a_month"), EDGES)
def test_a_day_and_a_month_end_once_and_at_midnight_utc(
    edge: str, zone: str, ends_a_month: bool, turned_clock: TurnedClock, mock: Mock, tmp_path: Path
) -> None:
    midnight = datetime.fromisoformat(edge).replace(tzinfo=UTC)
    turned_clock.turn_to(midnight - timedelta(minutes=10))
    environment = {**turned_clock.environment, "TZ": zone}
    with stage(tmp_path / "g", mock, more=LIMITS + PRICES, environment=environment) as where:
        where.until_ready()
        desk = Desk(where)
        refused = [desk.use_up(BY_DAY), desk.use_up(BY_MONTH)]
        assert 300 < int(refused[0].headers["retry-after"]) <= 601
        turned_clock.turn_to(midnight - timedelta(seconds=1))
        until(lambda: desk.call(BY_DAY)[0].status == 200, "another day")

        assert desk.answer(BY_MONTH) == (200 if ends_a_month else 429)
        until_all_agree(where, desk.told, mock)
        rows = until_no_drift(where, mock)
        assert last_refused(rows, "daily") < midnight <= first_served_after(rows, "daily", refused[0])


def moment_of(row: Row) -> datetime:
    return datetime.fromtimestamp(row.at_ns / 1e9, UTC)


def last_refused(rows: list[Row], name: str) -> datetime:
    """When the last call began that a key's limit did not let in."""
    return max(moment_of(row) for row in rows if (row.key, row.status) == (f"key_file:{name}", 429))


def first_served_after(rows: list[Row], name: str, refused: Told) -> datetime:
    """When the first call began that was let in again."""
    [end] = [row.at_ns for row in rows if row.id == refused.id]
    served = [row for row in rows if (row.key, row.status) == (f"key_file:{name}", 200) and row.at_ns > end]
    return min(map(moment_of, served))


HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BY_MINUTE = "sk-ug-byminute-1b9XcQ7mVtR"
AT_ONCE = "sk-ug-atonce-1b9XcQ7mVtR2"
REQUESTS, SLOTS = 60, 4
RATES = (
    CLIENT
    + limited("quick", BY_MINUTE, f"requests_per_minute: {REQUESTS}")
    + limited("slots", AT_ONCE, f"concurrency: {SLOTS}")
)


def test_a_wall_clock_that_jumps_lets_nobody_pass_a_limit_and_cuts_no_call(
    turned_clock: TurnedClock, mock: Mock, tmp_path: Path
) -> None:
    with stage(tmp_path / "g", mock, workers=2, more=RATES, environment=turned_clock.environment) as where:
        where.until_ready()
        desk = Desk(where)
        running = asks(1000, SLOTS, script="latency=4000", key=AT_ONCE)
        minute: list[Ask] = []

        async def jump() -> None:
            holding = asyncio.create_task(load(where.port, running, concurrency=SLOTS))
            await asyncio.to_thread(until, lambda: len(served(mock, running)) == SLOTS, "the running calls")
            for seed, by in enumerate((timedelta(), HOUR, -HOUR, -DAY, DAY)):
                turned_clock.turn(by)
                some = asks(seed, 40, key=BY_MINUTE)
                more = asks(100 + seed, 2, key=AT_ONCE)
                desk.told += await load(where.port, [*some, *more], concurrency=20)
                minute.extend(some)
            desk.told += await holding

        asyncio.run(jump())
        assert [one for one in desk.told if one.ask in running and not one.was_confirmed] == []
        assert most_in_a_minute(served(mock, minute)) <= REQUESTS
        assert most_at_once(served(mock, [one.ask for one in desk.told if one.ask.key == AT_ONCE])) <= SLOTS
        assert {one.status for one in desk.told} <= {200, 429, 503}
        until_all_agree(where, desk.told, mock)


def test_logs_are_in_the_order_of_what_happened_whatever_time_it_was(
    turned_clock: TurnedClock, mock: Mock, tmp_path: Path
) -> None:
    with stage(tmp_path / "g", mock, environment=turned_clock.environment) as where:
        where.until_ready()
        desk = Desk(where)
        made: list[object] = []
        for by in (timedelta(), -HOUR, -DAY, DAY, -DAY, DAY + HOUR):
            turned_clock.turn(by)
            desk.call(CLIENT_KEY, 3)
            made.append(administered(where, "POST", "keys", {"name": f"key-{len(made)}"})["id"])
            until(lambda: len(logged(where)) == len(desk.told), "the log")
        until_all_agree(where, desk.told, mock)

        audit = administered(where, "GET", "audit")["data"]
        assert isinstance(audit, list)
        assert [one["target"] for one in audit] == made[::-1]
        order = [one.id for one in desk.told]
        places = [[order.index(one.id) for one in logged_in(path)] for path in log_files(where)]
        assert sorted(place for some in places for place in some) == list(range(len(order)))
        assert all(some == sorted(some) for some in places), places


def administered(where: Stage, method: str, path: str, content: dict[str, str] | None = None) -> dict[str, object]:
    """What administration answers."""
    asked = Request(
        f"http://127.0.0.1:{where.port}/admin/v1/{path}",
        json.dumps(content).encode() if content is not None else None,
        {"authorization": f"Bearer {ADMIN_KEY}", "content-type": "application/json"},
        method=method,
    )
    with urlopen(asked, timeout=60) as answer:
        return json.load(answer)
