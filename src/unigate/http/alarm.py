"""A deadline that moves with every request, on a timer that hardly ever does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

__all__ = ["Alarm"]

_CLOSE_ENOUGH: Final = 0.001


class Alarm:
    """Calls `ring` once its moment has come; a timer that fires before a moment that was moved sets itself anew."""

    __slots__ = ("_loop", "_moment", "_ring", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._moment = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float) -> None:
        """Rings after so many seconds, and no more at the moment that was set before."""
        self._moment = moment = self._loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= moment:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(moment, self._look)

    def off(self) -> None:
        """Does not ring until it is set again."""
        self._moment = 0.0

    def end(self) -> None:
        """Never rings again."""
        self._moment = 0.0
        self._ring = _silent
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if not self._moment:
            return
        if self._loop.time() < self._moment - _CLOSE_ENOUGH:
            self._timer = self._loop.call_at(self._moment, self._look)
        else:
            self._ring()


def _silent() -> None:
    """What an alarm does that has ended."""
