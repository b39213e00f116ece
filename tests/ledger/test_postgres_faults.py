"""PostgreSQL stops, freezes, is cut off, moves or refuses: calls go on, no row is lost, and all is well soon after."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateways import free_port
from harness import Mock, start_mock
from ledger.check import until_all_agree
from ledger.fault_proxy import FaultProxy, fault_proxy
from ledger.load import Told, asks, load
from ledger.servers import Database
from ledger.stage import Stage, stage

Fault = Callable[[Database, FaultProxy], contextlib.AbstractContextManager[None]]


@pytest.fixture
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


@pytest.fixture
def proxy(database: Database) -> Iterator[FaultProxy]:
    with fault_proxy(database.server.port) as proxy:
        yield proxy


@contextlib.contextmanager
def stopped(database: Database, proxy: FaultProxy) -> Iterator[None]:
    database.server.stop()
    yield
    database.server.start()


@contextlib.contextmanager
def crashed(database: Database, proxy: FaultProxy) -> Iterator[None]:
    database.server.stop(signal.SIGQUIT)
    yield
    database.server.start()


@contextlib.contextmanager
def frozen(database: Database, proxy: FaultProxy) -> Iterator[None]:
    database.server.freeze()
    yield
    database.server.thaw()


@contextlib.contextmanager
def cut_off(database: Database, proxy: FaultProxy) -> Iterator[None]:
    proxy.black_hole()
    yield
    proxy.mend()


@contextlib.contextmanager
def unreachable(database: Database, proxy: FaultProxy) -> Iterator[None]:
    proxy.refuse()
    yield
    proxy.mend()


@contextlib.contextmanager
def moved(database: Database, proxy: FaultProxy) -> Iterator[None]:
    database.server.stop()
    yield
    database.server.start(free_port())
    proxy.target = database.server.port


@contextlib.contextmanager
def read_only(database: Database, proxy: FaultProxy) -> Iterator[None]:
    """As behind a failover that is half done."""
    database.server.run(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    database.server.terminate_backends()
    yield
    database.server.run(f"ALTER DATABASE {database.name} RESET default_transaction_read_only")


@contextlib.contextmanager
def locked_out(database: Database, proxy: FaultProxy) -> Iterator[None]:
    """The server takes no more connections for this database, and those that were there are cut."""
    database.server.run(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS false")
    database.server.terminate_backends()
    yield
    database.server.run(f"ALTER DATABASE {database.name} ALLOW_CONNECTIONS true")


# About seven seconds are longer than any patience with one transaction; where a refusal comes at once, two are enough.
SILENT = (frozen, cut_off)
FAULTS = (stopped, crashed, frozen, cut_off, unreachable, moved, read_only, locked_out)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_calls_go_on_without_postgres_and_their_rows_follow(
    fault: Fault, mock: Mock, database: Database, proxy: FaultProxy, tmp_path: Path
) -> None:
    with stage(tmp_path / "g", mock, database, database_port=proxy.port) as where:
        keeper = where.child("keeper")
        told = asyncio.run(load(where.port, asks(1, 50)))
        until_all_agree(where, told, mock)
        with fault(database, proxy):
            count = 140 if fault in SILENT else 40
            told += asyncio.run(load(where.port, asks(2, count, script="tokens=3,latency=500"), concurrency=10))
            assert all_is_told_in_time(told)
        until_all_agree(where, told, mock)
        assert where.child("keeper") == keeper, "no restart was needed"


def all_is_told_in_time(told: list[Told]) -> bool:
    assert [one for one in told if not one.was_confirmed] == []
    slowest = max(one.over - one.began for one in told)
    assert slowest < 3.0, f"a call took {slowest:.1f} s"
    return True


def test_connections_cut_by_the_server_lose_nothing(mock: Mock, database: Database, tmp_path: Path) -> None:
    with stage(tmp_path / "g", mock, database) as where:
        where.child("keeper")
        told: list[Told] = []
        for number in range(10):
            told += asyncio.run(load(where.port, asks(number, 50)))
            database.server.terminate_backends()
        assert all_is_told_in_time(told)
        assert len(until_all_agree(where, told, mock)) == 500


def connections(where: Stage) -> int:
    assert where.database is not None
    return int(where.database.run("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'unigate'")[0][0])


def test_a_gateway_takes_few_connections(mock: Mock, database: Database, tmp_path: Path) -> None:
    with stage(tmp_path / "g", mock, database) as where:
        where.child("keeper")
        told = asyncio.run(load(where.port, asks(1, 500)))
        until_all_agree(where, told, mock)
        assert connections(where) <= 8
