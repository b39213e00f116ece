"""Who holds how much of each limit: what every book of the bank can do, and how what is left is shared out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol

from unigate.admission.allowance import Key
from unigate.admission.bank_words import Back, Grant, Holding, Verdict, Want

__all__ = ["Book", "Schedules", "share"]

# A door gets at most this part of what is left beyond its need, so that little is stranded near the end.
_SHARE: Final = 4


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


class Schedules:
    """When doors said that more of their rates comes free: how long a refused client has to wait.

    One thread does what doors ask, another learns that one has died: `guard` lets one in at a time.
    """

    def __init__(self, second: Callable[[], int], guard: AbstractContextManager[object]) -> None:
        self._second = second
        self._guard = guard
        self._coming: dict[tuple[str, str], dict[str, tuple[tuple[int, int], ...]]] = {}

    def note(self, life: str, backs: Sequence[Back]) -> None:
        """A door gave back, and told when it will have more."""
        now = self._second()
        with self._guard:
            for back in backs:
                told = self._coming.setdefault((back.scope, back.kind), {})
                told[life] = tuple((now + wait, amount) for wait, amount in back.cooling)
                if not back.cooling:
                    del told[life]
                if not told:
                    del self._coming[back.scope, back.kind]

    def end(self, life: str) -> None:
        """A door has died."""
        with self._guard:
            for told in self._coming.values():
                told.pop(life, None)

    def wait(self, scope: str, kind: str, missing: int) -> int:
        """Seconds until so much more has come free; 0 if only running calls can free it."""
        now = self._second()
        with self._guard:
            schedules = tuple(self._coming.get((scope, kind), {}).values())
        for at, amount in sorted(one for schedule in schedules for one in schedule if one[0] > now):
            missing -= amount
            if missing <= 0:
                return at - now
        return 0
