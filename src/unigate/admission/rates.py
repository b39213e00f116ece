"""What a sliding minute has seen: uses by the second, each of which comes free again when no window can hold it."""

from __future__ import annotations

from collections import deque
from typing import Final

__all__ = ["SPAN", "Cooling"]

SPAN: Final = 61
"""Seconds that a use counts for: a minute, and one more because a call arrives a moment after it was let in."""


class Cooling:
    """Uses that still count, summed up by the second; never more than a minute's worth of entries."""

    __slots__ = ("_uses", "total")

    def __init__(self) -> None:
        self._uses: deque[list[int]] = deque()
        self.total = 0

    def use(self, amount: int, second: int) -> None:
        """Counts `amount` from now on; seconds only grow."""
        uses = self._uses
        # To the end of its second, so that the grace is never shorter than it says.
        free_at = second + 1 + SPAN
        if uses and uses[-1][0] >= free_at:
            uses[-1][1] += amount
        else:
            uses.append([free_at, amount])
        self.total += amount

    def thaw(self, second: int) -> int:
        """How much has come free up to this second; it is told once."""
        uses = self._uses
        freed = 0
        while uses and uses[0][0] <= second:
            freed += uses.popleft()[1]
        self.total -= freed
        return freed

    @property
    def empty_at(self) -> int:
        """The second at which all of it is free again; 0 if it is."""
        return self._uses[-1][0] if self._uses else 0

    def schedule(self, second: int) -> tuple[tuple[int, int], ...]:
        """How much comes free after how many seconds."""
        return tuple((free_at - second, amount) for free_at, amount in self._uses)
