"""One timer for everything that waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush

__all__ = ["Wheel"]


class Wheel:
    """Calls back after some milliseconds; thousands of waiting streams share one timer of the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, list[Callable[[], None]]] = {}
        self._order: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._armed = 0

    def after(self, delay_ms: int, callback: Callable[[], None]) -> None:
        """Call back once, that many milliseconds from now."""
        due = int(self._loop.time() * 1000) + delay_ms
        slot = self._slots.get(due)
        if slot is not None:
            slot.append(callback)
            return
        self._slots[due] = [callback]
        heappush(self._order, due)
        if self._timer is None or due < self._armed:
            self._arm(due)

    def _arm(self, due: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed = due
        self._timer = self._loop.call_at(due / 1000, self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = int(self._loop.time() * 1000)
        while self._order and self._order[0] <= now:
            for callback in self._slots.pop(heappop(self._order)):
                callback()
        if self._order:
            self._arm(self._order[0])
