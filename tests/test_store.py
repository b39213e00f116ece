"""The database: keys that survive, a schema that only grows, a file that only its owner reads."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from unigate.errors import StorageError
from unigate.snapshot import Stored
from unigate.storage.schema import STEPS
from unigate.storage.sqlite import Sqlite, check_version
from unigate.storage.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "unigate.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = Store.open(path, lambda: 1_764_000_000_000_000_000)
    yield store
    store.close()


def test_keys_are_kept_by_their_hashes_alone(store: Store, path: Path) -> None:
    texts = store.add_first_keys()

    assert texts is not None
    assert {key.hash for key in store.stored().keys} == {hashlib.sha256(text.encode()).hexdigest() for text in texts}
    files = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert not any(text.encode() in files for text in texts)


def test_keys_survive_the_process(path: Path) -> None:
    first = Store.open(path)
    first.add_first_keys()
    before = first.stored()
    first.close()

    second = Store.open(path)
    assert second.stored() == before
    second.close()


def test_both_first_keys_are_made_or_none(path: Path) -> None:
    times = iter((1, None, 2, 3))

    def clock() -> int:
        time = next(times)
        if time is None:
            raise StorageError("The second key fails.")
        return time

    store = Store.open(path, clock)
    with pytest.raises(StorageError):
        store.add_first_keys()
    assert store.stored() == Stored(0, (), {})
    assert store.add_first_keys() is not None
    assert [(key.name, key.role) for key in store.stored().keys] == [("admin", "admin"), ("default", "client")]
    assert store.add_first_keys() is None
    store.close()


def test_the_version_grows_only_when_something_changed(store: Store) -> None:
    changes = [store.set_list("p", ["a", "b"]), store.set_list("p", ["a", "b"]), store.set_list("p", [])]

    assert (changes, store.stored()) == ([True, False, True], Stored(2, (), {"p": ()}))


def test_only_the_owner_can_read_the_files(store: Store, path: Path) -> None:
    store.add_first_keys()
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}

    assert set(modes.values()) == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_every_step_leaves_its_own_number() -> None:
    assert [f"PRAGMA user_version = {number};" in step for number, step in enumerate(STEPS, 1)] == [True] * len(STEPS)


def test_every_table_is_strict(store: Store, path: Path) -> None:
    tables = list(apsw.Connection(str(path)).execute("SELECT name, strict FROM pragma_table_list WHERE schema='main'"))

    assert {name for name, strict in tables if not strict} <= {"sqlite_schema"}


def test_a_database_of_a_newer_version_is_refused(path: Path) -> None:
    Store.open(path).close()
    connection = apsw.Connection(str(path))
    connection.execute(f"PRAGMA user_version = {len(STEPS) + 1}")
    connection.close()

    with pytest.raises(StorageError, match=r"made by a newer Unigate .* Run that version"):
        Store.open(path)


def test_two_may_open_a_new_database_at_once(path: Path) -> None:
    first, second = Sqlite(path), Sqlite(path)
    first.close()
    second.close()
    stores = [Store.open(path), Store.open(path)]
    stores[0].set_list("a", ["x"])
    stores[1].set_list("b", ["y"])

    assert stores[0].stored().lists == {"a": ("x",), "b": ("y",)}
    for store in stores:
        store.close()


@pytest.mark.parametrize("version", ["3.51.2", "3.45.0", "2.8.17"])
def test_an_sqlite_that_may_lose_a_commit_is_refused(version: str) -> None:
    with pytest.raises(StorageError, match=f"SQLite {version} can lose a commit in WAL mode; 3.51.3 or newer"):
        check_version(version)


def test_what_is_no_database_is_refused_with_its_path(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, but long enough to have been one" * 100)

    with pytest.raises(StorageError, match=r"unigate\.db cannot be opened"):
        Store.open(path)
