"""Going from an older schema to this one: killed at any moment, nothing is lost; going back is refused."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from ledger.servers import Database as Fresh
from unigate.errors import StorageError
from unigate.storage.ledger import Ledger, OpenIntent, Place
from unigate.storage.migrations import migrate
from unigate.storage.opening import open_database
from unigate.storage.postgres import Postgres
from unigate.storage.schema import STEPS

KEYS = 20_000
KILLS = 12
OPEN = "import sys; from pathlib import Path; from unigate.storage.opening import open_database; "


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A database as the first version left it, with many keys, an open call, and a stranger's table."""
    path = tmp_path / "unigate.db"
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode = wal")
    connection.execute("BEGIN; " + STEPS[0].replace('"offset"', "offset"))
    add = "INSERT INTO keys (id, name, hash, role, models, created_ns) VALUES (?, ?, ?, 'client', NULL, ?)"
    connection.executemany(add, ((f"key_{n}", f"team-{n}", f"{n:064x}", n) for n in range(KEYS)))
    connection.execute("INSERT INTO journal_offsets VALUES ('door-0-aa', '00000002.segment', 77)")
    connection.execute("INSERT INTO open_intents VALUES ('req_1', 'door-0-aa', x'00ff')")
    connection.execute("INSERT INTO meta VALUES ('mark', '7:100'), ('version', '3')")
    connection.execute("CREATE TABLE strangers (x); INSERT INTO strangers VALUES ('theirs')")
    connection.execute("COMMIT")
    connection.close()
    return path


def content(path: Path) -> tuple[object, ...]:
    """What must come through a migration."""
    connection = apsw.Connection(str(path))
    told = (
        connection.execute("SELECT count(*), min(name), max(created_ns) FROM keys WHERE revoked_ns IS NULL").fetchall(),
        connection.execute("SELECT x FROM strangers").fetchall(),
        connection.execute("PRAGMA integrity_check").fetchall(),
    )
    connection.close()
    return told


def test_everything_comes_through_at_whatever_moment_it_is_killed(old: Path, tmp_path: Path) -> None:
    seed = time.time_ns() % 1_000_000
    print(f"seed {seed}")
    chance = random.Random(seed)
    before = content(old)
    for number in range(KILLS):
        folder = tmp_path / f"kill-{number}"
        folder.mkdir()
        copy = folder / old.name
        shutil.copy(old, copy)
        killed_while_opening(folder, chance.uniform(0, 0.03))
        between = content(copy)
        database = open_database(None, folder)
        progress = Ledger(database, "gw-1").progress()
        database.close()

        assert between == content(copy) == before
        assert progress.places == [Place("door-0-aa", "00000002.segment", 77)]
        assert (progress.opened, progress.mark) == ([OpenIntent("req_1", "door-0-aa", b"\x00\xff")], "7:100")


def killed_while_opening(folder: Path, after_s: float) -> None:
    code = OPEN + f"print(flush=True); open_database(None, Path({str(folder)!r}))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


@pytest.fixture
def steps() -> Iterator[tuple[str, ...]]:
    """The steps of a version to come, which fails in the middle of its own."""
    number = len(STEPS) + 1
    yield (
        *STEPS,
        f"CREATE TABLE later (x TEXT) STRICT; SELECT no_such_column FROM keys; PRAGMA user_version = {number};",
    )


def test_a_step_that_fails_leaves_nothing_behind(tmp_path: Path, steps: tuple[str, ...], database: Fresh) -> None:
    for url in (None, database.url):
        opened = open_database(url, tmp_path)
        with pytest.raises(StorageError):
            migrate(opened, steps)
        with opened.transaction() as run:
            assert opened.version(run) == len(STEPS)
        with pytest.raises(StorageError), opened.transaction() as run:
            run("SELECT * FROM later")
        opened.close()


def test_a_newer_schema_is_refused_in_both_databases(tmp_path: Path, database: Fresh) -> None:
    for url in (None, database.url):
        opened = open_database(url, tmp_path)
        with opened.transaction() as run:
            number = len(STEPS) + 1
            opened.step(run, f"CREATE TABLE later (x TEXT) STRICT;\nPRAGMA user_version = {number};", number)
        opened.close()
        with pytest.raises(StorageError, match=r"made by a newer Unigate .* Run that version, or put back the backup"):
            open_database(url, tmp_path)


def test_many_gateways_may_meet_an_empty_server_at_once(database: Fresh, tmp_path: Path) -> None:
    failures: list[StorageError] = []

    def start() -> None:
        try:
            open_database(database.url, tmp_path).close()
        except StorageError as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []


def test_both_databases_have_the_same_columns(database: Fresh, tmp_path: Path) -> None:
    open_database(None, tmp_path).close()
    Postgres(database.url).close()
    open_database(database.url, tmp_path).close()
    lite = apsw.Connection(str(tmp_path / "unigate.db")).execute(
        "SELECT m.name, c.name, c.type, c.\"notnull\" OR c.pk FROM sqlite_schema m, pragma_table_info(m.name) c "
        "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'"
    ).fetchall()  # fmt: skip
    words = {"bigint": "INTEGER", "text": "TEXT", "bytea": "BLOB"}
    big = database.run(
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
        "WHERE table_schema = 'unigate'"
    )

    assert sorted((table, column, words[kind], int(null == "NO")) for table, column, kind, null in big) == sorted(lite)
