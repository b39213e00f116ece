"""SIGTERM, as a deploy sends it: what fits into the window ends whole, the rest is told, and every call has its row."""

from __future__ import annotations

import asyncio
import http.client
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from harness import Mock, start_mock, until
from ledger.check import Row, rows_of, until_all_agree
from ledger.load import Ask, Told, asks, load
from ledger.stage import Stage, stage
from unigate.config import ServerSettings
from unigate.lifeline import Birth, tell_ready
from unigate.snapshot import Settings


@pytest.fixture
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


def streams(seed: int, count: int, *, tokens: tuple[int, int]) -> list[Ask]:
    rng = random.Random(seed)
    return [Ask(one.nonce, f"tokens={rng.randint(*tokens)},pace=50", streamed=True) for one in asks(seed, count)]


async def stop_amid(where: Stage, mock: Mock, todo: list[Ask]) -> tuple[list[Told], int, float]:
    """SIGTERM once all streams run; what they saw, the exit code, and how long it took to end."""
    running = asyncio.create_task(load(where.port, todo, concurrency=len(todo)))
    await asyncio.to_thread(until, lambda: open_calls(mock) == len(todo), "all streams")
    begun = time.monotonic()
    code = await asyncio.to_thread(where.stop)
    return await running, code, time.monotonic() - begun


def open_calls(mock: Mock) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", mock.port, timeout=60)) as connection:
        connection.request("GET", "/mock/bill")
        return int(connection.getresponse().read().partition(b'"open":')[2].partition(b",")[0])


def ends(rows: list[Row]) -> Counter[str]:
    return Counter(row.end for row in rows)


def test_streams_that_fit_into_the_window_end_whole(mock: Mock, tmp_path: Path) -> None:
    with stage(tmp_path / "g", mock, drain=20) as where:
        told, code, _ = asyncio.run(stop_amid(where, mock, streams(1, 100, tokens=(30, 80))))

        assert code == 0
        assert [one.nonce for one in told if not one.was_confirmed] == []
        where.start()  # what the keeper had no time for is carried by the next one
        assert ends(until_all_agree(where, told, mock)) == {"ok": 100}


def test_streams_that_do_not_fit_are_told_and_have_rows(mock: Mock, tmp_path: Path) -> None:
    with stage(tmp_path / "g", mock, drain=2) as where:
        told, code, took = asyncio.run(stop_amid(where, mock, streams(2, 50, tokens=(1000, 1200))))

        assert code == 0
        assert took < 2 + 20, f"it took {took:.1f} s to stop"
        assert Counter(one.code for one in told) == {"server_shutting_down": 50}
        where.start()  # what the keeper had no time for is carried by the next one
        assert ends(until_all_agree(where, told, mock)) == {"drained": 50}


def test_nobody_who_comes_during_the_drain_waits_for_its_end(mock: Mock, tmp_path: Path) -> None:
    with stage(tmp_path / "g", mock, drain=20) as where:
        late: list[float] = []

        async def play() -> None:
            running = asyncio.create_task(stop_amid(where, mock, streams(3, 5, tokens=(80, 80))))
            await asyncio.to_thread(until, lambda: "Stopping" in where.log(), "the signal")
            for _ in range(5):
                begun = time.monotonic()
                await asyncio.to_thread(knock, where.port)
                late.append(time.monotonic() - begun)
            told, code, _ = await running
            assert code == 0
            assert all(one.was_confirmed for one in told)

        asyncio.run(play())
        assert max(late) < 2.0, late
        where.start()
        until(lambda: ends(rows_of(where))["ok"] == 5, "the rows")


def knock(port: int) -> int:
    """The status of a new connection's question; 0 if it is refused."""
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status
    except OSError:
        return 0


def test_a_child_whose_parent_died_before_it_was_ready_makes_no_fuss() -> None:
    theirs, mine = os.pipe()
    os.close(theirs)
    tell_ready(Birth(name="keeper", settings=Settings(server=ServerSettings(), providers=()), ready_fd=mine))

    with pytest.raises(OSError):
        os.fstat(mine)  # closed like any other time
