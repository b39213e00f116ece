"""A database stopped, frozen, cut off, moved, read-only or locked: nothing hangs, nothing is lost or doubled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest

from gateways import free_port
from harness import until
from ledger.fault_proxy import fault_proxy
from ledger.servers import Database as Fresh
from ledger.servers import Postgres as Server
from ledger.test_rows import Gateway, is_clean, record
from unigate.accounting.record import encode_entry
from unigate.errors import StorageError
from unigate.journal import Journal
from unigate.storage.calls import CallFilter, page_of_calls
from unigate.storage.opening import open_database
from unigate.storage.postgres import Postgres
from unigate.storage.sqlite import Sqlite

# What may pass before a database that does not answer is given up, on a machine that has much else to do.
GIVEN_UP = 12.0
OURS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'unigate'"


@contextmanager
def carrying(url: str, folder: Path) -> Iterator[tuple[Gateway, Journal]]:
    """A gateway that has carried one call to the database of that URL."""
    with closing(open_database(url, folder)) as database:
        gateway = Gateway(database, folder)
        journal = gateway.journal(record(1))
        gateway.carry()
        yield gateway, journal
        journal.close()


def write(journal: Journal, *numbers: int) -> None:
    for number in numbers:
        journal.append(encode_entry(record(number)))


def refused(gateway: Gateway) -> float:
    """How long one turn took to fail."""
    started = time.monotonic()
    with pytest.raises(StorageError):
        gateway.carrier.turn()
    return time.monotonic() - started


def recovers(gateway: Gateway) -> bool:
    try:
        gateway.carry()
    except StorageError:
        return False
    return True


def all_there(gateway: Gateway, count: int) -> bool:
    """Whether each call has one row and one line."""
    calls = [one.id for one in page_of_calls(gateway.books, CallFilter()).calls]
    return sorted(calls) == sorted(gateway.paper.ids) == [record(n).id for n in range(1, count + 1)] and is_clean(
        gateway
    )


@pytest.mark.parametrize(
    ("breaks", "heals"),
    [
        (Server.stop, Server.start),
        (Server.freeze, Server.thaw),
        (Server.read_only, Server.heal),
    ],
    ids=["stopped", "frozen", "read-only"],
)
def test_a_server_that_fails_is_given_up_in_time_and_found_again(
    database: Fresh, tmp_path: Path, breaks: Callable[[Server], object], heals: Callable[[Server], object]
) -> None:
    with carrying(database.url, tmp_path) as (gateway, journal):
        breaks(database.server)
        write(journal, 2)
        took = [until(lambda: refused(gateway), "the failure"), refused(gateway)]
        write(journal, 3)
        heals(database.server)

        assert max(took) < GIVEN_UP
        assert until(lambda: recovers(gateway), "the recovery", within=15.0)
        assert all_there(gateway, 3)


def test_connections_that_the_server_ended_are_replaced_unnoticed(database: Fresh, tmp_path: Path) -> None:
    with carrying(database.url, tmp_path) as (gateway, journal):
        for number in range(2, 6):
            assert database.server.terminate_backends() >= 1
            until(lambda: database.server.run(OURS) == [["0"]], "the end of our connections")
            write(journal, number)
            gateway.carry()

        assert all_there(gateway, 5)


def test_a_server_at_another_address_is_found(database: Fresh, tmp_path: Path) -> None:
    with (
        fault_proxy(database.server.port) as proxy,
        carrying(database.url_through(proxy.port), tmp_path) as (gateway, journal),
    ):
        database.server.restart(port=free_port())
        proxy.target = database.server.port
        write(journal, 2)

        assert until(lambda: recovers(gateway), "the recovery", within=15.0)
        assert all_there(gateway, 2)


def test_a_line_that_swallows_everything_is_given_up_in_time(database: Fresh, tmp_path: Path) -> None:
    with (
        fault_proxy(database.server.port) as proxy,
        carrying(database.url_through(proxy.port), tmp_path) as (gateway, journal),
    ):
        proxy.black_hole()
        write(journal, 2)
        took = [refused(gateway), refused(gateway)]
        proxy.mend()

        assert max(took) < GIVEN_UP
        assert until(lambda: recovers(gateway), "the recovery", within=15.0)
        assert all_there(gateway, 2)


def test_there_are_never_more_connections_than_three(database: Fresh) -> None:
    opened = Postgres(database.url)
    seen: list[int] = []

    def work() -> None:
        for _ in range(5):
            with opened.transaction() as run:
                seen.append(int(str(run(OURS)[0][0])))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    opened.close()

    assert len(seen) == 40 and max(seen) <= 3


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://someone:hunter2-hunter2@127.0.0.1:1/none",
        "postgresql://someone:hunter2-hunter2@127.0.0.1:1/none?no_such_option=1",
        "postgresql://someone:hunter2-hunter2@[::/none",
    ],
)
def test_no_error_tells_the_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError) as error:
        open_database(url, tmp_path)
    shown = "".join(map(str, (error.value, error.value.__cause__)))

    assert "hunter2" not in shown and "\n" not in str(error.value)


def test_tables_of_others_are_never_touched(database: Fresh, tmp_path: Path) -> None:
    database.run("CREATE TABLE public.calls (mine text); INSERT INTO public.calls VALUES ('kept')")
    with carrying(database.url, tmp_path) as (gateway, _):
        assert all_there(gateway, 1)
    tables = database.run("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")

    assert (database.run("SELECT * FROM public.calls"), tables) == ([["kept"]], [["1"]])


# --- SQLite, held by another process


def test_a_lock_of_another_process_is_waited_for(tmp_path: Path) -> None:
    with carrying(f"sqlite:///{tmp_path}/unigate.db", tmp_path) as (gateway, journal):
        other = apsw.Connection(f"{tmp_path}/unigate.db")
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(3.0, lambda: other.execute("COMMIT")).start()
        write(journal, 2)
        gateway.carry()

        assert all_there(gateway, 2)
        other.close()


def test_a_lock_that_stays_is_an_error_in_time_and_nothing_is_lost(tmp_path: Path) -> None:
    with carrying(f"sqlite:///{tmp_path}/unigate.db", tmp_path) as (gateway, journal):
        other = apsw.Connection(f"{tmp_path}/unigate.db")
        other.execute("BEGIN IMMEDIATE")
        write(journal, 2)
        took = refused(gateway)
        seen = page_of_calls(gateway.books, CallFilter()).calls  # pages are read meanwhile
        write(journal, 3)
        other.execute("COMMIT")
        gateway.carry()

        assert took < GIVEN_UP and len(seen) == 1
        assert all_there(gateway, 3)
        other.close()


def test_a_reader_of_old_pages_lets_the_side_file_shrink_once_it_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "unigate.db"
    database = Sqlite(path)
    with database.transaction() as run:
        run("CREATE TABLE t (x BLOB)")
    reader = apsw.Connection(str(path))
    reader.execute("BEGIN; SELECT * FROM t").fetchall()
    for _ in range(90):
        with database.transaction() as run:
            run("INSERT INTO t VALUES (zeroblob(1000000))")
    grown = path.with_name("unigate.db-wal").stat().st_size
    reader.close()
    for _ in range(3):
        with database.transaction() as run:
            run("INSERT INTO t VALUES (zeroblob(1000000))")

    assert grown > 64 * 2**20 >= path.with_name("unigate.db-wal").stat().st_size
    database.close()
