"""The snapshot file: whatever is in it, a reader gets a snapshot or is told that there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from unigate.config import ServerSettings
from unigate.errors import StorageError
from unigate.snapshot import GroupEntry, KeyEntry, Settings, Stored, build_snapshot
from unigate.snapshot_file import SnapshotFile
from unigate.tenancy import Limits


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"lists":{"a":["\xff"]}}', b'{"version":"x"}'])
def test_a_damaged_file_is_told_and_the_next_good_one_read(tmp_path: Path, content: bytes) -> None:
    file = SnapshotFile(tmp_path / "snapshot.json")
    (tmp_path / "snapshot.json").write_bytes(content)
    with pytest.raises(StorageError):
        file.read_if_changed(Stored.with_keys)
    stored = Stored(3, (KeyEntry("key_1", "team", "00" * 32),), {"openai": ("gpt-4o",)})
    file.write(stored)
    assert (file.read_if_changed(Stored.with_keys), file.read_if_changed(Stored.with_keys)) == (stored, None)


def test_a_file_that_is_forgotten_is_read_again(tmp_path: Path) -> None:
    file = SnapshotFile(tmp_path / "snapshot.json")
    file.write(Stored(3))
    file.read_if_changed(Stored.with_keys)
    file.forget()

    assert file.read_if_changed(Stored.with_keys) == Stored(3)


def test_a_file_of_the_first_kind_is_read(tmp_path: Path) -> None:
    stored = Stored(3, (KeyEntry("key_1", "team", "00" * 32),))
    (tmp_path / "snapshot.json").write_bytes(msgspec.json.encode(stored))

    assert SnapshotFile(tmp_path / "snapshot.json").read_if_changed(Stored.with_keys) == stored


def test_a_file_that_lacks_its_end_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    SnapshotFile(path).write(Stored(3, tuple(KeyEntry(f"key_{n}", f"team-{n}", f"{n:064x}") for n in range(9))))
    lines = path.read_bytes().splitlines(keepends=True)
    for count in range(1, len(lines)):
        path.write_bytes(b"".join(lines[:count]))
        with pytest.raises(StorageError):
            SnapshotFile(path).read_if_changed(Stored.with_keys)


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


# What a door does with a snapshot at its start and at a change; it prints the bytes that each key takes.
READS = """
import sys
from pathlib import Path
from unigate.config import ServerSettings
from unigate.snapshot import Settings, Stored, build_snapshot
from unigate.snapshot_file import SnapshotFile

def taken(what):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))

def snapshot_of(file, last):
    def make(stored, keys):
        return build_snapshot(settings, stored, 0, last.added, last.keyring, keys)
    file.forget()
    return file.read_if_changed(make)

settings, file = Settings(server=ServerSettings(), providers=()), SnapshotFile(Path(sys.argv[1]))
last = build_snapshot(settings, Stored())
empty = taken("VmRSS")
last = snapshot_of(file, last)
count = len(last.keyring)
print((taken("VmRSS") - empty) // count)
last = snapshot_of(file, last)
print((taken("VmHWM") - empty) // count)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
def test_a_hundred_thousand_keys_take_less_than_a_kilobyte_each(tmp_path: Path) -> None:
    count = 100_000
    limits = Limits(usd_month=10**10, requests=600, tokens=100_000)
    projects = tuple(
        GroupEntry(f"proj_{n:020x}", f"team-{n}", models=("a", "b"), limits=Limits(usd_day=10**11)) for n in range(1000)
    )
    keys = (
        KeyEntry(f"key_{n:020x}", f"customer-{n}", f"{n:064x}", "client", ("gpt-5", "a"), projects[n % 1000].id, limits)
        for n in range(count)
    )
    SnapshotFile(tmp_path / "snapshot.json").write(Stored(1, tuple(keys), projects=projects))

    done = subprocess.run(
        [sys.executable, "-c", READS, str(tmp_path / "snapshot.json")], capture_output=True, text=True, check=True
    )
    each, most = map(int, done.stdout.split())

    assert each < 900
    # While one snapshot takes the place of another.
    assert most < 1_100
