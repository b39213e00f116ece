"""Power cuts: what may be on the disk if the computer stops now, for a file that was written and partly synced.

A disk keeps what was synced; of the rest, sector by sector, it keeps what it likes.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import apsw

__all__ = ["SECTOR", "CuttableDisk", "Synced", "sectors_after_a_cut"]

SECTOR = 512


def sectors_after_a_cut(synced: bytes, written: bytes, rng: random.Random) -> bytes:
    """A file after a power cut: each sector is as it was synced or as it was written last."""
    size = rng.choice((len(synced), len(written))) if len(synced) != len(written) else len(written)
    old, new = synced.ljust(size, b"\0"), written.ljust(size, b"\0")
    share = rng.choice((0.0, 0.1, 0.5, 0.9, 1.0))
    kept = bytearray(old[:size])
    for at in range(0, size, SECTOR):
        if rng.random() < share:
            kept[at : at + SECTOR] = new[at : min(at + SECTOR, size)]
    return bytes(kept)


class Synced:
    """Stands where `os.fsync` is, and remembers what the disk has for sure: contents, and names in folders."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.names: set[str] = set()

    def __call__(self, fd: int) -> None:
        path = os.readlink(f"/proc/self/fd/{fd}")
        if os.path.isdir(path):
            self.names.update(os.path.join(path, name) for name in os.listdir(path))
        else:
            self.contents[path] = Path(path).read_bytes()

    def after_a_cut(self, path: Path, rng: random.Random) -> bytes | None:
        """The file as a power cut now may leave it; None if no folder names it."""
        if str(path) not in self.names and rng.random() < 0.5:
            return None
        return sectors_after_a_cut(self.contents.get(str(path), b""), path.read_bytes(), rng)


class CuttableDisk(apsw.VFS):
    """SQLite's files on a disk whose power may be cut: it knows what was synced, and calls `before` each change."""

    def __init__(self, name: str, before: Callable[[], None]) -> None:
        super().__init__(name, "unix", makedefault=True)
        self.before = before
        self.synced: dict[str, bytes] = {}

    def xOpen(self, name: object, flags: list[int]) -> _CuttableFile:
        return _CuttableFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.before()
        super().xDelete(filename, syncdir)
        self.synced.pop(filename, None)

    def note_sync(self, path: str) -> None:
        self.synced[path] = Path(path).read_bytes()

    def after_a_cut(self, paths: Sequence[Path], folder: Path, rng: random.Random) -> None:
        """Copies the files to a folder as a power cut at this moment may leave them."""
        for path in paths:
            if path.exists():
                synced = self.synced.get(str(path), b"")
                (folder / path.name).write_bytes(sectors_after_a_cut(synced, path.read_bytes(), rng))


class _CuttableFile(apsw.VFSFile):
    """One file of it."""

    def __init__(self, disk: CuttableDisk, name: object, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        self._disk = disk
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.before()
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._disk.before()
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        self._disk.before()
        super().xSync(flags)
        self._disk.note_sync(self._path)
