"""The snapshot file: what the keeper stored, so that a door can start and follow changes without it.

A line of JSON with all but the keys, and then a line for each key: calls go on between them, however many there are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from unigate.errors import StorageError
from unigate.manners import unhurried
from unigate.snapshot import KeyEntry, Stored

__all__ = ["SnapshotFile"]

T = TypeVar("T")

_SILENT = 5.0
_END = b"end\n"

_key = msgspec.json.Decoder(KeyEntry)


class SnapshotFile:
    """Reads and replaces one small file; a reader sees the old content or the new, never a mix."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._pulse = path.with_suffix(".seen")
        self._beat: int | None = None
        self._heard_at = 0.0

    def read_if_changed(self, make: Callable[[Stored, Iterable[KeyEntry]], T]) -> T | None:
        """What is made of the content if it changed since the last reading, else None. Raises StorageError if damaged.

        `make` is given all but the keys, and the keys one by one, so that they are never all there at once.
        """
        try:
            stat = self._path.stat()
            mark = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if mark == self._seen:
                return None
            with self._path.open("rb") as file:
                made = _read(file, make)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StorageError(f"The snapshot file {self._path} cannot be read: {error}.") from error
        self._seen = mark
        return made

    def forget(self) -> None:
        """What the file holds counts as changed at the next reading."""
        self._seen = None

    def tell_current(self) -> None:
        """Says that the content is what the database has now. Raises StorageError."""
        try:
            self._pulse.touch(mode=0o600)
        except OSError as error:
            raise StorageError(f"The file {self._pulse} cannot be written: {error}.") from error

    def is_current(self, now: float) -> bool:
        """Whether that was said within the last 5 s; `now` is monotonic. Where it never was, nobody will say it."""
        try:
            beat = self._pulse.stat().st_mtime_ns
        except OSError:
            return self._beat is None
        if beat != self._beat:
            self._beat, self._heard_at = beat, now
        return now - self._heard_at < _SILENT

    def write(self, stored: Stored) -> None:
        """Replaces the content, durably. Raises StorageError."""
        fresh = self._path.with_suffix(".new")
        try:
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(msgspec.json.encode(stored.with_keys(())) + b"\n")
                file.writelines(msgspec.json.encode(entry) + b"\n" for entry in unhurried(stored.keys))
                file.write(_END)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            raise StorageError(f"The snapshot file {self._path} cannot be written: {error}.") from error


def _read(file: BinaryIO, make: Callable[[Stored, Iterable[KeyEntry]], T]) -> T:
    """Raises msgspec.DecodeError for what is damaged."""
    first = file.readline()
    stored = msgspec.json.decode(first, type=Stored)
    if not first.endswith(b"\n"):
        return make(stored.with_keys(()), stored.keys)  # as it was written at first: one line, with the keys in it
    return make(stored, _keys(file))


def _keys(file: BinaryIO) -> Iterator[KeyEntry]:
    for line in unhurried(file):
        if line == _END:
            return
        yield _key.decode(line)
    raise msgspec.DecodeError("the end is missing")
