"""Rates and slots over three doors, as the upstream counts them: never above the limit, and refusals say when."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Mock, start_mock, until
from ledger.check import until_all_agree
from ledger.load import asks, load
from ledger.money import limited
from ledger.stage import PRICES, stage

KEY = "sk-ug-limited-8wXcQ7mVtR2z"


@pytest.fixture
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


def test_no_minute_sees_more_requests_than_the_limit(mock: Mock, tmp_path: Path) -> None:
    with stage(tmp_path / "g", mock, workers=3, more=limited("quick", KEY, "requests_per_minute: 100")) as where:
        where.until_ready()
        told = asyncio.run(load(where.port, asks(1, 1000, key=KEY), concurrency=100))

        # All of it takes less than a minute, so one window holds it.
        assert Counter(one.status for one in told)[200] == 100
        assert sum(call["method"] == "POST" for call in mock.calls()) == 100
        refused = [one for one in told if one.status == 429]
        assert {one.code for one in refused} == {"rate_limit_exceeded"}
        # A crowded machine may answer `unavailable`, where the bank took too long.
        assert {one.code for one in told} <= {"", "rate_limit_exceeded", "budget_unavailable"}
        assert all(1 <= int(one.headers["retry-after"]) <= 63 for one in refused)
        until_all_agree(where, told, mock)


def test_no_moment_sees_more_calls_than_there_are_slots(mock: Mock, tmp_path: Path) -> None:
    with stage(tmp_path / "g", mock, workers=3, more=limited("quick", KEY, "concurrency: 5") + PRICES) as where:
        where.until_ready()
        todo = asks(2, 400, key=KEY, script="tokens=3,latency=20")
        told = asyncio.run(load(where.port, todo, concurrency=40))

        assert {200, 429} <= {one.status for one in told} <= {200, 429, 503}
        assert 2 <= most_at_once(mock) <= 5
        until(lambda: asyncio.run(load(where.port, asks(3, 5, key=KEY), concurrency=5))[-1].was_confirmed, "free slots")


def most_at_once(mock: Mock) -> int:
    """The most calls that the upstream ever saw running together."""
    moments = [(float(str(call["started"])), 1) for call in mock.calls()]
    moments += [(float(str(call["ended"])), -1) for call in mock.calls() if call["ended"]]
    running = most = 0
    for _, change in sorted(moments):
        running += change
        most = max(most, running)
    return most
