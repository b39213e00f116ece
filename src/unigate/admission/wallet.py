"""A door's wallet: what it may let its calls consume without asking anyone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from unigate.admission.allowance import Allowance, Key
from unigate.admission.bank_words import Holding
from unigate.admission.windows import MONEY, Span, span_of
from unigate.tenancy import Quota, QuotaKind

__all__ = ["Need", "Part", "Permit", "Purse", "Shortage", "Wallet"]

_SECOND: Final = 1_000_000_000


class Need:
    """The most that one call can take: nano-dollars and tokens; it is one request and one slot besides."""

    __slots__ = ("nano", "tokens")

    def __init__(self, nano: int, tokens: int) -> None:
        self.nano = nano
        self.tokens = tokens

    def of(self, kind: QuotaKind) -> int:
        """How much of one kind."""
        if kind in MONEY:
            return self.nano
        return self.tokens if kind is QuotaKind.TOKENS else 1


class Part:
    """One of the limits a call is judged by, and what is there of it."""

    __slots__ = ("allowance", "quota")

    def __init__(self, allowance: Allowance, quota: Quota) -> None:
        self.allowance = allowance
        self.quota = quota


class Shortage:
    """Which limits this door has too little of for one call."""

    __slots__ = ("parts",)

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self.parts = parts


class Purse:
    """All limits of one standing, for the windows that hold now, sorted by what is done with them."""

    __slots__ = (
        "allowances",
        "budget",
        "budgets",
        "ends_ns",
        "money",
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
        self.allowances = tuple(part.allowance for part in parts)
        # The first of several limits of money, and the smallest of tokens.
        self.budget = next((part.quota for part in parts if part.quota.kind in MONEY), None)
        self.rates = tuple(one for one in self.allowances if one.kind not in MONEY)
        # Money and tokens are held until it is known how much of them a call took.
        self.money = tuple(one for one in self.allowances if one.kind in MONEY)
        self.tokens = tuple(one for one in self.allowances if one.kind is QuotaKind.TOKENS)
        self.requests = tuple(one for one in self.allowances if one.kind is QuotaKind.REQUESTS)
        self.slots = tuple(one for one in self.allowances if one.kind is QuotaKind.SLOTS)
        self.budgets = tuple((one.key[0], one.key[1]) for one in self.money)
        self.token_limit = min((one.limit for one in self.tokens), default=None)
        self.starts_ns = span.starts_ns
        self.ends_ns = span.ends_ns
        self.second = -1


class Permit:
    """What one call holds of all its limits; it is settled once, however often that is said."""

    __slots__ = ("_is_settled", "_need", "_purse", "_wallet", "has_left")

    def __init__(self, wallet: Wallet, purse: Purse, need: Need) -> None:
        self._wallet = wallet
        self._purse = purse
        self._need = need
        self._is_settled = False
        self.has_left = not purse.slots

    def settle(self, nano: int, tokens: int) -> None:
        """Says what the call took; its slots stay until it leaves. More than it held leaves less for the next."""
        if self._is_settled:
            return
        self._is_settled = True
        need, purse, second = self._need, self._purse, self._wallet.second
        for one in purse.money:
            one.settle(need.nano, nano, second)
            if one.free < 0 and nano > need.nano:
                self._wallet.tell_at_once(one)
        for one in purse.tokens:
            one.settle(need.tokens, tokens, second)
            if one.free < 0 and tokens > need.tokens:
                self._wallet.tell_at_once(one)

    def leave(self) -> None:
        """Gives its slots back: the provider has noticed that the call is over."""
        if not self.has_left:
            self.has_left = True
            for one in self._purse.slots:
                one.free += 1


class Wallet:
    """All allowances of a door. It changes only between awaits, so whatever it says holds until the next one."""

    def __init__(
        self,
        monotonic: Callable[[], int],
        low: Callable[[Allowance], None],
        urgent: Callable[[Allowance], None] | None = None,
    ) -> None:
        self._monotonic = monotonic
        self._low = low
        # Told of what the bank must hear of at once: a limit is smaller now, or more of it was taken than was at hand.
        self._urgent = urgent
        self._purses: dict[int, Purse] = {}
        self.allowances: dict[Key, Allowance] = {}
        # What was spent of dropped limits of money, until the bank has noted that, and under which number.
        self._dropped: dict[Key, tuple[int, int]] = {}
        # The bank believes a door that has not been heard of for longer to be dead, and lends its share to others.
        self.rates_until = 0

    @property
    def second(self) -> int:
        """The second of a clock that never jumps."""
        return self._monotonic() // _SECOND

    def take(self, quotas: tuple[Quota, ...], need: Need, at_ns: int) -> Permit | Shortage:
        """Everything a call needs, or nothing and what there is too little of."""
        purse = self.purse(quotas, at_ns)
        return self.take_from(purse, need) or Shortage(
            tuple(part for part in purse.parts if part.allowance.awaited or _lacks(part, need))
        )

    def take_from(self, purse: Purse, need: Need) -> Permit | None:
        """Everything a call needs from a purse that was just opened; None if there is too little of anything."""
        if _is_short(purse.money, need.nano) or _is_short(purse.tokens, need.tokens):
            return None
        if _is_short(purse.requests, 1) or _is_short(purse.slots, 1):
            return None
        return self._lend(purse, need)

    def take_awaited(self, quotas: tuple[Quota, ...], need: Need, at_ns: int) -> Permit | Shortage:
        """The same for a call whose turn it is, whoever else waits."""
        purse = self.purse(quotas, at_ns)
        short = tuple(part for part in purse.parts if _lacks(part, need))
        return Shortage(short) if short else self._lend(purse, need)

    def parts(self, quotas: tuple[Quota, ...], at_ns: int) -> tuple[Part, ...]:
        """The limits in the windows of this moment, with what is there of each."""
        return self.purse(quotas, at_ns).parts

    def purse(self, quotas: tuple[Quota, ...], at_ns: int) -> Purse:
        """The same, sorted."""
        purse = self._purses.get(id(quotas))  # the purse holds the quotas, so their identity stays taken
        if purse is None or not purse.starts_ns <= at_ns < purse.ends_ns:
            purse = self._open(quotas, at_ns)
        second = self.second
        if purse.second != second:
            self._turn(purse, second)
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

    def drop(self, allowance: Allowance, number: int) -> None:
        """Lets go of an allowance that nothing is left of; the bank is told so under that number."""
        if allowance.drawn and allowance.kind in MONEY:  # of other limits than of money nothing is ever charged late
            spent, _ = self._dropped.get(allowance.key, (0, 0))
            self._dropped[allowance.key] = spent + allowance.drawn, number
        del self.allowances[allowance.key]
        self._purses.clear()

    def was_heard(self, number: int) -> None:
        """The bank keeps what it was told under that number, and before."""
        if self._dropped:
            self._dropped = {key: one for key, one in self._dropped.items() if one[1] > number}

    def holdings(self) -> tuple[Holding, ...]:
        """All that is here, for a bank that may know too little or too much of it."""
        drawn = {one.key: one.drawn for one in self.allowances.values() if one.drawn}
        keys = (*drawn, *(key for key in self._dropped if key not in drawn))
        return tuple(Holding(*key, drawn.get(key, 0), self._dropped.get(key, (0, 0))[0]) for key in keys)

    def tell_at_once(self, allowance: Allowance) -> None:
        """Before the bank lends to others what is not there."""
        if self._urgent is not None:
            self._urgent(allowance)

    def _turn(self, purse: Purse, second: int) -> None:
        """The first call of a second finds free what has counted long enough; each of a silent door finds nothing."""
        for one in purse.allowances:
            one.used_at = second
        if second < self.rates_until:
            purse.second = second
            for one in purse.rates:
                one.turn(second)
        else:
            for one in purse.rates:
                one.void(second)

    def _lend(self, purse: Purse, need: Need) -> Permit:
        self._take_out(purse.money, need.nano)
        self._take_out(purse.tokens, need.tokens)
        self._take_out(purse.requests, 1)
        self._take_out(purse.slots, 1)
        for one in purse.requests:  # a request is used up as it is admitted
            one.spent += 1
        return Permit(self, purse, need)

    def _take_out(self, some: tuple[Allowance, ...], amount: int) -> None:
        for one in some:
            one.free -= amount
            if one.free <= one.low and not one.wanted:
                one.wanted = True
                self._low(one)

    def _open(self, quotas: tuple[Quota, ...], at_ns: int) -> Purse:
        span = span_of(at_ns)
        parts = tuple(self._part(quota, span) for quota in quotas)
        purse = self._purses[id(quotas)] = Purse(quotas, parts, span)
        return purse

    def _part(self, quota: Quota, span: Span) -> Part:
        allowance = self.allowance((quota.scope, quota.kind.value, span.window(quota.kind)))
        if quota.limit < allowance.limit:
            self.tell_at_once(allowance)
        allowance.set_limit(quota.limit)
        return Part(allowance, quota)


def _is_short(some: tuple[Allowance, ...], amount: int) -> bool:
    """Whether there is too little of any, or others wait for it."""
    return any(one.free < amount or one.awaited for one in some)


def _lacks(part: Part, need: Need) -> bool:
    return part.allowance.free < need.of(part.quota.kind)
