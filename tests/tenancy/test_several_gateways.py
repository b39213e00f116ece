"""Several gateways at one database: each tells its own doors what any of them changed."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from unigate.admission.admins import OPERATOR
from unigate.clock import wall
from unigate.config import ServerSettings
from unigate.errors import StorageError
from unigate.snapshot import KeyEntry, Settings, Stored, build_snapshot
from unigate.snapshot_file import SnapshotFile
from unigate.storage.change import Named
from unigate.storage.opening import open_database
from unigate.storage.registry import Registry
from unigate.storage.store import Store


class Gateway:
    """One gateway's registry, and the file that its doors read."""

    def __init__(self, folder: Path, shared: Path) -> None:
        folder.mkdir()
        self.file = folder / "snapshot.json"
        self.store = Store(open_database(f"sqlite:///{shared}", folder), wall)
        self.registry = Registry(self.store, SnapshotFile(self.file), Named())

    def told(self) -> Stored:
        """What a door reads now."""
        return SnapshotFile(self.file).read_if_changed(Stored.with_keys) or Stored()


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Gateway, Gateway]]:
    gateways = tuple(Gateway(tmp_path / name, tmp_path / "shared.db") for name in ("one", "two"))
    yield gateways[0], gateways[1]
    for gateway in gateways:
        gateway.store.close()


def test_a_change_at_one_reaches_the_others_doors_at_the_next_look(two: tuple[Gateway, Gateway]) -> None:
    one, other = two
    made = one.registry.keys.make(OPERATOR, KeyEntry("", "a", ""))
    other.registry.follow()
    seen = other.told()
    other.registry.keys.revoke(OPERATOR, made.kept.entry.id)
    one.registry.follow()

    assert [key.id for key in seen.keys] == [made.kept.entry.id]
    assert (one.told().keys, other.told().keys) == ((), ())
    assert one.told().version == other.told().version


def test_an_unchanged_database_leaves_the_doors_file_alone(two: tuple[Gateway, Gateway]) -> None:
    one, _ = two
    one.registry.follow()
    before = one.file.stat().st_mtime_ns, one.file.stat().st_ino
    one.registry.follow()

    assert (one.file.stat().st_mtime_ns, one.file.stat().st_ino) == before


def test_what_the_disk_did_not_take_is_told_at_the_next_look(two: tuple[Gateway, Gateway]) -> None:
    one, _ = two
    one.registry.follow()
    blocked = one.file.with_suffix(".new")
    blocked.mkdir()
    made = one.registry.keys.make(OPERATOR, KeyEntry("", "a", ""))
    with pytest.raises(StorageError):
        one.registry.keys.revoke(OPERATOR, made.kept.entry.id)
    blocked.rmdir()
    one.registry.follow()

    assert one.told().keys == ()
    assert one.told().version == one.store.version()


def test_a_key_takes_a_door_less_than_a_kilobyte() -> None:
    keys = tuple(KeyEntry(f"key_{n:012x}", f"team {n}", f"{n:064x}") for n in range(10_000))
    settings = Settings(server=ServerSettings(), providers=())
    tracemalloc.start()
    snapshot = build_snapshot(settings, Stored(1, keys))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(snapshot.keyring) == 10_000
    assert size / 10_000 < 1000
