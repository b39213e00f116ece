"""Reads on what a client no longer waits for, where the provider bills it all the same: for its true usage."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Final

from unigate.errors import Fault, Kind, Refusal, StorageError
from unigate.gate import Ledger
from unigate.reply import Reply

__all__ = ["Drains"]

log: Final = logging.getLogger("unigate.door")

_MOST: Final = 64
_LONGEST: Final = 120.0


class Drains:
    """The answers that are read to their end without a client: so many at once, and each for so long."""

    def __init__(self, *, most: int = _MOST, longest: float = _LONGEST) -> None:
        self._most = most
        self._longest = longest
        self._running: set[asyncio.Task[None]] = set()

    async def through(self, work: Coroutine[None, None, None], reply: Reply, ledger: Ledger) -> None:
        """Does what carries a call; if its client leaves meanwhile, goes on alone. Raises what the work raises."""
        task = asyncio.get_running_loop().create_task(work)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            has_room = len(self._running) < self._most
            if task.done() or not (reply.is_gone and has_room and ledger.was_sent):
                task.cancel()
                raise
            ledger.is_draining = True
            ending = asyncio.get_running_loop().create_task(self._finish(task, ledger))
            self._running.add(ending)
            ending.add_done_callback(self._running.discard)
            raise

    async def close(self) -> None:
        """Ends what still runs; each leaves its record."""
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    async def _finish(self, task: asyncio.Task[None], ledger: Ledger) -> None:
        end = "client_left"
        try:
            async with asyncio.timeout(self._longest):
                await task
        except Fault as fault:
            end = fault.kind.value
        except (asyncio.CancelledError, TimeoutError, Refusal):
            log.debug("drain.ended")
        except StorageError as error:
            log.error("record.lost reason=%s", error)
        finally:
            self._settle(ledger, end)

    def _settle(self, ledger: Ledger, end: str) -> None:
        try:
            ledger.settle(200, end, Kind.TOTAL_TIMEOUT.value if end == "client_left" else end)
        except StorageError as error:
            log.error("record.lost reason=%s", error)
        ledger.close()
