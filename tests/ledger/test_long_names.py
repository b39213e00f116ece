"""A client may name a model as it likes: no name keeps a call, or those behind it, from the books."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from harness import Mock, start_mock, until
from ledger.check import rows_of
from ledger.load import Ask, load
from ledger.servers import Database as Fresh
from ledger.stage import stage
from ledger.test_moving import moved
from ledger.test_rows import LIFE, Gateway, is_clean, record
from unigate.storage.calls import CallFilter, page_of_calls
from unigate.storage.database import Database
from unigate.storage.ledger import Batch
from unigate.storage.opening import open_database
from unigate.storage.usage_sums import UsageFilter, usage_sums


@pytest.fixture
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


@pytest.fixture
def server_books(database: Fresh, tmp_path: Path) -> Iterator[Database]:
    with closing(open_database(database.url, tmp_path / "there")) as books:
        yield books


def letters(count: int) -> str:
    """So many Chinese letters as no compression makes short: an index of PostgreSQL takes 2,704 bytes."""
    dice = random.Random(count)
    return "".join(chr(dice.randrange(0x4E00, 0x9FA5)) for _ in range(count))


def models(books: Database) -> list[str]:
    return [one.model or "" for one in page_of_calls(books, CallFilter(), limit=10).calls]


def test_names_of_any_length_are_kept_or_refused_and_every_call_has_its_row(
    mock: Mock, database: Fresh, tmp_path: Path
) -> None:
    with stage(tmp_path, mock, database) as where:
        asked = [Ask("fits", route=letters(333)), Ask("long", route=letters(1000)), Ask("usual")]
        asked.append(Ask("passed", route=f"script:message={letters(320)}"))
        told = asyncio.run(load(where.port, asked, concurrency=1))
        rows = until(lambda: found if len(found := rows_of(where)) == len(asked) else None, "a row for each call")

    assert [(one.status, one.code) for one in told] == [(200, ""), (400, "invalid_model"), (200, ""), (200, "")]
    assert {row.nonce: row.model for row in rows} == {
        "fits": asked[0].model,
        "long": "",
        "usual": asked[2].model,
        "passed": asked[3].model,
    }


def test_a_name_that_the_journal_has_already_stops_no_row(server_books: Database, tmp_path: Path) -> None:
    gateway = Gateway(server_books, tmp_path)
    unknown, known = letters(1000), letters(999)
    journal = gateway.journal(
        record(1, model=unknown, provider=None, status=404), record(2, model=known), record(3, model=known[:-1] + "x")
    )
    gateway.carry()
    journal.close()
    found = models(server_books)
    sums = usage_sums(server_books, ("model",), UsageFilter())

    assert [(len(name.encode()) <= 1000, name[:300]) for name in found] == [
        (True, known[:300]), (True, known[:300]), (True, unknown[:300]),
    ]  # fmt: skip
    assert found[0] != found[1]
    assert sorted(one.place[0] for one in sums) == sorted(["", *found[:2]])
    assert is_clean(gateway)


def test_long_names_in_an_old_ledger_move_with_it(database: Fresh, tmp_path: Path) -> None:
    source = open_database(None, tmp_path)
    known = letters(1000)
    Gateway(source, tmp_path).ledger.keep(Batch(records=[(record(1), LIFE), (record(2, model="fast"), LIFE)]))
    with source.transaction() as run:  # as they were written while names could be longer
        for table in ("calls", "usage_hours", "usage_days"):
            run(f"UPDATE {table} SET model = ? WHERE model = 'smart'", (known,))
            run(f"UPDATE {table} SET model = ? WHERE model = 'fast'", (known[:-1] + "x",))
    told = moved(source, database, tmp_path)
    source.close()

    with closing(open_database(None, tmp_path)) as there:
        assert (told.calls, told.nano) == (2, 2_000)
        assert [len(name.encode()) <= 1000 and name[:300] for name in models(there)] == [known[:300]] * 2
        assert len(usage_sums(there, ("model",), UsageFilter())) == 2
