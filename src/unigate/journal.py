"""The journal: what happened, appended to numbered segment files before anyone is told; the keeper carries it on.

A frame is a length and a CRC-32 (both 4 bytes, little-endian), then the payload. A torn tail is simply not there yet.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

from unigate.errors import StorageError

__all__ = ["Journal", "read_frames", "segments_of", "take_lock"]

_FRAME = struct.Struct("<II")
_SEGMENT_SIZE = 8 * 1024 * 1024
_LARGEST_FRAME = 4 * 1024 * 1024


class Journal:
    """The segments of one door's one life; only this process appends to them, and holds their lock while it lives.

    A segment has its full size from the start, so an append is a copy into mapped memory: it costs no system call,
    survives the end of this process, and cannot meet a full disk halfway. Behind the last frame there are zeros.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._lock = take_lock(folder / "lock")
        if self._lock is None:
            raise StorageError(f"Another process writes the journal in {folder}.")
        self._number = 0
        self._at = 0
        self._full: list[int] = []
        self._syncing = threading.Lock()
        self._fd, self._map = self._next_segment()

    def append(self, payload: bytes) -> None:
        """Writes one frame; it survives this process from here on. Raises StorageError."""
        frame = _FRAME.pack(len(payload), zlib.crc32(payload)) + payload
        if len(frame) > _LARGEST_FRAME:
            raise StorageError(f"A journal entry of {len(frame)} bytes is too large; the most is {_LARGEST_FRAME}.")
        end = self._at + len(frame)
        if end > _SEGMENT_SIZE:
            self._turn_over()
            end = len(frame)
        self._map[self._at : end] = frame
        self._at = end

    def sync(self) -> None:
        """Forces what was appended to the disk itself, from any thread. Raises OSError."""
        with self._syncing:
            while self._full:
                os.fsync(self._full[0])
                os.close(self._full.pop(0))
            os.fsync(self._fd)

    def close(self) -> None:
        """Ends this life of the journal: syncs, and gives the lock back."""
        self.sync()
        self._map.close()
        os.close(self._fd)
        if self._lock is not None:
            os.close(self._lock)

    def _turn_over(self) -> None:
        try:
            fresh, mapped = self._next_segment()
        except OSError as error:
            raise StorageError("The journal cannot be written; is the disk full?") from error
        self._map.close()
        self._full.append(self._fd)  # its last entries are not on the disk yet, and `sync` may be at it just now
        self._fd, self._map = fresh, mapped

    def _next_segment(self) -> tuple[int, mmap.mmap]:
        path = self._folder / f"{self._number + 1:08d}.segment"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _reserve(fd)
            mapped = mmap.mmap(fd, _SEGMENT_SIZE)
        except OSError:
            os.close(fd)
            path.unlink()
            raise
        self._number += 1
        self._at = 0
        return fd, mapped


def _reserve(fd: int) -> None:
    """Makes the file its full size with space behind every byte, so that no later store can fail."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, _SEGMENT_SIZE)
        return
    zeros = bytes(1024 * 1024)
    for offset in range(0, _SEGMENT_SIZE, len(zeros)):
        os.pwrite(fd, zeros, offset)


def take_lock(path: Path) -> int | None:
    """The descriptor of an exclusive lock that lasts as long as its process, or None if somebody else has it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def segments_of(folder: Path) -> list[Path]:
    """A life's segments, oldest first."""
    return sorted(folder.glob("*.segment"))


def read_frames(segment: Path, offset: int, limit: int) -> Iterator[tuple[bytes, int]]:
    """The whole frames in the `limit` bytes after `offset`, but at least one, each with the offset behind it."""
    with segment.open("rb") as file:
        file.seek(offset)
        block = file.read(limit)
        if len(block) >= _FRAME.size:
            first = min(_FRAME.size + _FRAME.unpack_from(block)[0], _LARGEST_FRAME)
            block += file.read(max(first - len(block), 0))
    at = 0
    while at + _FRAME.size <= len(block):
        length, crc = _FRAME.unpack_from(block, at)
        if length == 0:
            return  # nothing was ever written here
        end = at + _FRAME.size + length
        payload = block[at + _FRAME.size : end]
        if end > len(block) or zlib.crc32(payload) != crc:
            return
        at = end
        yield payload, offset + at
