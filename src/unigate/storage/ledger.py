"""The ledger: takes what was carried from the journals, each time as one transaction, and each call only once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from unigate.accounting.record import Body, Intent, Record
from unigate.manners import unhurried
from unigate.storage.body_rows import ADD_BODY
from unigate.storage.call_rows import (
    ADD_ATTEMPT,
    ADD_DAY,
    ADD_HOUR,
    ADD_SPEND,
    CALL_COLUMNS,
    SHRINK_LEASE,
    attempt_rows,
    call_row,
    sums_of,
)
from unigate.storage.database import Database, Rows, Value

__all__ = ["Batch", "Ledger", "OpenIntent", "Place", "Progress", "interrupted"]

_ADOPT = (
    "UPDATE journal_offsets SET gateway = ? WHERE gateway = ''",
    "UPDATE open_intents SET gateway = ? WHERE gateway = ''",
    "UPDATE log_marks SET gateway = ? WHERE gateway = ''",
)
_PLACES = "SELECT folder, segment, reached FROM journal_offsets WHERE gateway = ? ORDER BY folder"
_INTENTS = "SELECT id, folder, entry FROM open_intents WHERE gateway = ?"
_MARK = "SELECT mark FROM log_marks WHERE gateway = ?"
_UNLOGGED_COUNT = "SELECT count(*) FROM unlogged WHERE gateway = ?"
_UNLOGGED = "SELECT id, entry FROM unlogged WHERE gateway = ? ORDER BY id LIMIT ?"
_SET_PLACE = (
    "INSERT INTO journal_offsets (gateway, folder, segment, reached) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (gateway, folder) DO UPDATE SET segment = excluded.segment, reached = excluded.reached"
)
_DROP_PLACE = "DELETE FROM journal_offsets WHERE gateway = ? AND folder = ?"
_SET_INTENT = (
    "INSERT INTO open_intents (gateway, folder, id, entry) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (gateway, folder, id) DO UPDATE SET entry = excluded.entry"
)
_DROP_INTENT = "DELETE FROM open_intents WHERE gateway = ? AND folder = ? AND id = ?"
_END_INTENTS = "DELETE FROM open_intents WHERE gateway = ? AND folder = ?"
# A turn whose answer was lost may have left some open that have their record.
_CLOSE_KNOWN = (
    "DELETE FROM open_intents WHERE gateway = ? AND EXISTS (SELECT 1 FROM calls WHERE calls.id = open_intents.id)"
)
_SET_MARK = (
    "INSERT INTO log_marks (gateway, mark) VALUES (?, ?) ON CONFLICT (gateway) DO UPDATE SET mark = excluded.mark"
)
_OWE_LINE = "INSERT INTO unlogged (gateway, id, entry) VALUES (?, ?, ?) ON CONFLICT (gateway, id) DO NOTHING"
_DROP_LINE = "DELETE FROM unlogged WHERE gateway = ? AND id = ?"
_BEGIN_LIFE = "INSERT INTO lives (life, gateway, seen_ns) VALUES (?, ?, ?) ON CONFLICT (life) DO NOTHING"
_END_LEASES = "DELETE FROM leases WHERE life = ?"
_END_LIFE = "DELETE FROM lives WHERE life = ?"
_SEEN = "INSERT INTO gateways (id, seen_ns) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET seen_ns = excluded.seen_ns"
# What is limited by the minute or at once comes back by itself; money stays reserved, its journal may hold spend.
_SWEEP = (
    "DELETE FROM leases WHERE kind IN ('requests', 'tokens', 'slots') AND life IN (SELECT life FROM lives "
    "WHERE gateway IN (SELECT id FROM gateways WHERE seen_ns < ?))"
)
_UNSEEN_NS = 60_000_000_000


class Place(msgspec.Struct, frozen=True, array_like=True):
    """How far a life's journal was carried: all older segments, and this one up to `offset`."""

    folder: str
    segment: str
    offset: int


