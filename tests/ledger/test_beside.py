"""Others at the gateway's database while it serves, and pauses of its own processes: a backup, a lock, a SIGSTOP."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from harness import Mock, start_mock
from ledger.check import until_all_agree
from ledger.load import Told, asks, load
from ledger.stage import Stage, stage


@pytest.fixture
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


@contextlib.contextmanager
def beside(where: Stage) -> Iterator[apsw.Connection]:
    """A connection of somebody else to the gateway's file."""
    connection = apsw.Connection(str(where.folder / "data" / "unigate.db"))
    try:
        connection.set_busy_timeout(10_000)
        yield connection
    finally:
        connection.close()


def test_a_backup_while_serving_is_whole_and_agrees_with_itself(mock: Mock, tmp_path: Path) -> None:
    copies = [tmp_path / f"copy-{number}.db" for number in range(3)]
    with stage(tmp_path / "g", mock) as where:
        where.child("keeper")
        told = asyncio.run(load(where.port, asks(1, 50)))
        until_all_agree(where, told, mock)

        async def play() -> None:
            running = asyncio.create_task(load(where.port, asks(2, 600)))
            for copy in copies:
                await asyncio.to_thread(back_up, where, copy)
            told.extend(await running)

        asyncio.run(play())
        assert [one for one in told if not one.was_confirmed] == []
        assert len(until_all_agree(where, told, mock)) == 650
    counts = [look_at(copy) for copy in copies]
    assert counts == sorted(counts)
    assert counts[0] >= 50


def back_up(where: Stage, copy: Path) -> None:
    with beside(where) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))


def look_at(copy: Path) -> int:
    """How many calls a copy has, once its counters were found to say the same."""
    connection = apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        (whole,) = next(iter(connection.execute("PRAGMA integrity_check")))
        (rows,) = next(iter(connection.execute("SELECT count(*) FROM calls WHERE key IS NOT NULL")))
        counted = (
            "SELECT coalesce(sum(calls), 0) FROM spend WHERE \"window\" = 'total' AND scope IN (SELECT key FROM calls)"
        )
        assert (whole, next(iter(connection.execute(counted)))[0]) == ("ok", rows)
        return int(rows)
    finally:
        connection.close()


def test_a_writer_that_does_not_let_go_delays_rows_and_nobody_who_calls(mock: Mock, tmp_path: Path) -> None:
    with stage(tmp_path / "g", mock) as where:
        where.child("keeper")
        told = asyncio.run(load(where.port, asks(3, 20)))
        until_all_agree(where, told, mock)
        with beside(where) as connection:
            connection.execute("BEGIN IMMEDIATE")
            # Seven seconds: longer than the keeper's patience with one transaction.
            told += asyncio.run(load(where.port, asks(4, 140, script="tokens=3,latency=500"), concurrency=10))
            connection.execute("ROLLBACK")
        slowest = max(one.over - one.began for one in told)

        assert [one for one in told if not one.was_confirmed] == []
        assert slowest < 3.0, f"a call took {slowest:.1f} s"
        until_all_agree(where, told, mock)


@pytest.mark.parametrize("name", ["door-0", "keeper"])
def test_a_paused_process_goes_on_where_it_stood(mock: Mock, tmp_path: Path, name: str) -> None:
    with stage(tmp_path / "g", mock) as where:
        where.child("keeper")
        told: list[Told] = []

        async def play() -> None:
            is_busy = asyncio.Event()

            def note(one: Told) -> None:
                told.append(one)
                is_busy.set()

            running = asyncio.create_task(load(where.port, asks(4, 400), told=note))
            await is_busy.wait()
            pid = where.child(name)
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(3.0)
            os.kill(pid, signal.SIGCONT)
            await running

        asyncio.run(play())
        assert [one for one in told if not one.was_confirmed] == []
        assert len(until_all_agree(where, told, mock)) == 400
