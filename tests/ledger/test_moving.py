"""Moving a ledger from SQLite to PostgreSQL: everything is there afterwards, once, though calls come in meanwhile."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from ledger.servers import Database as Fresh
from ledger.test_rows import LIFE, Gateway, intent, is_clean, leases, lend, record, spent
from unigate.accounting.record import encode_entry
from unigate.errors import StorageError
from unigate.storage.calls import CallFilter, page_of_calls
from unigate.storage.database import Database
from unigate.storage.moving import Moved, move
from unigate.storage.opening import MOVED, open_database


def moved(source: Database, target: Fresh, folder: Path, at: str | None = None, act: object = None) -> Moved:
    """Moves everything to a server; `act` happens when the first row of the table `at` was copied."""

    def tell(table: str, count: int) -> None:
        if table == at and callable(act) and not done:
            done.append(table)
            act()

    done: list[str] = []
    with closing(open_database(target.url, folder)) as database:
        return move(source, database, "gw-1", folder / MOVED, target.url, tell=tell)


def add_key(books: Database, name: str) -> None:
    with books.transaction() as run:
        run("INSERT INTO keys (id, name, hash, role, created_ns) VALUES (?, ?, ?, 'client', 1)", (name,) * 3)


def keys(books: Database) -> list[object]:
    with books.reading() as run:
        return [row[0] for row in run("SELECT name FROM keys")]


def test_everything_is_moved_and_calls_that_came_meanwhile_too(database: Fresh, tmp_path: Path) -> None:
    source = open_database(None, tmp_path)
    add_key(source, "ours")
    gateway = Gateway(source, tmp_path)
    journal = gateway.journal(intent(5000), *(record(n) for n in range(2500)))
    lend(source, LIFE, "usd_day", "2026-11-23", 10_000_000)
    gateway.carry()

    def more() -> None:
        for number in range(2500, 2600):
            journal.append(encode_entry(record(number)))
        gateway.carry()

    told = moved(source, database, tmp_path, "calls", more)
    journal.append(encode_entry(record(2600)))
    with pytest.raises(StorageError):
        gateway.carrier.turn()
    source.close()
    there = open_database(None, tmp_path)
    after = Gateway(there, tmp_path)
    journal.close()
    after.carry()

    assert (told.calls, told.nano, there.name[:10]) == (2600, 2_600_000, "PostgreSQL")
    assert spent(there)[2] == ("total", 2_601_000 + 5_000, 2602, 2601 * 14)
    assert keys(there) == ["ours"]
    assert leases(there) == [] and is_clean(after)
    assert len(page_of_calls(there, CallFilter(), limit=1000).calls) == 1000
    there.close()


def test_a_move_that_broke_off_is_gone_on_with(database: Fresh, tmp_path: Path) -> None:
    source = open_database(None, tmp_path)
    gateway = Gateway(source, tmp_path)
    journal = gateway.journal(*(record(n) for n in range(1500)))
    gateway.carry()

    def breaks() -> None:
        raise KeyboardInterrupt

    for number, table in enumerate(("calls", "spend")):
        with pytest.raises(KeyboardInterrupt):
            moved(source, database, tmp_path, table, breaks)
        journal.append(encode_entry(record(5000 + number)))
        gateway.carry()  # the source is the ledger until all is done

    assert moved(source, database, tmp_path).calls == 1502
    journal.close()
    source.close()


def test_a_ledger_is_never_moved_into_another(database: Fresh, tmp_path: Path) -> None:
    with closing(open_database(database.url, tmp_path)) as used:
        add_key(used, "theirs")
    source = open_database(None, tmp_path)
    with pytest.raises(StorageError, match="only be moved into an empty database"):
        moved(source, database, tmp_path)
    source.close()
