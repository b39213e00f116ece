"""Carries what the doors wrote in their journals to the sinks: each record once, through the death of anyone involved.

Open intents are kept in the database beside the offsets, so a segment may go as soon as it is read, however long a
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

from unigate.accounting.record import Entry, Intent, Record, decode_entry
from unigate.errors import StorageError
from unigate.journal import read_frames, segments_of, take_lock
from unigate.manners import unhurried
from unigate.storage.store import OpenIntent, Place, Progress, Store

__all__ = ["Carrier", "Outbox"]

log = logging.getLogger("unigate.keeper")

_BLOCK = 256 * 1024
# While the log cannot be written, this much waits in the journals; beyond it the doors' disk matters more.
_MOST_HELD = 256 * 1024 * 1024
_STILLBORN_AFTER = 60.0


class Outbox(Protocol):
    """Where records go."""

    def take(self, records: Sequence[Record]) -> None:
        """Takes all of them or none. Raises StorageError."""
        ...

    def settle(self) -> str:
        """Makes what was taken durable; the mark to `resume` from. Raises StorageError."""
        ...

    def resume(self, mark: str) -> None:
        """Called once, before anything is taken: what came in after `mark` will come again and is then left out."""
        ...

    def is_due(self) -> bool:
        """Whether a new file should be begun."""
        ...

    def turn_over(self) -> None:
        """Begins a new file; everything taken so far has been saved. Raises StorageError."""
        ...


class Carrier:
    """Reads journals from where the last save left them; its state is what was carried since. Blocking: one thread."""

    def __init__(self, folder: Path, store: Store, sinks: Outbox, *, most_held: int = _MOST_HELD) -> None:
        self._folder = folder
        self._store = store
        self._sinks = sinks
        self._most_held = most_held
        progress = store.progress()
        sinks.resume(progress.mark)
        self._places = {place.folder: place for place in progress.places if (folder / place.folder).is_dir()}
        self._gone = [place.folder for place in progress.places if place.folder not in self._places]
        self._open = {intent.id: intent for intent in progress.opened}
        self._kept = dict(self._open)
        self._ended: list[str] = []
        self._is_dirty = bool(self._gone)
        self._is_stuck = False
        self.undecodable = 0
        self.lost = 0

    def turn(self) -> bool:
        """Carries a block of each life's journal; whether more is waiting. Raises StorageError, and can be repeated."""
        if self._sinks.is_due():
            self._turn_over()
        lives = sorted(path.name for path in self._folder.iterdir() if path.is_dir()) if self._folder.is_dir() else []
        for life in {intent.folder for intent in self._open.values()}.difference(lives):
            self._interrupt(life)
        return sum(self._carry(life) for life in lives) > 0

    def save(self) -> None:
        """Keeps how far everything got, then removes what was carried whole. Raises StorageError."""
        if not self._is_dirty:
            return
        progress = Progress(
            mark=self._sinks.settle(),
            places=tuple(self._places.values()),
            gone=tuple(self._gone),
            opened=[intent for intent in self._open.values() if self._kept.get(intent.id) is not intent],
            closed=[id for id in self._kept if id not in self._open],
        )
        self._store.save_progress(progress)
        self._kept = dict(self._open)
        self._gone = []
        self._is_dirty = False
        self._remove_carried()

    # --- one life

    def _carry(self, life: str) -> bool:
        folder = self._folder / life
        if not segments_of(folder):
            _clear_if_stillborn(folder)
            return False
        lock = take_lock(folder / "lock")  # a door locks before its first segment, so this never comes before it
        try:
            return self._carry_block(life, segments_of(folder), is_over=lock is not None)
        finally:
            if lock is not None:
                os.close(lock)

    def _carry_block(self, life: str, segments: list[Path], *, is_over: bool) -> bool:
        place = self._places.get(life) or Place(life, segments[0].name, 0)
        segment = next((one for one in segments if one.name >= place.segment), segments[-1])
        offset = place.offset if segment.name == place.segment else 0
        later = segments[segments.index(segment) + 1 :]
        # A door that met a full disk takes a new segment back, so only one with an entry shows that it went on;
        # asked before reading, so that nothing can be written here in between.
        went_on = bool(later) and (is_over or _has_frame(later[0], 0))
        block = self._read(segment, offset)
        if block.end > offset:
            if not self._hand_over(block.records):
                return False
            self._note(life, block.entries)
            self._move(Place(life, segment.name, block.end))
            return is_over or went_on or _has_frame(segment, block.end)
        if went_on:
            _report_torn(segment, offset)
            self._move(Place(life, later[0].name, 0))
            return True
        if is_over and life not in self._ended and self._interrupt(life):
            _report_torn(segment, offset)
            self._ended.append(life)
            self._is_dirty = True
        return False

    def _read(self, segment: Path, offset: int) -> _Block:
        block = _Block(offset)
        if not _has_frame(segment, offset):
            return block
        for payload, end in unhurried(read_frames(segment, offset, _BLOCK)):
            block.end = end
            try:
                block.entries.append((decode_entry(payload), payload))
            except msgspec.DecodeError:
                self.undecodable += 1
                log.warning("journal.undecodable segment=%s count=%d", segment, self.undecodable)
        block.records = [entry for entry, _ in block.entries if isinstance(entry, Record)]
        return block

    def _hand_over(self, records: Sequence[Record]) -> bool:
        """Whether the records are out of our hands: taken, or given up because too much is waiting."""
        if not records:
            return True
        try:
            self._sinks.take(records)
        except StorageError as error:
            self._stuck(error)
            if self._held() < self._most_held:
                return False
            self.lost += len(records)
            return True
        if self._is_stuck:
            log.warning("log.written_again lost=%d", self.lost)
        self._is_stuck = False
        return True

    def _turn_over(self) -> None:
        try:
            self.save()
            self._sinks.turn_over()
        except StorageError as error:
            self._stuck(error)

    def _stuck(self, error: StorageError) -> None:
        """Reports the first of many failures."""
        if not self._is_stuck:
            log.error("log.unwritable reason=%s", error)
        self._is_stuck = True

    def _note(self, life: str, entries: Sequence[tuple[Entry, bytes]]) -> None:
        for entry, payload in entries:
            if isinstance(entry, Intent):
                self._open[entry.id] = OpenIntent(entry.id, life, payload)
            elif isinstance(entry, Record):
                self._open.pop(entry.id, None)

    def _move(self, place: Place) -> None:
        self._places[place.folder] = place
        self._is_dirty = True

    def _interrupt(self, life: str) -> bool:
        """Makes records of the attempts that a dead door left without one; whether they are out of our hands."""
        left = [intent for intent in self._open.values() if intent.folder == life]
        if not self._hand_over([_interrupted(decode_entry(intent.entry)) for intent in left]):
            return False
        for intent in left:
            del self._open[intent.id]
        self._is_dirty = self._is_dirty or bool(left)
        return True

    # --- the disk

    def _held(self) -> int:
        return sum(segment.stat().st_size for segment in self._folder.glob("*/*.segment"))

    def _remove_carried(self) -> None:
        """Only what a save has confirmed: were the computer to stop now, nothing would be missed."""
        for place in self._places.values():
            for segment in segments_of(self._folder / place.folder):
                if segment.name < place.segment:
                    segment.unlink()
        for life in self._ended:
            _remove_life(self._folder / life)
            self._places.pop(life, None)
            self._gone.append(life)
            self._is_dirty = True
        self._ended = []


