"""Side files: bodies too large for the journal, written beside its segments by one thread that may refuse work."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from unigate.accounting.record import Body

__all__ = ["SideFiles", "read_side_file", "remove_side_file"]

log = logging.getLogger("unigate.door")

_MOST_WAITING = 32 * 1024 * 1024


class SideFiles:
    """The side files of one door's life; `tell` hears of each body once its file is there, or lost."""

    def __init__(self, folder: Path, tell: Callable[[Body], object], *, most_waiting: int = _MOST_WAITING) -> None:
        self._folder = folder
        self._tell = tell
        self._most_waiting = most_waiting
        self._waiting = 0
        self._is_closed = False
        self._thread = ThreadPoolExecutor(1, "bodies")
        self._running: set[asyncio.Future[bool]] = set()

    def put(self, body: Body) -> bool:
        """Writes the content aside, in a while; False if too much is waiting already."""
        size = len(body.content)
        if self._waiting + size > self._most_waiting:
            return False
        self._waiting += size
        named = replace(body, content=b"", file=f"{body.call}.{body.kind}.body")
        work = asyncio.get_running_loop().run_in_executor(self._thread, _write, self._folder / named.file, body.content)
        self._running.add(work)
        work.add_done_callback(partial(self._is_done, named, size))
        return True

    async def close(self, seconds: float) -> None:
        """Waits for what is being written, but not longer than that."""
        if self._running:
            await asyncio.wait(set(self._running), timeout=seconds)
        self._is_closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _is_done(self, body: Body, size: int, work: asyncio.Future[bool]) -> None:
        self._running.discard(work)
        self._waiting -= size
        if not (work.cancelled() or self._is_closed):
            self._tell(body if work.result() else replace(body, file=""))


def _write(path: Path, content: bytes) -> bool:
    """Whether the file is whole, and on the disk itself."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        log.warning("body.lost file=%s reason=%s", path.name, error)
        return False
    try:
        written = 0
        while written < len(content):
            written += os.write(fd, memoryview(content)[written:])
        os.fsync(fd)
    except OSError as error:
        log.warning("body.lost file=%s reason=%s", path.name, error)
        path.unlink(missing_ok=True)
        return False
    finally:
        os.close(fd)
    return True


def read_side_file(folder: Path, body: Body) -> bytes | None:
    """The content that a body's entry leads to; None if it is gone."""
    try:
        return (folder / Path(body.file).name).read_bytes()
    except OSError as error:
        log.warning("body.unreadable file=%s reason=%s", body.file, error)
        return None


def remove_side_file(folder: Path, body: Body) -> None:
    """Removes what was carried on; a body without a file has nothing to remove."""
    if body.file:
        (folder / Path(body.file).name).unlink(missing_ok=True)
