"""Carries what the doors wrote in their journals to the ledger and the log: each record once, whoever dies.

Open intents are kept in the database beside the places, so a segment may go as soon as it is read, however long a
call in it still runs; after a restart one SELECT brings them back.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from unigate.accounting.record import Body, Entry, Intent, Record, decode_entry, encode_entry
from unigate.accounting.redaction import Redactor
from unigate.errors import StorageError
from unigate.journal import next_frame, read_frames, segments_of, take_lock
from unigate.manners import unhurried
from unigate.storage.body_rows import BodyRows
from unigate.storage.ledger import Batch, Ledger, OpenIntent, Place, interrupted

__all__ = ["Carrier", "Outbox"]

log = logging.getLogger("unigate.keeper")

_BLOCK = 256 * 1024
# So many bytes of bodies are carried at once; the rest waits for the next turn.
_MOST_WEIGHT = 8 * 1024 * 1024
# While the log cannot be written, its lines wait in the database; beyond this many they are given up.
_MOST_OWED = 200_000
_OWED_AT_ONCE = 1000
_STILLBORN_AFTER = 60.0


class Outbox(Protocol):
    """Where records go besides the ledger."""

    def take(self, records: Sequence[Record]) -> None:
        """Takes all of them or none. Raises StorageError."""
        ...

    def settle(self) -> str:
        """Makes what was taken durable; the mark to `resume` from. Raises StorageError."""
        ...

    def resume(self, mark: str) -> None:
        """Called once, before anything is taken: what came in after `mark` will come again and is then left out."""
        ...

    def expect(self, records: Sequence[Record]) -> None:
        """These were taken and come again; they are then left out."""
        ...

    def is_due(self) -> bool:
        """Whether a new file should be begun."""
        ...

    def turn_over(self) -> None:
        """Begins a new file; everything taken so far has been kept. Raises StorageError."""
        ...


class Carrier:
    """Reads journals from where the ledger says; changes its own state only after the ledger. Blocking: one thread."""

    def __init__(
        self, folder: Path, ledger: Ledger, sinks: Outbox, redactor: Redactor, *, most_owed: int = _MOST_OWED
    ) -> None:
        self._folder = folder
        self._bodies = BodyRows(folder, redactor)
        self._ledger = ledger
        self._sinks = sinks
        self._most_owed = most_owed
        progress = ledger.progress()
        sinks.resume(progress.mark)
        self._places = {place.folder: place for place in progress.places}
        self._open = {(intent.folder, intent.id): intent for intent in progress.opened}
        # Those of turns that failed: the ledger may have them all the same.
        self._unsure: set[tuple[str, str]] = set()
        self._owed = progress.unlogged
        self._born: set[str] = set()
        self._is_repeating = False
        self._is_stuck = False
        self.undecodable = 0
        self.lost = 0

    def turn(self) -> bool:
        """Carries a block of each life's journal; whether more is waiting. Raises StorageError, and can be repeated."""
        if self._sinks.is_due() and not self._is_repeating:
            self._turn_over()
        lives = sorted(path.name for path in self._folder.iterdir() if path.is_dir()) if self._folder.is_dir() else []
        batch = Batch(born=[life for life in lives if life not in self._born])
        more = [self._read_life(life, batch) for life in lives]
        for life in {folder for folder, _ in self._open}.union(self._places).difference(lives):
            self._end(life, batch)
            batch.gone.append(life)
        if not batch.is_empty():
            self._keep(batch)
        return self._pay_lines() or any(more)

    # --- the ledger and the log

    def _keep(self, batch: Batch) -> None:
        self._write_lines(batch)
        bodies = self._bodies.rows(batch.bodies)
        try:
            self._ledger.keep(batch, bodies)
        except StorageError:
            self._is_repeating = True
            self._unsure.update(batch.opened)
            if not batch.unlogged:
                self._sinks.expect([record for record, _ in batch.records])
            raise
        self._is_repeating = False
        self._born.update(batch.born)
        self._owed += len(batch.unlogged)
        self._places.update(batch.places)
        for key in batch.closed:
            self._open.pop(key, None)
        self._open.update(batch.opened)
        self._unsure.difference_update(batch.opened, batch.closed)
        for life in batch.gone:
            self._places.pop(life, None)
        self._remove_carried(batch)

    def _write_lines(self, batch: Batch) -> None:
        """Writes the lines before the ledger has the rows, so that none is missing; or keeps them as a debt."""
        records = [record for record, _ in batch.records]
        if not records:
            return
        try:
            self._sinks.take(records)
            batch.mark = self._sinks.settle()
            self._flows_again()
        except StorageError as error:
            self._stuck(error)
            room = max(self._most_owed - self._owed, 0)
            self.lost += len(records[room:])
            batch.unlogged = [(record.id, encode_entry(record)) for record in records[:room]]

    def _pay_lines(self) -> bool:
        """Gives the log some of the lines it still lacks; whether more are waiting that it would take."""
        if not self._owed:
            return False
        owed = self._ledger.unlogged(_OWED_AT_ONCE)
        records = [entry for _, payload in owed if isinstance(entry := decode_entry(payload), Record)]
        try:
            self._sinks.take(records)
            mark = self._sinks.settle()
        except StorageError as error:
            self._stuck(error)
            return False
        try:
            self._ledger.logged([id for id, _ in owed], mark)
        except StorageError:
            self._sinks.expect(records)
            raise
        self._owed = self._owed - len(owed) if len(owed) == _OWED_AT_ONCE else 0
        self._flows_again()
        return self._owed > 0

    def _turn_over(self) -> None:
        try:
            self._sinks.turn_over()
        except StorageError as error:
            self._stuck(error)

    def _stuck(self, error: StorageError) -> None:
        """Reports the first of many failures."""
        if not self._is_stuck:
            log.error("log.unwritable reason=%s", error)
        self._is_stuck = True

    def _flows_again(self) -> None:
        if self._is_stuck:
            log.warning("log.written_again waiting=%d lost=%d", self._owed, self.lost)
        self._is_stuck = False

    # --- one life

    def _read_life(self, life: str, batch: Batch) -> bool:
        """Adds a block of a life to the batch; whether more is waiting behind it."""
        folder = self._folder / life
        if not segments_of(folder):
            _clear_if_stillborn(folder)
            return False
        lock = take_lock(folder / "lock")  # a door locks before its first segment, so this never comes before it
        try:
            return self._read_block(life, segments_of(folder), batch, is_over=lock is not None)
        finally:
            if lock is not None:
                os.close(lock)

    def _read_block(self, life: str, segments: list[Path], batch: Batch, *, is_over: bool) -> bool:
        place = self._places.get(life) or Place(life, segments[0].name, 0)
        segment = next((one for one in segments if one.name >= place.segment), segments[-1])
        offset = place.offset if segment.name == place.segment else 0
        later = segments[segments.index(segment) + 1 :]
        # A door that met a full disk takes a new segment back, so only one with an entry shows that it went on;
        # asked before reading, so that nothing can be written here in between.
        went_on = bool(later) and (is_over or _has_frame(later[0], 0))
        end = self._read(segment, offset, life, batch)
        if end > offset:
            batch.places[life] = Place(life, segment.name, end)
            return is_over or went_on or _has_frame(segment, end)
        if went_on or is_over:
            _report_torn(segment, offset)
            behind = next_frame(segment, offset)
            if behind is not None:
                batch.places[life] = Place(life, segment.name, behind)
                return True
        if went_on:
            batch.places[life] = Place(life, later[0].name, 0)
            return True
        if is_over:
            self._end(life, batch)
        return False

    def _read(self, segment: Path, offset: int, life: str, batch: Batch) -> int:
        """Adds the entries of one block to the batch; where it ends."""
        if not _has_frame(segment, offset):
            return offset
        end = offset
        for payload, behind in unhurried(read_frames(segment, offset, _BLOCK)):
            end = behind
            try:
                self._note(decode_entry(payload), payload, life, batch)
            except msgspec.DecodeError:
                self.undecodable += 1
                log.warning("journal.undecodable segment=%s count=%d", segment, self.undecodable)
            if batch.weight > _MOST_WEIGHT:
                break
        return end

    def _note(self, entry: Entry, payload: bytes, life: str, batch: Batch) -> None:
        match entry:
            case Intent():
                batch.opened[life, entry.id] = OpenIntent(entry.id, life, payload)
            case Record():
                batch.records.append((entry, life))
                key = (life, entry.id)
                batch.opened.pop(key, None)
                # A keeper before this one may have opened it at the last moment, and died before the answer.
                if key in self._open or key in self._unsure or life not in self._born:
                    batch.closed.append(key)
            case Body():
                batch.bodies.append((entry, life))
                batch.weight += entry.size or len(entry.content)

    def _end(self, life: str, batch: Batch) -> None:
        """Ends a dead door's life: its attempts without a record get one, and its leases end with it."""
        for key, intent in self._open.items():
            entry = decode_entry(intent.entry)
            if key[0] == life and isinstance(entry, Intent):
                batch.records.append((interrupted(entry), life))
                batch.closed.append(key)
        batch.ended.append(life)

    # --- the disk

    def _remove_carried(self, batch: Batch) -> None:
        """Only what the ledger has confirmed: were the computer to stop now, nothing would be missed."""
        for place in batch.places.values():
            for segment in segments_of(self._folder / place.folder):
                if segment.name < place.segment:
                    segment.unlink()
        self._bodies.remove(batch.bodies)
        for life in set(batch.ended).difference(batch.gone):
            _remove_life(self._folder / life)  # its place goes with the next turn, which finds the folder gone


def _has_frame(segment: Path, offset: int) -> bool:
    """Whether something was written there, whole or not: a segment is zeros behind its last entry."""
    with segment.open("rb", buffering=0) as file:
        return any(os.pread(file.fileno(), 4, offset))


def _report_torn(segment: Path, offset: int) -> None:
    if _has_frame(segment, offset):
        log.warning("journal.torn segment=%s offset=%d", segment, offset)


def _remove_life(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != "lock":  # the last to go, so that nobody takes this for a folder just begun
            path.unlink()
    (folder / "lock").unlink(missing_ok=True)
    folder.rmdir()


def _clear_if_stillborn(folder: Path) -> None:
    """A folder without a segment belongs to a door that is just starting, or that never did."""
    if time.time() - folder.stat().st_mtime > _STILLBORN_AFTER:
        _remove_life(folder)
