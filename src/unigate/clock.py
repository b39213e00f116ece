"""The clocks that are passed in wherever something depends on time, so that a test can hold them."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["StoreClock", "Wall", "wall"]

Wall = Callable[[], int]
"""Nanoseconds since 1970-01-01 UTC; may jump, so it dates things and never times them."""

wall: Wall = time.time_ns

_TOLERATED_NS = 50_000_000


class StoreClock:
    """The store's time, which all doors share, carried on by a clock that never jumps; until it is told, the host's."""

    __slots__ = ("_monotonic", "_offset")

    def __init__(self, now: Wall = wall, monotonic: Callable[[], int] = time.monotonic_ns) -> None:
        self._monotonic = monotonic
        self._offset = now() - monotonic()

    def __call__(self) -> int:
        return self._offset + self._monotonic()

    def set(self, now_ns: int) -> None:
        """Believes the store; what a message takes to arrive moves nothing."""
        offset = now_ns - self._monotonic()
        if abs(offset - self._offset) > _TOLERATED_NS:
            self._offset = offset
