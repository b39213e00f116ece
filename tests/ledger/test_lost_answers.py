"""A turn that was kept, though nobody heard of it: no call stays open for it, and none is charged twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from harness import until
from ledger.fault_proxy import FaultProxy, fault_proxy
from ledger.servers import Database as Fresh
from ledger.test_rows import LIFE, Gateway, books, intent, is_clean, record, spent
from unigate.accounting.record import Body, encode_entry
from unigate.errors import StorageError
from unigate.storage.database import Database
from unigate.storage.opening import open_database

__all__ = ["books"]

# Whatever opens a call is kept, and its keeper's line is gone before it can hear so.
DAWDLE = (
    "CREATE FUNCTION unigate.dawdle() RETURNS trigger LANGUAGE plpgsql "
    "AS 'BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END'",
    "CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT OR UPDATE ON unigate.open_intents "
    "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION unigate.dawdle()",
)
OPEN = "SELECT id FROM unigate.open_intents"
LATE = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"


@pytest.fixture
def proxy(database: Fresh) -> Iterator[FaultProxy]:
    with fault_proxy(database.server.port) as proxy:
        yield proxy


@pytest.fixture
def gateway(database: Fresh, proxy: FaultProxy, tmp_path: Path) -> Iterator[Gateway]:
    with closing(open_database(database.url_through(proxy.port), tmp_path)) as far:
        for statement in DAWDLE:
            database.run(statement)
        yield Gateway(far, tmp_path)


def turn_unheard(gateway: Gateway, database: Fresh, proxy: FaultProxy) -> None:
    """A turn whose commit is under way when its line is cut; it will be done."""
    refused: list[str] = []

    def turn() -> None:
        try:
            gateway.carrier.turn()
        except StorageError as error:
            refused.append(str(error))

    thread = threading.Thread(target=turn)
    thread.start()
    until(lambda: database.run(LATE), "a commit that takes its time")
    proxy.cut()
    thread.join(10)
    assert refused and database.run(OPEN) == []


def until_kept(database: Fresh) -> None:
    until(lambda: not database.run(LATE) and database.run(OPEN), "the end of the commit")


@pytest.mark.parametrize("is_over", [True, False], ids=["commit over", "commit under way"])
@pytest.mark.parametrize("dies", [True, False], ids=["keeper dies", "keeper goes on"])
def test_a_record_closes_what_a_turn_without_an_answer_has_opened(
    gateway: Gateway, database: Fresh, proxy: FaultProxy, *, dies: bool, is_over: bool
) -> None:
    journal = gateway.journal(record(1))
    gateway.carry()
    journal.append(encode_entry(intent(2)))
    turn_unheard(gateway, database, proxy)
    if is_over:
        until_kept(database)
    if dies:
        gateway.start()
    journal.append(encode_entry(record(2)))
    gateway.carry()
    left = database.run(OPEN)
    assert is_clean(gateway)
    database.run("DELETE FROM unigate.calls")  # as retention does, much later
    gateway.start()
    journal.close()
    gateway.carry()

    assert (left, spent(gateway.books)[2]) == ([], ("total", 2_000, 2, 28))


def test_a_record_that_comes_turns_later_closes_it_too(gateway: Gateway, database: Fresh, proxy: FaultProxy) -> None:
    others = gateway.journal(life="door-0-a")
    journal = gateway.journal(record(1))
    gateway.carry()
    for entry in (record(2), intent(3)):
        journal.append(encode_entry(entry))
    turn_unheard(gateway, database, proxy)
    until_kept(database)
    heavy = Body("req_00000009", "request", b"", size=9 * 1024 * 1024)
    others.append(encode_entry(heavy))  # after which the next turn reads one entry only
    journal.append(encode_entry(record(3)))
    gateway.carry()

    assert database.run(OPEN) == []
    assert spent(gateway.books)[2] == ("total", 3_000, 3, 42)
    for one in (others, journal):
        one.close()


def forget_to_close(books: Database, number: int) -> None:
    with books.transaction() as run:
        run("INSERT INTO open_intents (gateway, folder, id, entry) VALUES ('gw-1', ?, ?, ?)",
            (LIFE, intent(number).id, encode_entry(intent(number))))  # fmt: skip


def still_open(books: Database) -> list[str]:
    with books.reading() as run:
        return [str(row[0]) for row in run("SELECT id FROM open_intents")]


def test_what_is_open_beside_its_record_is_closed_at_the_start(books: Database, tmp_path: Path) -> None:
    gateway = Gateway(books, tmp_path)
    journal = gateway.journal(record(1), intent(2))
    gateway.carry()
    forget_to_close(books, 1)
    gateway.start()

    assert still_open(books) == ["req_00000002"]
    journal.close()


def test_nothing_stays_open_of_a_life_that_is_over(books: Database, tmp_path: Path) -> None:
    gateway = Gateway(books, tmp_path)
    journal = gateway.journal(record(1), intent(2))
    gateway.carry()
    forget_to_close(books, 1)
    journal.close()
    gateway.carry()

    assert still_open(books) == []
    assert spent(books)[2] == ("total", 6_000, 2, 14)