class OpenIntent(msgspec.Struct, frozen=True, array_like=True):
    """An attempt without a record yet: its call's id, the life that wrote it, and the entry's bytes."""

    id: str
    folder: str
    entry: bytes


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a keeper goes on: `mark` is how far the log got, in its own words, `unlogged` the lines it still lacks."""

    places: Sequence[Place] = ()
    opened: Sequence[OpenIntent] = ()
    mark: str = ""
    unlogged: int = 0


@dataclass(slots=True)
class Batch:
    """What one turn carried; grows until it is kept."""

    places: dict[str, Place] = field(default_factory=dict[str, Place])
    records: list[tuple[Record, str]] = field(default_factory=list[tuple[Record, str]])
    # What was said in calls, each with the life whose folder may have its side file.
    bodies: list[tuple[Body, str]] = field(default_factory=list[tuple[Body, str]])
    weight: int = 0
    opened: dict[tuple[str, str], OpenIntent] = field(default_factory=dict[tuple[str, str], OpenIntent])
    closed: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    # Lives that were not seen before, those that are over, and those whose journal is gone from the disk.
    born: list[str] = field(default_factory=list[str])
    ended: list[str] = field(default_factory=list[str])
    gone: list[str] = field(default_factory=list[str])
    # Records that the log did not take, by id.
    unlogged: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])
    mark: str | None = None

    def is_empty(self) -> bool:
        """Whether there is nothing to keep."""
        return not (self.born or self.places or self.records or self.ended or self.gone or self.closed)


class Ledger:
    """One gateway's side of the books. Blocking; each method is one transaction. Raises StorageError."""

    def __init__(self, database: Database, gateway: str) -> None:
        self._database = database
        self.gateway = gateway

    def progress(self) -> Progress:
        """All that is left of earlier turns."""
        mine = (self.gateway,)
        with self._database.transaction() as run:
            for statement in _ADOPT:
                run(statement, mine)
            run(_CLOSE_KNOWN, mine)
            marks = run(_MARK, mine)
            return Progress(
                places=msgspec.convert(run(_PLACES, mine), list[Place]),
                opened=msgspec.convert(run(_INTENTS, mine), list[OpenIntent]),
                mark=str(marks[0][0]) if marks else "",
                unlogged=int(str(run(_UNLOGGED_COUNT, mine)[0][0])),
            )

    def keep(self, batch: Batch, bodies: Sequence[Sequence[Value]] = ()) -> None:
        """Rows, counters, leases and places together; calls that are known already count for nothing."""
        mine = self.gateway
        with self._database.transaction() as run:
            # First: this waits for a turn before whose answer was lost, should it still be under way.
            _many(run, _SET_PLACE, ((mine, one.folder, one.segment, one.offset) for one in batch.places.values()))
            if batch.records:
                self._add_records(run, batch.records)
            _many(run, ADD_BODY, bodies)
            _many(run, _DROP_INTENT, ((mine, *one) for one in batch.closed))
            _many(run, _SET_INTENT, ((mine, one.folder, one.id, one.entry) for one in batch.opened.values()))
            _many(run, _OWE_LINE, ((mine, *one) for one in batch.unlogged))
            if batch.born:
                now = run.now_ns()
                _many(run, _BEGIN_LIFE, ((life, mine, now) for life in batch.born))
            if batch.ended:
                run.lock("leases:" + mine)
            _many(run, _END_INTENTS, ((mine, life) for life in batch.ended))
            _many(run, _END_LEASES, ((life,) for life in batch.ended))
            _many(run, _END_LIFE, ((life,) for life in batch.ended))
            _many(run, _DROP_PLACE, ((mine, life) for life in batch.gone))
            if batch.mark is not None:
                run(_SET_MARK, (mine, batch.mark))

    def _add_records(self, run: Rows, records: Sequence[tuple[Record, str]]) -> None:
        rows = (call_row(record, self.gateway, life) for record, life in records)
        ids = set(run.add("calls", CALL_COLUMNS, unhurried(rows)))
        fresh: list[tuple[Record, str]] = []
        for record, life in records:  # an id that came twice counts once
            if record.id in ids:
                ids.discard(record.id)
                fresh.append((record, life))
        run.several(ADD_ATTEMPT, unhurried(row for record, _ in fresh for row in attempt_rows(record)))
        sums = sums_of(unhurried(fresh))
        run.several(ADD_SPEND, unhurried(sums.spend()))
        run.several(ADD_HOUR, unhurried(sums.hours()))
        run.several(ADD_DAY, unhurried(sums.days()))
        if leased := sums.leased():
            run.lock("leases:" + self.gateway)  # the bank may be at the same rows, in another order
            _many(run, SHRINK_LEASE, leased)

    def unlogged(self, most: int) -> Sequence[tuple[str, bytes]]:
        """Records that the log still lacks."""
        with self._database.transaction() as run:
            return msgspec.convert(run(_UNLOGGED, (self.gateway, most)), list[tuple[str, bytes]])

    def logged(self, ids: Iterable[str], mark: str) -> None:
        """The log has them now, and is as long as `mark` says."""
        with self._database.transaction() as run:
            _many(run, _DROP_LINE, ((self.gateway, id) for id in ids))
            run(_SET_MARK, (self.gateway, mark))

    def show_life(self) -> None:
        """Says that this gateway lives; what gateways unseen for a minute had of rates and slots is free again."""
        with self._database.transaction() as run:
            now = run.now_ns()
            run(_SEEN, (self.gateway, now))
            run(_SWEEP, (now - _UNSEEN_NS,))


def interrupted(intent: Intent) -> Record:
    """The record of an attempt whose door died: what was intended is known, how it went is not, so all of its hold."""
    return Record(
        id=intent.id,
        at_ns=intent.at_ns,
        operation=intent.operation,
        status=0,
        end="interrupted",
        total_us=0,
        key=intent.key,
        name=intent.name,
        model=intent.model,
        provider=intent.provider,
        target=intent.target,
        project=intent.project,
        organisation=intent.organisation,
        cost=intent.held,
        held=intent.held,
        flags=("estimated",) if intent.held is not None else (),
        budgets=intent.budgets,
    )


def _many(run: Rows, statement: str, rows: Iterable[Sequence[Value]]) -> None:
    listed = list(rows)
    if listed:
        run.many(statement, unhurried(listed))
