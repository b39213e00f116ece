"""SQLite as this project uses it: one writer, one reader, WAL, every commit durable, its errors as ours."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import apsw

from unigate.errors import StorageError
from unigate.storage.database import PATIENCE, Row, Rows, Value, in_lots, of_several

__all__ = ["Sqlite", "check_version"]

# Before it, a WAL reset racing with a checkpoint could lose a commit: https://sqlite.org/wal.html#walresetbug
_OLDEST = (3, 51, 3)
_ROWS_AT_ONCE = 25
_OPENING = """
PRAGMA journal_mode = wal;
PRAGMA synchronous = full;
PRAGMA journal_size_limit = 67108864;
PRAGMA cache_size = -32768;
PRAGMA temp_store = memory;
"""


class _Cursor(Protocol):
    def fetchall(self) -> Sequence[Row]: ...


class _Connection(Protocol):
    """The few calls of apsw's connection that are used here (its own types need Python 3.12)."""

    def execute(self, statements: str, bindings: Sequence[Value] | None = None) -> _Cursor: ...

    def executemany(self, statements: str, sequenceofbindings: Iterable[Sequence[Value]]) -> _Cursor: ...

    def set_busy_timeout(self, milliseconds: int) -> None: ...

    def close(self, force: bool = False) -> None: ...

    @property
    def in_transaction(self) -> bool: ...


class Sqlite:
    """One open file, with a connection that writes and one that reads; threads take turns at each."""

    def __init__(self, path: Path) -> None:
        check_version(apsw.sqlite_lib_version())
        self._path = path
        self._writing = threading.Lock()
        self._looking = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # SQLite gives its side files the rights of this one.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._writer = _open(path)
            self._reader = _open(path)
            _prepare(self._writer)
            _prepare(self._reader)
            self._reader.execute("PRAGMA query_only = on")
        except (apsw.Error, OSError) as error:
            raise StorageError(f"The database {path} cannot be opened: {error}.") from error

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self._path)

    @contextmanager
    def transaction(self, patience: float = PATIENCE) -> Generator[Rows]:
        """One transaction, kept whole or not at all. Raises StorageError for what SQLite cannot do."""
        with self._turn(self._writer, self._writing, "BEGIN IMMEDIATE", patience) as rows:
            yield rows

    @contextmanager
    def reading(self, patience: float = PATIENCE) -> Generator[Rows]:
        """One unchanging view of everything; never in the way of a transaction. Raises StorageError."""
        with self._turn(self._reader, self._looking, "BEGIN", patience) as rows:
            yield rows

    def now_ns(self) -> int:
        """The host's time: this database has only one host."""
        return time.time_ns()

    def version(self, run: Rows) -> int:
        """How many steps of the schema were taken."""
        return int(str(run("PRAGMA user_version")[0][0]))

    def step(self, run: Rows, text: str, number: int) -> None:
        """Takes one more step, whose last statement leaves its number."""
        run(text)

    def tidy(self) -> None:
        """Lets SQLite look at what its indexes hold, so that it chooses well between them."""
        with self.transaction() as run:
            run("PRAGMA analysis_limit = 400")
            run("PRAGMA optimize = 0x10002")

    @property
    def shrinks(self) -> bool:
        """Pages that are free are not counted."""
        return True

    def size(self) -> int:
        """Bytes of the pages in use."""
        with self.reading() as run:
            statement = (
                "SELECT (page_count - freelist_count) * page_size "
                "FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
            )
            return int(str(run(statement)[0][0]))

    def close(self) -> None:
        """Gives the file back."""
        with self._writing, self._looking:
            self._reader.close()
            self._writer.close()

    @contextmanager
    def _turn(self, connection: _Connection, lock: threading.Lock, begin: str, patience: float) -> Generator[Rows]:
        if not lock.acquire(timeout=patience):
            raise StorageError("The database is busy; nothing was changed.")
        try:
            connection.set_busy_timeout(int(patience * 1000))
            with _transaction(connection, begin):
                yield _SqliteRows(connection)
        except apsw.BusyError as error:
            raise StorageError("The database is busy with another process; nothing was changed.") from error
        except apsw.Error as error:
            raise StorageError(f"The database did not take it: {error}.") from error
        finally:
            lock.release()


@contextmanager
def _transaction(connection: _Connection, begin: str) -> Generator[None]:
    """All or nothing. By statements: apsw's own way to do it stops every other thread while it waits."""
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


class _SqliteRows:
    """Statements on one connection."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def __call__(self, statement: str, values: Sequence[Value] = ()) -> Sequence[Row]:
        return self._connection.execute(statement, values).fetchall()

    def many(self, statement: str, rows: Iterable[Sequence[Value]]) -> Sequence[Row]:
        return self._connection.executemany(statement, rows).fetchall()

    def several(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        self._several(statement, rows)

    def add(self, table: str, columns: str, rows: Iterable[Sequence[Value]]) -> Sequence[str]:
        key, *others = columns.split(", ")
        places = ", ".join("?" * (1 + len(others)))
        statement = f"INSERT INTO {table} ({columns}) VALUES ({places}) ON CONFLICT ({key}) DO NOTHING RETURNING {key}"
        return [str(row[0]) for row in self._several(statement, rows)]

    def _several(self, statement: str, rows: Iterable[Sequence[Value]]) -> list[Row]:
        returned: list[Row] = []
        for some in in_lots(rows, _ROWS_AT_ONCE):
            if len(some) == _ROWS_AT_ONCE:
                returned += self(of_several(statement, _ROWS_AT_ONCE), [value for row in some for value in row])
            else:
                returned += self.many(statement, some)
        return returned

    def lock(self, name: str) -> None:
        """A transaction that writes is the only one anyway."""

    def now_ns(self) -> int:
        return time.time_ns()


def check_version(version: str) -> None:
    """Raises StorageError if this SQLite may lose what it promised to keep."""
    if tuple(map(int, version.split("."))) < _OLDEST:
        wanted = ".".join(map(str, _OLDEST))
        raise StorageError(
            f"SQLite {version} can lose a commit in WAL mode; {wanted} or newer is needed. Upgrade the package 'apsw'."
        )


def _open(path: Path) -> _Connection:
    return apsw.Connection(os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE)


def _prepare(connection: _Connection) -> None:
    connection.set_busy_timeout(int(PATIENCE * 1000))
    connection.execute(_OPENING).fetchall()