class _Block:
    """What one reading found; grows while it is read."""

    __slots__ = ("end", "entries", "records")

    def __init__(self, offset: int) -> None:
        self.end = offset
        self.entries: list[tuple[Entry, bytes]] = []
        self.records: list[Record] = []


def _has_frame(segment: Path, offset: int) -> bool:
    """Whether something was written there, whole or not: a segment is zeros behind its last entry."""
    with segment.open("rb", buffering=0) as file:
        return any(os.pread(file.fileno(), 4, offset))


def _report_torn(segment: Path, offset: int) -> None:
    if _has_frame(segment, offset):
        log.warning("journal.torn segment=%s offset=%d", segment, offset)


def _interrupted(entry: Entry) -> Record:
    """The record of an attempt whose door died: what was intended is known, how it went is not."""
    assert isinstance(entry, Intent), "only intents are kept open"
    return Record(
        id=entry.id,
        at_ns=entry.at_ns,
        operation=entry.operation,
        status=0,
        end="interrupted",
        total_us=0,
        key=entry.key,
        name=entry.name,
        model=entry.model,
        provider=entry.provider,
        target=entry.target,
    )


def _remove_life(folder: Path) -> None:
    for segment in segments_of(folder):
        segment.unlink()
    (folder / "lock").unlink(missing_ok=True)
    folder.rmdir()


def _clear_if_stillborn(folder: Path) -> None:
    """A folder without a segment belongs to a door that is just starting, or that never did."""
    if time.time() - folder.stat().st_mtime > _STILLBORN_AFTER:
        _remove_life(folder)
