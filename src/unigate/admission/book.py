"""Who holds how much of each limit: the bank's book, kept in memory where there is one gateway only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from unigate.admission.allowance import Key
from unigate.admission.bank_words import Back, Grant, Holding, Verdict, Want
from unigate.admission.rates import Cooling
from unigate.tenancy import QuotaKind

__all__ = ["Book", "MemoryBook", "Use", "share"]

# A door gets at most this part of what is left beyond its need, so that little is stranded near the end.
_SHARE = 4


class Use(NamedTuple):
    """Something that a life took which has ended, seen in what it left behind."""

    scope: str
    kind: str
    amount: int
    second: int


class Book(Protocol):
    """Knows what is lent; each step happens whole or not at all. May raise StorageError."""

    def greet(self, life: str, holdings: Sequence[Holding]) -> None:
        """Believes a door that tells what it has."""
        ...

    def take_back(self, life: str, backs: Sequence[Back]) -> None:
        """Takes what a door gives back."""
        ...

    def lend(self, life: str, want: Want, *, partly: bool) -> Grant:
        """Grants what there is; if that is too little, only `partly` grants the needs that fit."""
        ...

    def holders(self, key: Key) -> Iterable[str]:
        """The lives that have some of a limit."""
        ...


def share(want: Want, left: int, gone: int, *, partly: bool) -> Grant:
    """The grant for a wish, if so much is left now and so much is gone for good."""
    amount = unmet = 0
    for need in want.needs:
        if need <= left - amount:
            amount += need
        else:
            unmet = min(unmet, need) if unmet else need
    verdict = Verdict.GRANTED
    if unmet:
        verdict = Verdict.SPENT if unmet > want.limit - gone else Verdict.RESERVED
        amount = amount if partly or verdict is Verdict.SPENT else 0
    else:
        amount += max(min(want.spare, (left - amount) // _SHARE), 0)
    return Grant(want.scope, want.kind, want.window, amount, want.limit, left - amount, gone, verdict)


class _Account:
    """One limit's leases by life, what those of ended lives still count, and when more comes free where."""

    __slots__ = ("cooling", "leases", "schedules")

    def __init__(self) -> None:
        self.leases: dict[str, int] = {}
        self.cooling = Cooling()
        self.schedules: dict[str, tuple[tuple[int, int], ...]] = {}


class MemoryBook:
    """The book of rates and slots of one gateway; what it knows comes from its doors, so it may be lost."""

    def __init__(self, second: Callable[[], int]) -> None:
        self._second = second
        self._accounts: dict[tuple[str, str], _Account] = {}

    def greet(self, life: str, holdings: Sequence[Holding]) -> None:
        """Believes a door that tells what it has."""
        for account in self._accounts.values():
            account.leases.pop(life, None)
        for one in holdings:
            self._account(one.scope, one.kind).leases[life] = one.drawn

    def take_back(self, life: str, backs: Sequence[Back]) -> None:
        """Takes what a door gives back, and notes when it will have more."""
        now = self._second()
        for back in backs:
            account = self._account(back.scope, back.kind)
            account.leases[life] = account.leases.get(life, 0) - back.amount
            account.schedules[life] = tuple((now + wait, amount) for wait, amount in back.cooling)
            if back.closed:
                account.leases.pop(life)
                account.schedules.pop(life)
                self._tidy(back.scope, back.kind)

    def lend(self, life: str, want: Want, *, partly: bool) -> Grant:
        """Grants what there is."""
        account = self._account(want.scope, want.kind)
        account.cooling.thaw(self._second())
        leases = account.leases
        leases[life] = leases.get(life, 0) - want.returned
        left = want.limit - sum(leases.values()) - account.cooling.total
        grant = share(want, left, 0, partly=partly)
        leases[life] += grant.amount
        if partly and grant.verdict is Verdict.RESERVED:
            missing = min(need for need in want.needs if need > grant.left) - grant.left
            return msgspec.structs.replace(grant, wait=self._wait(account, missing))
        return grant

    def holders(self, key: Key) -> Iterable[str]:
        """The lives that have some of a limit."""
        return tuple(life for life, amount in self._account(key[0], key[1]).leases.items() if amount > 0)

    def end(self, life: str) -> None:
        """A door has died: its slots are free, and what it may have used of a minute counts for another one."""
        for (_, kind), account in self._accounts.items():
            amount = account.leases.pop(life, 0)
            account.schedules.pop(life, None)
            if amount > 0 and kind != QuotaKind.SLOTS:
                account.cooling.use(amount, self._second())

    def remember(self, uses: Iterable[Use]) -> None:
        """Counts what ended lives used of the last minute; the oldest first."""
        for use in uses:
            self._account(use.scope, use.kind).cooling.use(use.amount, use.second)

    def _wait(self, account: _Account, missing: int) -> int:
        """Seconds until so much more has come free; 0 if only running calls can free it."""
        now = self._second()
        coming = sorted(
            (at, amount)
            for schedule in (*account.schedules.values(), account.cooling.schedule(0))
            for at, amount in schedule
            if at > now
        )
        for at, amount in coming:
            missing -= amount
            if missing <= 0:
                return at - now
        return 0

    def _account(self, scope: str, kind: str) -> _Account:
        found = self._accounts.get((scope, kind))
        if found is None:
            found = self._accounts[(scope, kind)] = _Account()
        return found

    def _tidy(self, scope: str, kind: str) -> None:
        account = self._accounts[(scope, kind)]
        if not account.leases and not account.cooling.total:
            del self._accounts[(scope, kind)]
