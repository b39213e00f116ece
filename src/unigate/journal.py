"""The journal: what happened, appended to numbered segment files before anyone is told; the keeper carries it on.

A frame is its life's mark, a length and a CRC-32 (both 4 bytes, little-endian), then the payload. A torn tail is simply
not there yet; behind a hole that a power cut left, the mark shows where the next frame begins.
"""

from __future__ import annotations

import asyncio
import fcntl
import mmap
import os
import secrets
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol
from zlib import crc32

from unigate.errors import StorageError

__all__ = ["Journal", "Scribe", "is_locked", "next_frame", "read_frames", "segments_of", "take_lock"]

_MARK_SIZE: Final = 8
_head: Final = struct.Struct("<8sII").pack
_SIZES: Final = struct.Struct("<II")
_SEGMENT_SIZE: Final = 8 * 1024 * 1024
_LARGEST_FRAME: Final = 4 * 1024 * 1024
_MOST: Final = 4 * 1024 * 1024 * 1024
_BLINK: Final = 0.5
_FREE_FOR_BODIES: Final = 2 * _SEGMENT_SIZE


class Scribe(Protocol):
    """What writes entries down; where the disk confirms each entry, there is something to wait for."""

    def append(self, payload: bytes) -> asyncio.Future[None] | None:
        """Writes one frame; it survives this process from here on. Raises StorageError."""
        ...

    def begin(self, payload: bytes) -> asyncio.Future[None] | None:
        """Writes the first frame of something. Raises StorageError, also while room is kept for what is running."""
        ...


class Journal:
    """The segments of one door's one life; only this process appends to them, and holds their lock while it lives.

    A segment has its full size from the start, so an append is a copy into mapped memory: it costs no system call,
    survives the end of this process, and cannot meet a full disk halfway. Behind the last frame there are zeros.
    The next segment is made ahead; while that cannot be done, what is left is kept for the records of running calls.
    """

    def __init__(self, folder: Path, *, most: int = _MOST) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._most = most
        self._lock = _lock_of_ours(folder)
        # Random, so that nothing a client sends can pass for a frame where frames are searched for.
        self._mark = secrets.token_bytes(_MARK_SIZE)
        os.pwrite(self._lock, self._mark, 0)
        os.fsync(self._lock)
        for place in (folder.parent, folder.parent.parent):
            _force_name(place)
        self._number = 0
        self._at = 0
        self._room = _SEGMENT_SIZE
        self._making = threading.Lock()
        self._syncing = threading.Lock()
        self._spare: tuple[int, mmap.mmap] | None = None
        self._turned: Callable[[], None] = _nothing
        self._short = ""
        # Whether there is less room than bodies may take; records need it more.
        self.is_tight = False
        fd, self._map = self._new_segment()
        # What is not on the disk yet; the last one is being written.
        self._fds = [fd]

    def append(self, payload: bytes) -> None:
        """Writes one frame; it survives this process from here on. Raises StorageError."""
        frame = _head(self._mark, len(payload), crc32(payload)) + payload
        end = self._at + len(frame)
        if end > self._room or len(frame) > _LARGEST_FRAME:
            end = self._make_room(len(frame))
        self._map[self._at : end] = frame
        self._at = end

    def begin(self, payload: bytes) -> None:
        """Writes the first frame of something. Raises StorageError, also while room is kept for what is running."""
        if self._short:
            raise StorageError(self._short)
        self.append(payload)

    def watch(self, turned: Callable[[], None]) -> None:
        """Calls `turned` whenever the segment that was made ahead has been taken into use."""
        self._turned = turned

    def sync(self) -> None:
        """Forces what was appended to the disk itself, from any thread. Raises OSError."""
        with self._syncing:
            fds = self._fds[:]
            failed = [error for fd in fds if (error := _force(fd)) is not None]
            del self._fds[: len(fds) - 1]
            for fd in fds[:-1]:
                os.close(fd)
            if failed:
                # Linux forgets what it could not write, so the next success would promise too much of this file.
                self._room = 0
                raise failed[0]

    def provide(self) -> None:
        """Makes the next segment ahead if there is none, from any thread, and sees how much room is left."""
        try:
            size = self._size()
            disk = os.statvfs(self._folder)
            with self._making:
                self._make_spare(size)
        except (StorageError, OSError) as error:
            self._short = str(error)
            self.is_tight = True
        else:
            self._short = ""
            self.is_tight = size > self._most // 2 or disk.f_bavail * disk.f_frsize < _FREE_FOR_BODIES

    @property
    def lacks_spare(self) -> bool:
        """Whether the next segment must still be made, and can be as far as is known."""
        return self._spare is None and not self._short

    def close(self) -> None:
        """Ends this life of the journal: syncs, and gives the lock back. Raises OSError if the disk took less."""
        try:
            self.sync()
        finally:
            self._map.close()
            os.close(self._fds.pop())
            if self._spare is not None:
                os.close(self._spare[0])
                self._spare[1].close()
            os.close(self._lock)

    def _make_room(self, size: int) -> int:
        if size > _LARGEST_FRAME:
            raise StorageError(f"A journal entry of {size} bytes is too large; the most is {_LARGEST_FRAME}.")
        if self._spare is None:
            with self._making:
                self._make_spare(self._size())
        assert self._spare is not None, "it was there, or was made just now"
        (fd, fresh), self._spare = self._spare, None
        self._map.close()
        self._fds.append(fd)  # the last entries of the one before are not on the disk yet, and `sync` may be at it
        self._map, self._at, self._room = fresh, 0, _SEGMENT_SIZE
        self._turned()
        return size

    def _size(self) -> int:
        try:
            return _size_of(self._folder.parent)
        except OSError as error:
            raise StorageError(f"The journal's folder cannot be read: {error.strerror}.") from error

    def _make_spare(self, size: int) -> None:
        if self._spare is not None:
            return
        if size + _SEGMENT_SIZE > self._most:
            full = f"The journal has grown to {size >> 20} MiB, of at most {self._most >> 20}, and is not carried on"
            raise StorageError(f"{full}; does the database answer?")
        try:
            self._spare = self._new_segment()
        except OSError as error:
            raise StorageError("The journal cannot be written; is the disk full?") from error

    def _new_segment(self) -> tuple[int, mmap.mmap]:
        path = self._folder / f"{self._number + 1:08d}.segment"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            _reserve(fd)
            mapped = mmap.mmap(fd, _SEGMENT_SIZE)
            _force_name(self._folder)
        except OSError:
            os.close(fd)
            path.unlink()
            raise
        self._number += 1
        return fd, mapped


