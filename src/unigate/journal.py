"""The journal: what happened, appended to numbered segment files before anyone is told; the keeper carries it on.

A frame is a length and a CRC-32 (both 4 bytes, little-endian), then the payload. A torn tail is simply not there yet.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from unigate.errors import StorageError

__all__ = ["Journal", "read_frames", "segments_of", "take_lock"]

_FRAME = struct.Struct("<II")
_SEGMENT_SIZE = 8 * 1024 * 1024
_LARGEST_FRAME = 4 * 1024 * 1024


class Journal:
    """The segments of one door's one life; only this process appends to them, and holds their lock while it lives."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._lock = take_lock(folder / "lock")
        if self._lock is None:
            raise StorageError(f"Another process writes the journal in {folder}.")
        self._number = 0
        self._size = 0
        self._fd = self._next_segment()

    def append(self, payload: bytes) -> None:
        """Writes one frame to the file; it survives this process from here on. Raises StorageError."""
        frame = _FRAME.pack(len(payload), zlib.crc32(payload)) + payload
        try:
            if self._size > _SEGMENT_SIZE:
                fresh = self._next_segment()
                os.close(self._fd)
                self._fd = fresh
            written = os.write(self._fd, frame)
            if written < len(frame):
                self._write_rest(frame, written)
        except OSError as error:
            self._forget_torn_frame()
            raise StorageError("The journal cannot be written; is the disk full?") from error
        self._size += len(frame)

    def sync(self) -> None:
        """Forces what was appended to the disk itself."""
        os.fdatasync(self._fd) if hasattr(os, "fdatasync") else os.fsync(self._fd)

    def close(self) -> None:
        """Ends this life of the journal: syncs, and gives the lock back."""
        self.sync()
        os.close(self._fd)
        if self._lock is not None:
            os.close(self._lock)

    def _write_rest(self, frame: bytes, written: int) -> None:
        while written < len(frame):
            written += os.write(self._fd, frame[written:])

    def _forget_torn_frame(self) -> None:
        """Whatever part of a frame got out would hide every frame after it."""
        try:
            os.ftruncate(self._fd, self._size)
        except OSError:
            self._size = _SEGMENT_SIZE + 1  # the next append begins a new segment instead

    def _next_segment(self) -> int:
        self._number += 1
        self._size = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        return os.open(self._folder / f"{self._number:08d}.segment", flags, 0o600)


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
    """The whole frames after `offset`, up to about `limit` bytes of them, each with the offset behind it."""
    with segment.open("rb") as file:
        file.seek(offset)
        block = file.read(max(limit, _LARGEST_FRAME))
    at = 0
    while at + _FRAME.size <= len(block):
        length, crc = _FRAME.unpack_from(block, at)
        end = at + _FRAME.size + length
        payload = block[at + _FRAME.size : end]
        if end > len(block) or zlib.crc32(payload) != crc:
            return
        at = end
        yield payload, offset + at
