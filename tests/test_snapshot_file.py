"""The snapshot file: whatever is in it, a reader gets a snapshot or is told that there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from unigate.errors import StorageError
from unigate.snapshot import KeyEntry, Stored
from unigate.snapshot_file import SnapshotFile


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
