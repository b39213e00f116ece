"""A door's wallet: what it may let its calls consume without asking anyone."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from unigate.admission.allowance import Allowance, Key
from unigate.admission.windows import Span, span_of
from unigate.tenancy import Quota, QuotaKind

__all__ = ["Need", "Part", "Permit", "Purse", "Shortage", "Wallet"]

_SECOND = 1_000_000_000
_PLACES = {QuotaKind.REQUESTS: 2, QuotaKind.TOKENS: 1, QuotaKind.SLOTS: 3}


class Need(msgspec.Struct, frozen=True, gc=False):
    """The most that one call can take: nano-dollars and tokens; it is one request and one slot besides."""

    nano: int
    tokens: int

    def of(self, kind: QuotaKind) -> int:
        """How much of one kind."""
        return (self.nano, self.tokens, 1, 1)[_PLACES.get(kind, 0)]


class Part(NamedTuple):
    """One of the limits a call is judged by, and the place of its amount in a need."""

    allowance: Allowance
    place: int
    quota: Quota


class Shortage(msgspec.Struct, frozen=True):
    """Which limits this door has too little of for one call."""

    parts: tuple[Part, ...]


class Purse:
    """All limits of one standing, for the windows that hold now, sorted by what is done with them."""

    __slots__ = (
        "budget",
        "budgets",
        "ends_ns",
        "held",
        "parts",
        "quotas",
        "rates",
        "requests",
        "second",
        "slots",
        "starts_ns",
        "token_limit",
        "tokens",
    )

    def __init__(self, quotas: tuple[Quota, ...], parts: tuple[Part, ...], span: Span) -> None:
        self.quotas = quotas
        self.parts = parts
        self.held = tuple((part.allowance, part.place) for part in parts if part.place < 2)
        # The first of several limits of money, and the smallest of tokens.
        self.budget = next((part.quota for part in parts if part.place == 0), None)
        self.budgets = tuple((part.quota.scope, part.quota.kind.value) for part in parts if part.place == 0)
        self.token_limit = min((part.quota.limit for part in parts if part.place == 1), default=None)
        self.tokens = tuple(part for part in parts if part.place == 1)
        self.requests = tuple(part for part in parts if part.place == 2)
        self.slots = tuple(part.allowance for part in parts if part.place == 3)
        self.rates = tuple(part.allowance for part in parts if part.place)
        self.starts_ns = span.starts_ns
        self.ends_ns = span.ends_ns
        self.second = -1


class Permit:
    """What one call holds of all its limits; it is settled once, however often that is said."""

    __slots__ = ("_is_settled", "_nano", "_purse", "_tokens", "_wallet", "has_left")

    def __init__(self, wallet: Wallet, purse: Purse, nano: int, tokens: int) -> None:
        self._wallet = wallet
        self._purse = purse
        self._nano = nano
        self._tokens = tokens
        self._is_settled = False
        self.has_left = not purse.slots

    @property
    def held_nano(self) -> int | None:
        """The nano-dollars it holds; None if no limit of money asks."""
        return self._nano if self._purse.budget is not None else None

    @property
    def budgets(self) -> tuple[tuple[str, str], ...]:
        """The limits of money it holds of: scope and kind."""
        return self._purse.budgets

    def settle(self, nano: int, tokens: int) -> None:
        """Says what the call took; its slots stay until it leaves."""
        if self._is_settled:
            return
        self._is_settled = True
        second = self._wallet.second
        for allowance, place in self._purse.held:
            if place:
                allowance.settle(self._tokens, tokens, second)
            else:
                allowance.settle(self._nano, nano, second)

    def leave(self) -> None:
        """Gives its slots back: the provider has noticed that the call is over."""
        if self.has_left:
            return
        self.has_left = True
        second = self._wallet.second
        for allowance in self._purse.slots:
            allowance.settle(1, 0, second)


class Wallet:
    """All allowances of a door. It changes only between awaits, so whatever it says holds until the next one."""

    def __init__(
        self,
        monotonic: Callable[[], int],
        low: Callable[[Allowance], None],
        lowered: Callable[[Allowance], None] | None = None,
    ) -> None:
        self._monotonic = monotonic
        self._low = low
        # Told of a limit that is smaller now: what is at hand may be too much of it.
        self._lowered = lowered
        self._purses: dict[int, Purse] = {}
        self.allowances: dict[Key, Allowance] = {}
        # The bank believes a door that has not been heard of for longer to be dead, and lends its share to others.
        self.rates_until = 0

    @property
    def second(self) -> int:
        """The second of a clock that never jumps."""
        return self._monotonic() // _SECOND

    def take(self, quotas: tuple[Quota, ...], need: Need, at_ns: int) -> Permit | Shortage:
        """Everything a call needs, or nothing and what there is too little of."""
        return self.take_from(self.purse(quotas, at_ns), need)

    def take_from(self, purse: Purse, need: Need) -> Permit | Shortage:
        """The same from a purse that was just opened."""
        needs = (need.nano, need.tokens, 1, 1)
        for allowance, place, _ in purse.parts:
            if allowance.free < needs[place] or allowance.awaited:
                return Shortage(tuple(p for p in purse.parts if p[0].free < needs[p[1]] or p[0].awaited))
        return self._lend(purse, needs, purse.second)

    def take_awaited(self, quotas: tuple[Quota, ...], need: Need, at_ns: int) -> Permit | Shortage:
        """The same for a call whose turn it is, whoever else waits."""
        purse = self.purse(quotas, at_ns)
        needs = (need.nano, need.tokens, 1, 1)
        short = tuple(part for part in purse.parts if part.allowance.free < needs[part.place])
        return Shortage(short) if short else self._lend(purse, needs, purse.second)

    def parts(self, quotas: tuple[Quota, ...], at_ns: int) -> tuple[Part, ...]:
        """The limits in the windows of this moment, with what is there of each."""
        return self.purse(quotas, at_ns).parts

    def purse(self, quotas: tuple[Quota, ...], at_ns: int) -> Purse:
        """The same, sorted."""
        second = self.second
        purse = self._purses.get(id(quotas))  # the purse holds the quotas, so their identity stays taken
        if purse is None or not purse.starts_ns <= at_ns < purse.ends_ns:
            purse = self._open(quotas, at_ns)
        if purse.second != second:
            purse.second = second
            for allowance in purse.rates:
                if second < self.rates_until:
                    allowance.thaw(second)
                else:
                    allowance.void(second)
        return purse

    def allowance(self, key: Key) -> Allowance:
        """What there is of one limit."""
        found = self.allowances.get(key)
        if found is None:
            found = self.allowances[key] = Allowance(key, self.second)
        return found

    def forget(self) -> None:
        """Other quotas hold from now on."""
        self._purses.clear()

    def drop(self, allowance: Allowance) -> None:
        """Lets go of an allowance that nothing is left of."""
        del self.allowances[allowance.key]
        self._purses.clear()

    def _lend(self, purse: Purse, needs: tuple[int, int, int, int], second: int) -> Permit:
        for allowance, place, _ in purse.parts:
            allowance.lend(needs[place], second)
            # Taken since the last slice, twice as much as is left of it: time for another.
            if not allowance.wanted and allowance.free * 2 <= allowance.taken:
                allowance.wanted = True
                self._low(allowance)
        return Permit(self, purse, needs[0], needs[1])

    def _open(self, quotas: tuple[Quota, ...], at_ns: int) -> Purse:
        span = span_of(at_ns)
        parts = tuple(self._part(quota, span) for quota in quotas)
        purse = self._purses[id(quotas)] = Purse(quotas, parts, span)
        return purse

    def _part(self, quota: Quota, span: Span) -> Part:
        allowance = self.allowance((quota.scope, quota.kind.value, span.window(quota.kind)))
        if quota.limit < allowance.limit and self._lowered is not None:
            self._lowered(allowance)
        allowance.limit = quota.limit
        return Part(allowance, _PLACES.get(quota.kind, 0), quota)
