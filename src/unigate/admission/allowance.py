"""What one door has of one limit: it was leased to it, is lent to running calls, and comes back or is spent."""

from __future__ import annotations

from unigate.admission.rates import Cooling
from unigate.tenancy import QuotaKind

__all__ = ["Allowance", "Key"]

Key = tuple[str, str, str]
"""Scope, kind and window of a limit."""

# A member's name is looked up ten times as slowly as a module's, and every call asks of every limit.
_REQUESTS = QuotaKind.REQUESTS
_COOLS = (_REQUESTS, QuotaKind.TOKENS)


class Allowance:
    """Amounts of one limit at this door, as integers. Always: drawn = free + held + cooling + spent.

    `drawn` is what was leased less what was given back; `spent` is gone for ever, as money is.
    """

    __slots__ = (
        "awaited",
        "cooling",
        "drawn",
        "drawn_at",
        "free",
        "gone",
        "held",
        "key",
        "kind",
        "left",
        "limit",
        "refused_until",
        "spent",
        "taken",
        "used_at",
        "wanted",
    )

    def __init__(self, key: Key, second: int) -> None:
        self.key = key
        self.kind = QuotaKind(key[1])
        self.free = self.held = self.spent = self.drawn = 0
        self.cooling = Cooling() if self.kind in _COOLS else None
        # How many calls wait for some of it; those that come later must not pass them.
        self.awaited = 0
        # What was taken for good since it was drawn last, and when that was: how large the next slice should be.
        self.taken = 0
        self.drawn_at = self.used_at = second
        self.wanted = False
        self.limit = 0
        # What the bank told last: how much of it is left for anyone, and how much is gone for good.
        self.left = self.gone = 0
        # Of a limit of this size nothing can be had before this second.
        self.refused_until: tuple[int, int] = (0, 0)

    def lend(self, amount: int, second: int) -> None:
        """Lends to a call; the caller has seen that there is enough. A request is used up as it is admitted."""
        self.free -= amount
        self.taken += amount
        self.used_at = second
        if self.kind is _REQUESTS:
            assert self.cooling is not None
            self.cooling.use(amount, second)
        else:
            self.held += amount

    def settle(self, held: int, real: int, second: int) -> None:
        """Takes back what a call held, less what it really took; more than it held leaves less for the next."""
        self.held -= held
        self.free += held - real
        self.taken -= held - real
        if self.cooling is not None:
            self.cooling.use(real, second)
        else:
            self.spent += real

    def thaw(self, second: int) -> None:
        """Frees what has counted long enough."""
        if self.cooling is not None:
            self.free += self.cooling.thaw(second)

    def void(self, second: int) -> None:
        """Loses what is free: the bank has lent it to others by now."""
        self.thaw(second)
        self.give_back()

    def grant(self, amount: int, second: int) -> None:
        """Adds a slice."""
        self.free += amount
        self.drawn += amount
        self.taken = 0
        self.drawn_at = second
        self.wanted = False

    def give_back(self) -> int:
        """Takes out what is free, for the bank; less than nothing where calls took more than they held."""
        amount = self.free
        self.free = 0
        self.drawn -= amount
        return amount

    @property
    def is_idle(self) -> bool:
        """Whether nothing of it is here or in use."""
        return not (self.free or self.held or self.awaited) and (self.cooling is None or not self.cooling.total)
