"""What a database is to the rest of the keeper: whole transactions of static statements, on SQLite or PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from itertools import islice
from typing import Protocol, TypeVar

__all__ = ["META", "PATIENCE", "SET_META", "Database", "Row", "Rows", "Value", "in_lots", "of_several"]

META = "SELECT value FROM meta WHERE name = ?"
SET_META = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
"""What is kept of the database itself, by name."""

Value = str | int | bytes | None
Row = Sequence[object]
_Item = TypeVar("_Item")

PATIENCE = 5.0
"""Seconds that a transaction may wait for others, or for an answer, before it fails."""


class Rows(Protocol):
    """What runs statements inside one transaction; `?` stands for a value in both databases."""

    def __call__(self, statement: str, values: Sequence[Value] = ()) -> Sequence[Row]:
        """The rows of one statement. Raises StorageError."""
        ...

    def many(self, statement: str, rows: Iterable[Sequence[Value]]) -> Sequence[Row]:
        """Runs one statement for each of many rows, fast; all that it returned. Raises StorageError."""
        ...

    def several(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        """The same for an INSERT that returns nothing and rows with different keys, even faster. Raises StorageError.

        Several rows go in one statement: it looks for its place in each index once.
        """
        ...

    def add(self, table: str, columns: str, rows: Iterable[Sequence[Value]]) -> Sequence[str]:
        """Adds rows to a table, but none whose id, the first column, is there already; the ids that are new.

        Raises StorageError, also where another transaction adds one of them at the same time.
        """
        ...

    def lock(self, name: str) -> None:
        """Waits until no other transaction, on any machine, holds this name; held to the end. Raises StorageError."""
        ...

    def now_ns(self) -> int:
        """The store's own time, which all gateways share: nanoseconds since 1970 UTC. Raises StorageError."""
        ...


class Database(Protocol):
    """One open database; threads take turns, and nothing in it waits for ever."""

    @property
    def name(self) -> str:
        """What people call it, without user or password."""
        ...

    @property
    def shrinks(self) -> bool:
        """Whether what was removed counts no longer in its size."""
        ...

    def transaction(self, patience: float = PATIENCE) -> AbstractContextManager[Rows]:
        """One transaction, kept whole or not at all. Raises StorageError for what the database cannot do."""
        ...

    def reading(self, patience: float = PATIENCE) -> AbstractContextManager[Rows]:
        """One unchanging view of everything, for pages and exports; never in the way of a transaction."""
        ...

    def now_ns(self) -> int:
        """The store's own time. Raises StorageError."""
        ...

    def version(self, run: Rows) -> int:
        """How many steps of the schema were taken."""
        ...

    def step(self, run: Rows, text: str, number: int) -> None:
        """Takes one more step of the schema, written in SQLite's words."""
        ...

    def tidy(self) -> None:
        """What helps it to stay fast; called now and then. Raises StorageError."""
        ...

    def size(self) -> int:
        """Bytes that our tables take. Raises StorageError."""
        ...

    def close(self) -> None:
        """Gives files and connections back."""
        ...


_PLACES_OF_ROW = re.compile(r"VALUES (\([?, ]+\))")


@lru_cache(maxsize=16)
def of_several(statement: str, count: int) -> str:
    """The statement with the values of several rows instead of one."""
    return _PLACES_OF_ROW.sub(lambda found: "VALUES " + ", ".join([found[1]] * count), statement)


def in_lots(rows: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """The rows, so many at a time; the last ones may be fewer."""
    left = iter(rows)
    while some := list(islice(left, size)):
        yield some