def _nothing() -> None:
    """For whoever is not watched."""


def _force(fd: int) -> OSError | None:
    try:
        os.fsync(fd)
    except OSError as error:
        return error
    return None


def _force_name(folder: Path) -> None:
    """Without it a power cut may leave a file that no folder names."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _reserve(fd: int) -> None:
    """Makes the file its full size with space behind every byte, so that no later store can fail."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, _SEGMENT_SIZE)
        return
    zeros = bytes(1024 * 1024)
    for offset in range(0, _SEGMENT_SIZE, len(zeros)):
        written = 0
        while written < len(zeros):
            written += os.pwrite(fd, memoryview(zeros)[written:], offset + written)


def _size_of(lives: Path) -> int:
    """What all lives together take, side files included; the keeper may be removing some of it just now."""
    size = 0
    for path in lives.glob("*/*"):
        try:
            size += path.stat().st_size
        except FileNotFoundError:
            continue
    return size


def take_lock(path: Path) -> int | None:
    """The descriptor of an exclusive lock that lasts as long as its process, or None if somebody else has it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def is_locked(path: Path) -> bool:
    """Whether somebody has this lock; it leaves no file where there was none, so a folder can go beside it."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False  # it was removed just now, or never was a door's
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def _lock_of_ours(folder: Path) -> int:
    """The lock of a new life; a keeper that looks whether it lives has it for a blink. Raises StorageError."""
    deadline = time.monotonic() + _BLINK
    while (lock := take_lock(folder / "lock")) is None:
        if time.monotonic() > deadline:
            raise StorageError(f"Another process writes the journal in {folder}.")
        time.sleep(0.005)
    return lock


def segments_of(folder: Path) -> list[Path]:
    """A life's segments, oldest first; the last may be one that was made ahead."""
    return sorted(folder.glob("*.segment"))


def read_frames(segment: Path, offset: int, limit: int) -> Iterator[tuple[bytes, int]]:
    """The whole frames in the `limit` bytes after `offset`, but at least one, each with the offset behind it."""
    mark = _mark_of(segment.parent)
    head = len(mark) + _SIZES.size
    with segment.open("rb") as file:
        file.seek(offset)
        block = file.read(limit)
        if len(block) >= head:
            first = min(head + _SIZES.unpack_from(block, len(mark))[0], _LARGEST_FRAME)
            block += file.read(max(first - len(block), 0))
    at = 0
    while (end := _frame_end(block, at, mark)) is not None:
        payload = block[at + head : end]
        at = end
        yield payload, offset + at


def next_frame(segment: Path, offset: int) -> int | None:
    """Where the next whole frame begins behind a damaged place: for a life that is over, or a segment it has left."""
    mark = _mark_of(segment.parent)
    if not mark:
        return None  # a journal of the first kind, whose frames have no mark
    with segment.open("rb") as file:
        file.seek(offset)
        block = file.read(_SEGMENT_SIZE)
    at = block.find(mark)
    while at >= 0:
        if _frame_end(block, at, mark) is not None:
            return offset + at
        at = block.find(mark, at + 1)
    return None


def _frame_end(block: bytes, at: int, mark: bytes) -> int | None:
    """The end of the whole frame that begins there, if one does."""
    start = at + len(mark) + _SIZES.size
    if start > len(block) or not block.startswith(mark, at):
        return None
    length, crc = _SIZES.unpack_from(block, at + len(mark))
    end = start + length
    if length == 0 or end > len(block):  # no entry is empty: nothing was written here yet
        return None
    return end if crc32(memoryview(block)[start:end]) == crc else None


def _mark_of(life: Path) -> bytes:
    """What begins each frame of a life: it is written into the lock before the first segment is made."""
    try:
        with (life / "lock").open("rb") as file:
            return file.read(_MARK_SIZE)
    except FileNotFoundError:
        return b""
