"""Moves a ledger from SQLite to PostgreSQL while the gateway runs: what only grows first, the rest in one quiet moment.

Every step can be repeated: the target remembers how far the large tables got, and the source is the ledger until its
very last transaction, which puts its tables aside. Meanwhile the journals hold what comes in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from unigate.errors import StorageError
from unigate.storage.call_rows import model_name
from unigate.storage.database import META, SET_META, Database, Rows, Value

__all__ = ["Moved", "move"]

# Rows are only added to these, and the oldest removed.
_GROWING = ("calls", "failed_attempts", "bodies")
# What belongs to one database and not to its content.
_OWN = frozenset({"schema", "moving_from", "trimmed_size"})
_AT_ONCE = 1000
_PATIENT = 3600.0
_WAITS_FOR_LOCK = 60.0
_SUMS = (
    "SELECT COALESCE(CAST(SUM(cost_nano) AS BIGINT), 0) FROM calls",
    "SELECT COALESCE(CAST(SUM(nano) AS BIGINT), 0) FROM spend",
    "SELECT COALESCE(CAST(SUM(nano) AS BIGINT), 0) FROM usage_hours",
    "SELECT COALESCE(CAST(SUM(nano) AS BIGINT), 0) FROM usage_days",
    "SELECT COALESCE(CAST(SUM(amount) AS BIGINT), 0) FROM leases",
)
_COLUMNS = "SELECT name FROM pragma_table_info(?) ORDER BY cid"
_TABLES = (
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'unigate' AND table_type = 'BASE TABLE' "
    "ORDER BY table_name"
)
_USED = "SELECT (SELECT count(*) FROM calls) + (SELECT count(*) FROM keys)"
_NUMBERED = (
    "SELECT setval(pg_get_serial_sequence('audit', 'number'), (SELECT COALESCE(MAX(number), 0) + 1 FROM audit), false)",
    "SELECT setval(pg_get_serial_sequence('versions', 'number'), "
    "(SELECT COALESCE(MAX(number), 0) + 1 FROM versions), false)",
    "SELECT setval(pg_get_serial_sequence('recalls', 'number'), "
    "(SELECT COALESCE(MAX(number), 0) + 1 FROM recalls), false)",
)


class Moved(msgspec.Struct, frozen=True):
    """What was moved and found to be the same on both sides."""

    tables: int
    calls: int
    nano: int


class _Table:
    """One table's statements; its names come from the schema alone."""

    def __init__(self, name: str, columns: Sequence[str]) -> None:
        listed = ", ".join([f'"{column}"' for column in columns])
        marks = ", ".join(["?"] * len(columns))
        self.name = name
        self.page = f'SELECT rowid, {listed} FROM "{name}" WHERE rowid > ? ORDER BY rowid LIMIT ?'
        self.add = f'INSERT INTO "{name}" ({listed}) VALUES ({marks}) ON CONFLICT DO NOTHING'
        self.clear = f'DELETE FROM "{name}"'
        self.count = f'SELECT count(*) FROM "{name}"'
        self.aside = f'ALTER TABLE "{name}" RENAME TO "moved_{name}"'
        self._columns = columns

    def values(self, row: Sequence[object]) -> tuple[Value, ...]:
        """A row of a page without its number; a model's name as long as the target's indexes take."""
        named = zip(self._columns, row[1:], strict=True)
        return tuple(
            [
                model_name(one) if column == "model" and isinstance(one, str) else one
                for column, one in named
                if one is None or isinstance(one, str | int | bytes)
            ]
        )


