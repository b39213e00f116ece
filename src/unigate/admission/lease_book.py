"""A book of rates and slots over leases that are at hand: in memory, or fetched from a store for one step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from unigate.admission.allowance import Key
from unigate.admission.bank_words import Back, Grant, Holding, Verdict, Want
from unigate.admission.book import share
from unigate.tenancy import QuotaKind

__all__ = ["GONE_NS", "Account", "Lease", "LeaseBook", "Leases", "Life"]

Account = tuple[str, str]
"""Scope and kind of a limit."""

Coming = tuple[tuple[int, int], ...]
"""At which second of the store's time how much more comes free."""

_SECOND = 1_000_000_000
# A door uses what it has for 10 s after it was last heard, and each use counts for 62 s more.
GONE_NS = 75 * _SECOND
_SLOT_NS = 60 * _SECOND


class Life(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One door's life: of which gateway it is, and when that gateway last said that it lives."""

    gateway: str
    seen_ns: int


class Lease(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one life has of one limit, and when it said that more of it comes free there."""

    amount: int
    coming: Coming = ()


Leases = dict[str, Lease]
"""How much of one limit each life has."""


class LeaseBook:
    """The leases of some limits at one moment; `touched` are those that changed."""

    def __init__(
        self, accounts: dict[Account, Leases], lives: dict[str, Life], now_ns: int, judged_ns: int | None = None
    ) -> None:
        self._accounts = accounts
        self._lives = lives
        self._now_ns = now_ns
        # By when leases have ended, where that is another time.
        self._judged_ns = now_ns if judged_ns is None else judged_ns
        self.touched: set[Account] = set()

    def greet(self, life: str, holdings: Sequence[Holding]) -> None:
        """Believes a door that tells what it has."""
        told = {(one.scope, one.kind): one.drawn for one in holdings}
        for account, leases in tuple(self._accounts.items()):
            if life in leases and account not in told:
                self._set(account, life, Lease(0))
        for account, drawn in told.items():
            self._set(account, life, Lease(drawn))

    def take_back(self, life: str, backs: Sequence[Back]) -> None:
        """Takes what a door gives back, and notes when it will have more."""
        second = self._now_ns // _SECOND
        for back in backs:
            account = (back.scope, back.kind)
            coming = tuple((second + wait, amount) for wait, amount in back.cooling)
            # Never below nothing: a door's last word may come after its slots were taken from it.
            self._set(account, life, Lease(max(self._amount(account, life) - back.amount, 0), coming))

    def lend(self, life: str, want: Want, *, partly: bool) -> Grant:
        """Grants what there is; a door that gets too little is told how long to wait."""
        account = (want.scope, want.kind)
        leases = self._accounts.get(account, {})
        for other in [other for other in leases if other != life and not self._counts(other, want.kind)]:
            self._set(account, other, Lease(0))
        mine = leases.get(life, Lease(0))
        others = sum(lease.amount for other, lease in leases.items() if other != life)
        kept = max(mine.amount - want.returned, 0)
        grant = share(want, want.limit - others - kept, 0, partly=partly)
        self._set(account, life, Lease(kept + grant.amount, mine.coming))
        if partly and grant.verdict is Verdict.RESERVED:
            missing = min(need for need in want.needs if need > grant.left) - grant.left
            return msgspec.structs.replace(grant, wait=self._wait(leases, missing))
        return grant

    def holders(self, key: Key) -> Iterable[str]:
        """The lives that have some of a limit."""
        leases = self._accounts.get((key[0], key[1]), {})
        return tuple(life for life, one in leases.items() if one.amount > 0 and self._counts(life, key[1]))

    def end(self, life: str) -> None:
        """A door is dead, and its calls with it; what it used of a minute counts on."""
        for account, leases in tuple(self._accounts.items()):
            if account[1] == QuotaKind.SLOTS and life in leases:
                self._set(account, life, Lease(0))

    def _counts(self, life: str, kind: str) -> bool:
        """Whether a life may still use what it has, or has used it so lately that it counts."""
        known = self._lives.get(life)
        lasting = _SLOT_NS if kind == QuotaKind.SLOTS else GONE_NS
        return known is not None and known.seen_ns + lasting > self._judged_ns

    def _wait(self, leases: Leases, missing: int) -> int:
        """Seconds until so much more has come free; 0 if only running calls can free it."""
        second = self._now_ns // _SECOND
        for at, amount in sorted(one for lease in leases.values() for one in lease.coming if one[0] > second):
            missing -= amount
            if missing <= 0:
                return at - second + 1
        return 0

    def _amount(self, account: Account, life: str) -> int:
        return self._accounts.get(account, {}).get(life, Lease(0)).amount

    def _set(self, account: Account, life: str, lease: Lease) -> None:
        leases = self._accounts.setdefault(account, {})
        if leases.get(life, Lease(0)) != lease:
            self.touched.add(account)
        if lease.amount or lease.coming:
            leases[life] = lease
        else:
            leases.pop(life, None)
        if not leases:
            del self._accounts[account]
