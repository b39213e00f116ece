"""The clocks that are passed in wherever something depends on time, so that a test can hold them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

__all__ = ["LeaseClock", "StoreClock", "Wall", "wall"]

Wall = Callable[[], int]
"""Nanoseconds since 1970-01-01 UTC; may jump, so it dates things and never times them."""

wall: Final[Wall] = time.time_ns

_TOLERATED_NS: Final = 50_000_000
_JUMP_NS: Final = 1_000_000_000
# Doors use no lease for longer that was not dated anew, and whoever lives does so once a second.
_DOUBT_NS: Final = 10_000_000_000


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


class LeaseClock:
    """The time by which leases have ended: a store's, but a jump ahead counts only once all have dated theirs anew.

    Else a clock that jumps an hour would end all leases at once, and what others hold would be lent a second time.
    """

    __slots__ = ("_doubted_since", "_monotonic", "_offset")

    def __init__(self, monotonic: Callable[[], int] = time.monotonic_ns) -> None:
        self._monotonic = monotonic
        self._offset: int | None = None
        self._doubted_since: int | None = None

    def __call__(self, now_ns: int) -> int:
        """The time to judge by while the store says that it is `now_ns`."""
        steady = self._monotonic()
        offset = now_ns - steady
        if self._offset is None or offset - self._offset <= _JUMP_NS:
            self._offset, self._doubted_since = offset, None
            return now_ns
        if self._doubted_since is None:
            self._doubted_since = steady
        if steady - self._doubted_since >= _DOUBT_NS:
            self._offset, self._doubted_since = offset, None
            return now_ns
        return self._offset + steady
