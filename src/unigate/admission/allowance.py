"""What one door has of one limit: it was leased to it, is lent to running calls, and comes back or is spent."""

from __future__ import annotations

from typing import Final

from unigate.admission.rates import SPAN, Cooling
from unigate.tenancy import QuotaKind

__all__ = ["Allowance", "Key"]

Key = tuple[str, str, str]
"""Scope, kind and window of a limit."""

_COOLS: Final = (QuotaKind.REQUESTS, QuotaKind.TOKENS)


class Allowance:
    """Amounts of one limit at this door, as integers. Always: drawn = free + held + cooling + spent.

    `drawn` is what was leased less what was given back. `spent` money is gone for ever; of a rate it is what was used
    in `second`, and cools from the next one on.
    """

    __slots__ = (
        "awaited",
        "cooling",
        "drawn",
        "free",
        "gone",
        "key",
        "kind",
        "left",
        "limit",
        "limit_text",
        "low",
        "refused_until",
        "second",
        "spent",
        "stock",
        "used_at",
        "wanted",
    )

    def __init__(self, key: Key, second: int) -> None:
        self.key = key
        self.kind = QuotaKind(key[1])
        self.free = self.spent = self.drawn = 0
        self.cooling = Cooling() if self.kind in _COOLS else None
        # How many calls wait for some of it; those that come later must not pass them.
        self.awaited = 0
        # What would be free had no call taken any since it was drawn last: how large the next slice should be.
        self.stock = 0
        # With so little free, it is time for the next slice; and whether that is on its way.
        self.low = 0
        self.wanted = False
        self.second = self.used_at = second
        self.limit = 0
        self.limit_text = b""
        # What the bank told last: how much of it is left for anyone, and how much is gone for good.
        self.left = self.gone = 0
        # Of a limit of this size nothing can be had before this second.
        self.refused_until: tuple[int, int] = (0, 0)

    def set_limit(self, limit: int) -> None:
        """So much of it can be had at most; what it is called in headers is written once."""
        self.limit = limit
        self.limit_text = str(limit).encode()

    @property
    def held(self) -> int:
        """What running calls hold."""
        cooling = self.cooling.total if self.cooling is not None else 0
        return self.drawn - self.free - self.spent - cooling

    @property
    def taken(self) -> int:
        """What calls took since it was drawn last, less what they gave back."""
        return self.stock - self.free

    @property
    def whole_at(self) -> int:
        """The second at which all that counts now is free again; 0 if nothing does."""
        if self.cooling is None:
            return 0
        return self.second + 1 + SPAN if self.spent else self.cooling.empty_at

    def settle(self, held: int, took: int, second: int) -> None:
        """A call that held so much has taken so much."""
        if self.second != second:
            self.turn(second)
        self.free += held - took
        self.spent += took

    def turn(self, second: int) -> None:
        """Another second has begun: what was used in the last one cools, and what has counted long enough is free."""
        if self.cooling is not None:
            if self.spent:
                self.cooling.use(self.spent, self.second)
                self.spent = 0
            self._move(self.cooling.thaw(second))
        self.second = second

    def void(self, second: int) -> None:
        """Loses what is free: the bank has lent it to others by now."""
        self.turn(second)
        self.give_back()

    def grant(self, amount: int) -> None:
        """Adds a slice."""
        self.drawn += amount
        self.stock = self.free
        self._move(amount)
        self.wanted = False

    def give_back(self) -> int:
        """Takes out what is free, for the bank; less than nothing where calls took more than they held."""
        amount = self.free
        self._move(-amount)
        self.drawn -= amount
        return amount

    def _move(self, amount: int) -> None:
        """So much more is free, and no call gave it."""
        self.free += amount
        self.stock += amount
        # Taken since the last slice, twice as much as is left of it.
        self.low = self.stock // 3

    @property
    def is_idle(self) -> bool:
        """Whether nothing of it is here or in use."""
        is_cold = self.cooling is None or not (self.spent or self.cooling.total)
        return is_cold and not (self.free or self.held or self.awaited)
