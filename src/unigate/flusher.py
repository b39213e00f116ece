"""The flusher forces a journal to the disk: at intervals, or at once for each group of entries that waits for it."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from unigate.errors import StorageError
from unigate.journal import Journal

__all__ = ["Confirmed", "Flusher", "confirmed"]

log: Final = logging.getLogger("unigate.door")

_LONGEST_SYNC: Final = 10.0
_LOOK_FOR_ROOM: Final = 1.0


class Flusher:
    """Syncs one journal from a thread of its own, and makes its next segment there, so that no call waits for a lock.

    Entries that came while a sync was running wait for the next one together, which is a group commit.
    """

    def __init__(self, journal: Journal, interval_s: float) -> None:
        self._journal = journal
        self._interval_s = interval_s
        self._asked = asyncio.Event()
        self._group: asyncio.Future[None] | None = None
        self._is_failing = False
        journal.watch(self._asked.set)

    def written(self) -> asyncio.Future[None]:
        """What to wait for until everything appended so far is on the disk; many wait for the same one."""
        if self._group is None:
            self._group = asyncio.get_running_loop().create_future()
            self._asked.set()
        return self._group

    async def run(self) -> None:
        """Works until it is cancelled."""
        loop = asyncio.get_running_loop()
        sync_at = look_at = loop.time()
        with ThreadPoolExecutor(1, "journal") as thread:
            while True:
                if loop.time() >= look_at or self._journal.lacks_spare:
                    await loop.run_in_executor(thread, self._journal.provide)
                    look_at = loop.time() + _LOOK_FOR_ROOM
                await self._rest(min(sync_at, look_at) - loop.time())
                group, self._group = self._group, None
                if group is None and loop.time() < sync_at:
                    continue
                error = await loop.run_in_executor(thread, self._sync)
                sync_at = loop.time() + self._interval_s
                if group is not None:
                    _tell(group, error)

    async def _rest(self, seconds: float) -> None:
        """Waits for a group, or for a segment that was taken into use, but not longer than that."""
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._asked.wait()
        except TimeoutError:
            pass
        self._asked.clear()

    def _sync(self) -> OSError | None:
        try:
            self._journal.sync()
        except OSError as error:
            if not self._is_failing:
                log.error("journal.sync_failed reason=%s", error)
            self._is_failing = True
            return error
        self._is_failing = False
        return None


class Confirmed:
    """A journal of which each entry tells when the disk itself has it."""

    def __init__(self, journal: Journal, flusher: Flusher) -> None:
        self._journal = journal
        self._flusher = flusher

    def append(self, payload: bytes) -> asyncio.Future[None]:
        """Writes one frame; done once the disk has it. Raises StorageError."""
        self._journal.append(payload)
        return self._flusher.written()

    def begin(self, payload: bytes) -> asyncio.Future[None]:
        """Writes the first frame of something; done once the disk has it. Raises StorageError."""
        self._journal.begin(payload)
        return self._flusher.written()


async def confirmed(written: asyncio.Future[None]) -> None:
    """Waits until the disk has what was written. Raises StorageError if it did not take it, or not in time."""
    done, _ = await asyncio.wait((written,), timeout=_LONGEST_SYNC)
    if not done:
        raise StorageError(f"The disk has not confirmed the journal within {_LONGEST_SYNC:.0f} s.")
    written.result()


def _tell(group: asyncio.Future[None], error: OSError | None) -> None:
    if error is None:
        group.set_result(None)
        return
    group.set_exception(StorageError(f"The journal did not reach the disk: {error.strerror}."))
    group.exception()  # whoever waited may have left, and nobody else need hear of it
