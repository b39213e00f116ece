"""kill -9 at random moments: whoever dies, each confirmed call has its row, and no call has two."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Mock, start_mock
from ledger.check import logged, until_all_agree
from ledger.load import Ask, endless
from ledger.servers import Database
from ledger.stage import stage
from ledger.storm import storm


@pytest.fixture
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


def plain(seed: int) -> Iterator[Ask]:
    """Short calls, a few of them waiting long enough to be killed."""
    rng = random.Random(seed)
    for ask in endless(seed):
        yield Ask(ask.nonce, f"tokens=3,latency={rng.choice((0, 0, 5, 20))}")


def streams(seed: int) -> Iterator[Ask]:
    """Streams of very different lengths, so that a kill finds them at mixed progress."""
    rng = random.Random(seed)
    for ask in endless(seed):
        yield Ask(ask.nonce, f"tokens={rng.randrange(1, 30)},pace=10", streamed=True)


def test_no_call_is_lost_or_doubled_by_kill_9(mock: Mock, tmp_path: Path) -> None:
    with stage(tmp_path / "g", mock) as where:
        seen = asyncio.run(storm(where, plain(1), seed=1, kills=7, calls_per_kill=120))
        rows = until_all_agree(where, seen.told, mock)
        until_all_agree(where, seen.told, mock, read=logged)
        assert len(rows) >= seen.confirmed > 400


def test_no_stream_is_lost_or_doubled_by_kill_9(mock: Mock, tmp_path: Path) -> None:
    with stage(tmp_path / "g", mock) as where:
        seen = asyncio.run(storm(where, streams(2), seed=2, kills=6, calls_per_kill=120, concurrency=60))
        rows = until_all_agree(where, seen.told, mock)
        until_all_agree(where, seen.told, mock, read=logged)
        assert len(rows) >= seen.confirmed > 200


def test_no_call_is_lost_or_doubled_by_kill_9_on_postgres(mock: Mock, database: Database, tmp_path: Path) -> None:
    with stage(tmp_path / "g", mock, database) as where:
        seen = asyncio.run(storm(where, plain(3), seed=3, kills=7, calls_per_kill=120))
        rows = until_all_agree(where, seen.told, mock)
        assert len(rows) >= seen.confirmed > 400
