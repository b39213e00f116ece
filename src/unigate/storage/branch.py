"""What a desk for doors asks of a branch of the bank, and a branch of rates of the store that gateways share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from unigate.admission.allowance import Key
from unigate.admission.bank_words import Back, Grant, Holding, Verdict, Want
from unigate.admission.book import Book
from unigate.admission.standby import Beat

__all__ = ["Branch", "Job", "Outcome", "Pulse", "RateStore", "done_in"]


class Job(msgspec.Struct, frozen=True):
    """What one door said, in an order that must be kept; a draw whose last turn this is gets what there is."""

    life: str
    holdings: tuple[Holding, ...] | None = None
    backs: tuple[Back, ...] = ()
    wants: tuple[Want, ...] = ()
    is_last: bool = False


class Outcome(msgspec.Struct, frozen=True):
    """What became of a job: a grant for each wish, and for each that was not met who has some of it.

    Nothing becomes of what a stranger wishes, whose life has ended or was forgotten: it has to say hello again.
    """

    grants: tuple[Grant, ...] = ()
    holders: tuple[frozenset[str], ...] = ()
    is_stranger: bool = False


class Pulse(msgspec.Struct, frozen=True):
    """How a branch is: the store's time, whether doors may use what they hold of rates, and if that may change soon."""

    now_ns: int
    are_rates_usable: bool = True
    is_settled: bool = True


class Branch(Protocol):
    """What a desk for doors needs behind it; every method blocks, and raises StorageError."""

    @property
    def regime(self) -> int:
        """Grows whenever doors have to tell anew what they have."""
        ...

    def work(self, jobs: Sequence[Job], patience: float) -> list[Outcome]:
        """Does the jobs in their order, all of them or none."""
        ...

    def beat(self, lives: Iterable[str], greeted: int, patience: float) -> Pulse:
        """Lets these doors' leases go on; `greeted` is the regime in which all doors have told what they have."""
        ...

    def end(self, life: str, patience: float) -> None:
        """A door has died: its calls do not run any more."""
        ...

    def neighbours(self, lives: Iterable[str], patience: float) -> dict[str, str]:
        """Those of the lives that belong to other gateways, and to which."""
        ...

    def post(self, keys: Sequence[Key], patience: float) -> int:
        """Asks all other gateways to recall; the number their answers will have."""
        ...

    def asked(self, patience: float) -> list[tuple[int, list[Key]]]:
        """What other gateways ask this one to recall."""
        ...

    def answer(self, number: int, patience: float) -> None:
        """Tells another gateway that all was given back."""
        ...

    def answers(self, number: int, patience: float) -> frozenset[str]:
        """The gateways that have answered a recall of this one."""
        ...


class RateStore(Protocol):
    """A store that several gateways share. Blocking, from any thread; every method raises StorageError."""

    @property
    def patience(self) -> float:
        """Seconds that a call may wait for it."""
        ...

    def work(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Does the jobs in their order, all of them or none."""
        ...

    def beat(self, lives: Iterable[str], alone: int, epoch: str) -> Beat:
        """Says that this gateway lives, with these doors, and how it lends; learns who else does."""
        ...

    def end(self, life: str) -> None:
        """A door is dead, and its calls with it."""
        ...

    def neighbours(self, lives: Iterable[str]) -> dict[str, str]:
        """Those of the lives that belong to other gateways, and to which."""
        ...

    def post(self, keys: Sequence[Key]) -> int:
        """Asks all other gateways to recall; the number their answers will have."""
        ...

    def asked(self) -> list[tuple[int, list[Key]]]:
        """What other gateways ask this one to recall."""
        ...

    def answer(self, number: int) -> None:
        """Tells another gateway that all was given back."""
        ...

    def answers(self, number: int) -> frozenset[str]:
        """The gateways that have answered a recall of this one."""
        ...


def done_in(book: Book, job: Job) -> Outcome:
    """One job done in a book: a grant for each wish, and for each that went short who has some of it."""
    if job.holdings is not None:
        book.greet(job.life, job.holdings)
    book.take_back(job.life, job.backs)
    pairs = [_lend(book, job, want) for want in job.wants]
    return Outcome(tuple(grant for grant, _ in pairs), tuple(holders for _, holders in pairs))


def _lend(book: Book, job: Job, want: Want) -> tuple[Grant, frozenset[str]]:
    grant = book.lend(job.life, want, partly=job.is_last)
    if grant.verdict is not Verdict.RESERVED:
        return grant, frozenset()
    return grant, frozenset(book.holders((want.scope, want.kind, want.window)))
