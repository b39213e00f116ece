"""The snapshot file: whatever is in it, a reader gets a snapshot or is told that there is none."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from unigate.config import ServerSettings
from unigate.errors import StorageError
from unigate.snapshot import KeyEntry, Settings, Stored, build_snapshot
from unigate.snapshot_file import SnapshotFile
from unigate.tenancy import Limits


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"lists":{"a":["\xff"]}}', b'{"version":"x"}'])
def test_a_damaged_file_is_told_and_the_next_good_one_read(tmp_path: Path, content: bytes) -> None:
    file = SnapshotFile(tmp_path / "snapshot.json")
    (tmp_path / "snapshot.json").write_bytes(content)
    with pytest.raises(StorageError):
        file.read_if_changed()
    stored = Stored(3, (KeyEntry("key_1", "team", "00" * 32),), {"openai": ("gpt-4o",)})
    file.write(stored)
    assert (file.read_if_changed(), file.read_if_changed()) == (stored, None)


def test_a_file_that_is_forgotten_is_read_again(tmp_path: Path) -> None:
    file = SnapshotFile(tmp_path / "snapshot.json")
    file.write(Stored(3))
    file.read_if_changed()
    file.forget()

    assert file.read_if_changed() == Stored(3)


def test_a_file_of_the_first_kind_is_read(tmp_path: Path) -> None:
    stored = Stored(3, (KeyEntry("key_1", "team", "00" * 32),))
    (tmp_path / "snapshot.json").write_bytes(msgspec.json.encode(stored))

    assert SnapshotFile(tmp_path / "snapshot.json").read_if_changed() == stored


def test_a_file_that_lacks_its_end_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    SnapshotFile(path).write(Stored(3, tuple(KeyEntry(f"key_{n}", f"team-{n}", f"{n:064x}") for n in range(9))))
    lines = path.read_bytes().splitlines(keepends=True)
    for count in range(1, len(lines)):
        path.write_bytes(b"".join(lines[:count]))
        with pytest.raises(StorageError):
            SnapshotFile(path).read_if_changed()


def test_a_key_that_says_the_same_stays_the_same_object() -> None:
    def keys(name: str) -> tuple[KeyEntry, ...]:
        return (
            KeyEntry("key_1", "team", "01" * 32, limits=Limits(requests=5)),
            KeyEntry("key_2", name, "02" * 32),
        )

    settings = Settings(server=ServerSettings(), providers=())
    before = build_snapshot(settings, Stored(1, keys("old")))
    after = build_snapshot(settings, Stored(2, keys("new")), known=before.keyring)

    same, changed = b"\x01" * 32, b"\x02" * 32
    assert after.keyring[same] is before.keyring[same]
    assert (after.keyring[changed].name, before.keyring[changed].name) == ("new", "old")