def move(
    source: Database, target: Database, gateway: str, note: Path, url: str, *, tell: Callable[[str, int], None]
) -> Moved:
    """Moves everything; `tell` hears of a table, the number of the last row it got. Raises StorageError, OSError."""
    with target.transaction() as run:
        _claim(run, gateway)
        names = [str(row[0]) for row in run(_TABLES)]
    with source.reading() as run:
        tables = {name: _Table(name, [str(row[0]) for row in run(_COLUMNS, (name,))]) for name in names}
    for name in _GROWING:
        while _copy_some(source, target, tables[name], tell) == _AT_ONCE:
            pass
    with source.transaction(_WAITS_FOR_LOCK) as here:
        for name in _GROWING:
            while _copy_page(here, target, tables[name], tell) == _AT_ONCE:
                pass
        rest = [table for name, table in tables.items() if name not in _GROWING]
        with target.transaction(_PATIENT) as there:
            _drop_removed(here, there)
            for table in rest:
                _copy_whole(here, there, table, tell)
            for statement in _NUMBERED:
                there(statement)
            moved = _compare(here, there, list(tables.values()))
        _write_note(note, url)
        here(SET_META, ("moved_to", target.name))
        for table in tables.values():
            if table.name != "meta":
                here(table.aside)
    return moved


def _claim(run: Rows, gateway: str) -> None:
    """Begins, or goes on with what this gateway began. Raises StorageError if the target is somebody's already."""
    begun = run(META, ("moving_from",))
    if begun and str(begun[0][0]) == gateway:
        return
    if begun or int(str(run(_USED)[0][0])):
        raise StorageError("The target has calls or keys already; a ledger can only be moved into an empty database.")
    run(SET_META, ("moving_from", gateway))


def _copy_some(source: Database, target: Database, table: _Table, tell: Callable[[str, int], None]) -> int:
    with source.reading() as here:
        return _copy_page(here, target, table, tell)


def _copy_page(here: Rows, target: Database, table: _Table, tell: Callable[[str, int], None]) -> int:
    """Copies what is behind the place that the target remembers; how many rows that were."""
    place = f"moved_rows:{table.name}"
    with target.transaction(_PATIENT) as there:
        reached = there(META, (place,))
        rows = here(table.page, (int(str(reached[0][0])) if reached else 0, _AT_ONCE))
        if rows:
            there.many(table.add, (table.values(row) for row in rows))
            there(SET_META, (place, str(rows[-1][0])))
    if rows:
        tell(table.name, int(str(rows[-1][0])))
    return len(rows)


def _copy_whole(here: Rows, there: Rows, table: _Table, tell: Callable[[str, int], None]) -> None:
    """Replaces a table's content; `meta` keeps what is the target's own."""
    if table.name != "meta":
        there(table.clear)
    last = -(2**62)
    while rows := here(table.page, (last, _AT_ONCE)):
        last = int(str(rows[-1][0]))
        if table.name == "meta":
            for row in rows:
                if row[1] not in _OWN:
                    there(SET_META, table.values(row))
        else:
            there.many(table.add, (table.values(row) for row in rows))
    tell(table.name, int(str(there(table.count)[0][0])))


def _drop_removed(here: Rows, there: Rows) -> None:
    """What retention removed at the source since it was copied."""
    oldest = here("SELECT at_ns, id FROM calls ORDER BY at_ns, id LIMIT 1")
    at, id = (int(str(oldest[0][0])), str(oldest[0][1])) if oldest else (2**62, "")
    gone = "SELECT id FROM calls WHERE (at_ns, id) < (?, ?)"
    there(f"DELETE FROM bodies WHERE call IN ({gone})", (at, id))
    there(f"DELETE FROM failed_attempts WHERE call IN ({gone})", (at, id))
    there("DELETE FROM calls WHERE (at_ns, id) < (?, ?)", (at, id))


def _compare(here: Rows, there: Rows, tables: Sequence[_Table]) -> Moved:
    """Counts and sums of both sides. Raises StorageError if they differ."""
    for statement in [*(table.count for table in tables if table.name != "meta"), *_SUMS]:
        ours, theirs = int(str(here(statement)[0][0])), int(str(there(statement)[0][0]))
        if ours != theirs:
            raise StorageError(
                f"The copy differs from its source ({ours} and {theirs} for: {statement}); nothing moved."
            )
    calls = next(table for table in tables if table.name == "calls")
    return Moved(len(tables), int(str(here(calls.count)[0][0])), int(str(here(_SUMS[0])[0][0])))


def _write_note(note: Path, url: str) -> None:
    """Leaves the new address for the keeper, which the configuration does not name yet; only its owner can read it."""
    fresh = note.with_suffix(".new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(url + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(note)
