"""A dump of PostgreSQL made amid calls, restored elsewhere, is a ledger whose rows and counters agree."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateways import clean_environment
from harness import Mock, start_mock
from ledger.check import until_all_agree
from ledger.load import Told, asks, load
from ledger.servers import USER, Database, program
from ledger.stage import CLIENT, PRICES, Stage, stage
from unigate.storage.checking import check_books
from unigate.storage.opening import open_database

GATEWAY = "SELECT id FROM unigate.gateways"


@pytest.fixture
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


def dump(database: Database, file: Path) -> None:
    """`pg_dump`, as an operator runs it."""
    server = database.server
    subprocess.run(
        [program("pg_dump"), "-h", "127.0.0.1", "-p", str(server.port), "-U", USER, "-f", str(file), database.name],
        env=clean_environment(),
        check=True,
        timeout=60,
    )


def restored(database: Database, file: Path) -> Database:
    """The dump, in a database that was empty."""
    fresh = database.server.fresh()
    where = ["-h", "127.0.0.1", "-p", str(database.server.port), "-U", USER, "-d", fresh.name]
    command = [program("psql"), *where, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", str(file)]
    subprocess.run(command, env=clean_environment(), check=True, timeout=60, stdout=subprocess.DEVNULL)
    return fresh


def calls_in(database: Database, folder: Path) -> int:
    """How many calls a ledger has, once its own check found nothing wrong; no journal is beside it."""
    [[gateway]] = database.run(GATEWAY)
    with closing(open_database(database.url, folder)) as books:
        assert check_books(books, gateway, folder / "nowhere").is_clean
    counted = "SELECT sum(calls) FROM unigate.spend WHERE \"window\" = 'total' AND scope LIKE 'key_%'"
    rows = database.run("SELECT count(*) FROM unigate.calls")
    assert database.run(counted) == rows
    return int(rows[0][0])


def test_a_dump_while_serving_is_whole_and_agrees_with_itself(mock: Mock, database: Database, tmp_path: Path) -> None:
    files = [tmp_path / f"dump-{number}.sql" for number in range(3)]
    told: list[Told] = []
    with stage(tmp_path / "g", mock, database, more=CLIENT + PRICES) as where:
        where.until_ready()
        told += asyncio.run(load(where.port, asks(1, 50)))
        until_all_agree(where, told, mock)
        told += asyncio.run(amid_dumps(where, database, files))
        assert [one for one in told if not one.was_confirmed] == []
        assert len(until_all_agree(where, told, mock)) == len(told)

    copies = [restored(database, file) for file in files]
    counts = [calls_in(copy, tmp_path) for copy in copies]
    assert counts == sorted(counts)
    assert counts[0] >= 50 and counts[-1] <= len(told)
    for copy in copies:
        copy.server.run(f"DROP DATABASE {copy.name}")


async def amid_dumps(where: Stage, database: Database, files: list[Path]) -> list[Told]:
    """Calls, and dumps while they run."""
    running = asyncio.create_task(load(where.port, asks(2, 600, script="tokens=3,latency=20")))
    for file in files:
        await asyncio.to_thread(dump, database, file)
    return await running
