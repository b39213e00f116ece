"""SQLite as this project uses it: one connection, WAL, every commit durable, its errors as ours."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol

import apsw

from unigate.errors import StorageError

__all__ = ["Database", "Rows", "Value", "check_version"]

Value = str | int | bytes | None

# Before it, a WAL reset racing with a checkpoint could lose a commit: https://sqlite.org/wal.html#walresetbug
_OLDEST = (3, 51, 3)
_BUSY_MS = 5000


class Rows(Protocol):
    """What runs statements inside one transaction."""

    def __call__(self, statement: str, values: Sequence[Value] = ()) -> Sequence[Sequence[object]]:
        """The rows of one statement. Raises StorageError."""
        ...


class _Cursor(Protocol):
    def fetchall(self) -> Sequence[Sequence[object]]: ...


class _Connection(Protocol):
    """The few calls of apsw's connection that are used here (its own types need Python 3.12)."""

    def execute(self, statements: str, bindings: Sequence[Value] | None = None) -> _Cursor: ...

    def close(self, force: bool = False) -> None: ...

    def __enter__(self) -> object: ...

    def __exit__(
        self, etype: type[BaseException] | None, evalue: BaseException | None, etraceback: TracebackType | None
    ) -> bool | None: ...


class Database:
    """One open file; threads take turns."""

    def __init__(self, path: Path) -> None:
        check_version(apsw.sqlite_lib_version())
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # SQLite gives its side files the rights of this one.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            connection = apsw.Connection(os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE)
            connection.set_busy_timeout(_BUSY_MS)
            connection.transaction_mode = "IMMEDIATE"  # two writers take turns from the start of a transaction
            self._connection: _Connection = connection
            self._run("PRAGMA journal_mode = wal")
            self._run("PRAGMA synchronous = full")  # a key that was shown survives a power cut
        except (apsw.Error, OSError) as error:
            raise StorageError(f"The database {path} cannot be opened: {error}.") from error

    @contextmanager
    def transaction(self) -> Generator[Rows]:
        """One transaction, kept whole or not at all. Raises StorageError for what SQLite cannot do."""
        with self._lock:
            try:
                with self._connection:
                    yield self._run
            except apsw.Error as error:
                raise StorageError(f"The database did not take it: {error}.") from error

    def close(self) -> None:
        """Gives the file back."""
        with self._lock:
            self._connection.close()

    def _run(self, statement: str, values: Sequence[Value] = ()) -> Sequence[Sequence[object]]:
        return self._connection.execute(statement, values).fetchall()


def check_version(version: str) -> None:
    """Raises StorageError if this SQLite may lose what it promised to keep."""
    if tuple(map(int, version.split("."))) < _OLDEST:
        wanted = ".".join(map(str, _OLDEST))
        raise StorageError(
            f"SQLite {version} can lose a commit in WAL mode; {wanted} or newer is needed. Upgrade the package 'apsw'."
        )
