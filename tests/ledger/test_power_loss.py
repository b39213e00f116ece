"""The power goes at any moment: what was confirmed is there after it, whole, and nothing that was never said."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import apsw
import msgspec
import pytest

from ledger.power import CuttableDisk, Synced
from unigate.accounting.record import Entry, Intent, Record, encode_entry
from unigate.accounting.redaction import Redactor
from unigate.journal import Journal, segments_of
from unigate.storage.carrier import Carrier
from unigate.storage.ledger import Batch, Ledger, Place
from unigate.storage.opening import open_database

# `make soak` says more; each seed is printed by the test that fails.
POINTS = int(os.environ.get("SOAK_POWER_CUTS", "40"))
FIRST_SEED = int(os.environ.get("SOAK_POWER_SEED", "0")) * 1_000_000
LIFE = "door-0-aa"


def record(number: int, cost: int | None = None) -> Record:
    told = Record(f"req_{number:08x}", 1_700_000_000_000_000_000, "openai.chat", 200, "ok", 5, key="key_1", name="k")
    return msgspec.structs.replace(told, model="m", provider="p", target="m", cost=cost, price="test")


def intent(number: int) -> Intent:
    return Intent(f"req_{number:08x}", 1, 7, "openai.chat", "key_1", "k", "m", "p", "m", held=5)


class Nowhere:
    """An outbox that keeps nothing: here only the ledger counts."""

    def take(self, records: Sequence[Record]) -> None:
        pass

    def settle(self) -> str:
        return ""

    def resume(self, mark: str) -> None:
        pass

    def expect(self, records: Sequence[Record]) -> None:
        pass

    def is_due(self) -> bool:
        return False

    def turn_over(self) -> None:
        pass


# --- the database


def batch(number: int, rng: random.Random) -> Batch:
    """Some calls, and the place behind them, as one turn of the keeper has them."""
    first = number * 100
    made = Batch(records=[(record(first + one, cost=7), LIFE) for one in range(rng.randrange(1, 20))])
    made.places[LIFE] = Place(LIFE, "00000001.segment", number)
    return made


@contextmanager
def cuttable(folder: Path, moments: set[int], rng: random.Random) -> Iterator[list[tuple[Path, int]]]:
    """A disk of which an image is taken before the n-th change for each n; the images, with how much was confirmed."""
    images: list[tuple[Path, int]] = []
    count = 0

    def before() -> None:
        nonlocal count
        count += 1
        if count in moments:
            image = folder / f"cut-{count}"
            image.mkdir()
            main = folder / "unigate.db"
            beside = [main.with_name(f"unigate.db-{kind}") for kind in ("journal", "wal")]
            disk.after_a_cut([main, *beside], image, rng)
            images.append((image, confirmed(folder)))

    disk = CuttableDisk("cuttable", before)
    try:
        yield images
    finally:
        disk.unregister()


def confirmed(folder: Path) -> int:
    path = folder / "confirmed"
    return int(path.read_text()) if path.exists() else -1


def state_of(folder: Path) -> tuple[bool, int, int, int, int]:
    """Whether the file is whole, and what it has: the place, rows, the counter's money, rows behind the place."""
    connection = apsw.Connection(str(folder / "unigate.db"))

    def one(statement: str) -> object:
        return next(iter(connection.execute(statement)))[0]

    try:
        if not one("SELECT count(*) FROM sqlite_master WHERE name = 'spend'"):
            return True, -1, 0, 0, 0  # the power went before the first step was taken
        whole = one("PRAGMA integrity_check") == "ok"
        place = int(str(one("SELECT coalesce(max(reached), -1) FROM journal_offsets")))
        rows = int(str(one("SELECT count(*) FROM calls")))
        nano = int(str(one("SELECT coalesce(sum(nano), 0) FROM spend WHERE scope = 'key_1' AND \"window\" = 'total'")))
        later = int(str(one(f"SELECT count(*) FROM calls WHERE id >= 'req_{(place + 1) * 100:08x}'")))
        return whole, place, rows, nano, later
    finally:
        connection.close()


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + 2))
def test_the_database_keeps_what_it_confirmed_through_power_cuts(seed: int, tmp_path: Path) -> None:
    print(f"seed={seed} points={POINTS}")
    rng = random.Random(seed)
    made = [batch(number, rng) for number in range(60)]
    sums = [sum(len(one.records) for one in made[: number + 1]) for number in range(len(made))]
    moments = set(rng.sample(range(1, 1200), POINTS))
    with cuttable(tmp_path, moments, rng) as images:
        database = open_database(None, tmp_path)
        ledger = Ledger(database, "gw-1")
        for number, one in enumerate(made):
            ledger.keep(one)
            (tmp_path / "confirmed").write_text(str(number))
        database.close()
    assert len(images) > POINTS // 2, "the moments were chosen from too many"
    for image, known in images:
        whole, place, rows, nano, later = state_of(image)
        assert (whole, later) == (True, 0), image
        assert place in (known, known + 1), f"{image}: {known} confirmed, and it has {place}"
        assert rows == (sums[place] if place >= 0 else 0), image
        assert nano == rows * 7, image
        shutil.rmtree(image)


# --- the journal


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + POINTS))
def test_the_journal_keeps_what_it_synced_through_power_cuts(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"seed={seed}")
    rng = random.Random(seed)
    synced = Synced()
    monkeypatch.setattr(os, "fsync", synced)
    before, after = tmp_path / "before" / LIFE, tmp_path / "after" / LIFE
    written, sure = write_some(before, rng)
    after.mkdir(parents=True)
    for path in (before / "lock", *segments_of(before)):
        content = synced.after_a_cut(path, rng)
        if content is not None:
            (after / path.name).write_bytes(content)
    monkeypatch.undo()

    have = carried(tmp_path / "after")
    lost = {entry.id for entry in written[:sure]}.difference(have)
    assert not lost, f"{len(lost)} lost, such as {min(lost)}"
    assert set(have) <= {entry.id for entry in written}
    assert {have[entry.id] for entry in written[:sure] if isinstance(entry, Record)} <= {"ok"}


def write_some(life: Path, rng: random.Random) -> tuple[list[Entry], int]:
    """Entries with syncs between them, in order; how many of them were confirmed."""
    journal = Journal(life)
    written: list[Entry] = []
    sure = 0
    padding = rng.choice(("", "x" * 700, "x" * 90_000))
    for number in range(rng.randrange(5, 200)):
        entries: list[Entry] = [intent(number)]
        if rng.random() < 0.8:
            entries.append(msgspec.structs.replace(record(number), error=padding or None))
        for entry in entries:
            journal.append(encode_entry(entry))
            written.append(entry)
        if rng.random() < 0.1:
            journal.sync()
            sure = len(written)
    return written, sure


def carried(journals: Path) -> dict[str, str]:
    """How each call ended, after a keeper has carried these journals to their end."""
    database = open_database(None, journals.parent / "data")
    try:
        carrier = Carrier(journals, Ledger(database, "gw-1"), Nowhere(), Redactor(frozenset[str], lambda _: False))
        for _ in range(1000):
            carrier.turn()
            if not any(journals.iterdir()):
                break
        assert not any(journals.iterdir()), "the journal was not carried to its end"
        with database.reading() as run:
            rows = [(str(id), str(end)) for id, end in run('SELECT id, "end" FROM calls')]
        assert len(rows) == len(dict(rows))
        return dict(rows)
    finally:
        database.close()
