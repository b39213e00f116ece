"""The bank: lends parts of limits to doors. Money is lent in the database, in the same books as what was spent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from unigate.admission.allowance import Key
from unigate.admission.bank_words import Back, Grant, Holding, Verdict, Want
from unigate.admission.book import Book, MemoryBook, share
from unigate.admission.windows import MONEY
from unigate.storage.database import Database, Rows

__all__ = ["Bank", "Job", "MoneyBook", "Outcome"]

_KINDS = frozenset(kind.value for kind in MONEY)

# Both in one statement, so that a record carried meanwhile is seen in both or in neither.
_LEFT = (
    'SELECT COALESCE((SELECT nano FROM spend WHERE scope = ?1 AND "window" = ?3), 0), '
    'COALESCE((SELECT SUM(amount) FROM leases WHERE scope = ?1 AND kind = ?2 AND "window" = ?3), 0)'
)
_LEND = (
    'INSERT INTO leases (life, scope, kind, "window", amount, drawn) VALUES (?, ?, ?, ?, ?, ?) '
    'ON CONFLICT (life, scope, kind, "window") DO UPDATE SET '
    "amount = leases.amount + excluded.amount, drawn = leases.drawn + excluded.drawn"
)
_DRAWN = 'SELECT scope, kind, "window", drawn FROM leases WHERE life = ?'
_CLOSE = 'UPDATE leases SET drawn = 0 WHERE life = ? AND scope = ? AND kind = ? AND "window" = ?'
_SWEEP = 'DELETE FROM leases WHERE life = ? AND scope = ? AND kind = ? AND "window" = ? AND amount = 0 AND drawn = 0'
_HOLDERS = 'SELECT life FROM leases WHERE scope = ? AND kind = ? AND "window" = ? AND amount <> 0'


class MoneyBook:
    """Money's book inside one transaction. Always: spent + all leases ≤ limit, unless a limit was lowered."""

    def __init__(self, run: Rows) -> None:
        self._run = run

    def greet(self, life: str, holdings: Sequence[Holding]) -> None:
        """Ends what was lent to a door that never heard of it, or given back by one that was not heard."""
        told = {(one.scope, one.kind, one.window): one.drawn for one in holdings}
        for scope, kind, window, drawn in msgspec.convert(self._run(_DRAWN, (life,)), list[tuple[str, str, str, int]]):
            if kind in _KINDS:
                self._move(life, (scope, kind, window), told.get((scope, kind, window), 0) - drawn)

    def take_back(self, life: str, backs: Sequence[Back]) -> None:
        """Takes what a door gives back."""
        for back in backs:
            place = (back.scope, back.kind, back.window)
            self._move(life, place, -back.amount)
            if back.closed:
                self._run(_CLOSE, (life, *place))
                self._run(_SWEEP, (life, *place))

    def lend(self, life: str, want: Want, *, partly: bool) -> Grant:
        """Grants what there is."""
        place = (want.scope, want.kind, want.window)
        self._run.lock("quota:" + ":".join(place))
        spent, leased = self._left(place)
        grant = share(want, want.limit - spent - leased + want.returned, spent, partly=partly)
        self._move(life, place, grant.amount - want.returned)
        return grant

    def holders(self, key: Key) -> Iterable[str]:
        """The lives that have some of a limit."""
        return tuple(str(row[0]) for row in self._run(_HOLDERS, key))

    def _left(self, place: Key) -> tuple[int, int]:
        return msgspec.convert(self._run(_LEFT, place)[0], tuple[int, int])

    def _move(self, life: str, place: Key, amount: int) -> None:
        if amount:
            self._run(_LEND, (life, *place, amount, amount))


class Job(msgspec.Struct, frozen=True):
    """What one door said, in an order that must be kept; a draw whose last turn this is gets what there is."""

    life: str
    holdings: tuple[Holding, ...] | None = None
    backs: tuple[Back, ...] = ()
    wants: tuple[Want, ...] = ()
    is_last: bool = False


class Outcome(msgspec.Struct, frozen=True):
    """What became of a job: a grant for each wish, and for each who else has some of it."""

    grants: tuple[Grant, ...]
    holders: tuple[frozenset[str], ...]


class Bank:
    """Does what doors ask, many jobs in one transaction. Blocking: one thread."""

    def __init__(self, database: Database, rates: MemoryBook) -> None:
        self._database = database
        self._rates = rates
        # Whether every door has told what it has; until then nobody can say what is left of rates.
        self.knows_all = False

    def work(self, jobs: Sequence[Job], patience: float) -> list[Outcome]:
        """Does the jobs in their order, all of them or none. Raises StorageError."""
        if not any(map(_concerns_money, jobs)):
            return [self._do(job, None) for job in jobs]
        with self._database.transaction(patience) as run:
            money = MoneyBook(run)
            # Rates are no part of the transaction, so they move only once nothing else can fail.
            firsts = [self._do_money(job, money) for job in jobs]
        return [self._do(job, first) for job, first in zip(jobs, firsts, strict=True)]

    def now_ns(self, patience: float) -> int:
        """The store's own time. Raises StorageError if it does not answer."""
        with self._database.reading(patience) as run:
            run("SELECT value FROM meta WHERE name = 'version'")
            return run.now_ns()

    def _do_money(self, job: Job, book: Book) -> dict[Key, tuple[Grant, frozenset[str]]]:
        if job.holdings is not None:
            book.greet(job.life, [one for one in job.holdings if one.kind in _KINDS])
        book.take_back(job.life, [one for one in job.backs if one.kind in _KINDS])
        return {
            (want.scope, want.kind, want.window): self._lend(job, want, book)
            for want in sorted(job.wants, key=_place)
            if want.kind in _KINDS
        }

    def _do(self, job: Job, first: dict[Key, tuple[Grant, frozenset[str]]] | None) -> Outcome:
        book = self._rates
        if job.holdings is not None:
            book.greet(job.life, [one for one in job.holdings if one.kind not in _KINDS])
        book.take_back(job.life, [one for one in job.backs if one.kind not in _KINDS])
        done = first or {}
        pairs = [done.get(_place(want)) or self._lend(job, want, book) for want in job.wants]
        return Outcome(tuple(grant for grant, _ in pairs), tuple(holders for _, holders in pairs))

    def end(self, life: str) -> None:
        """A door has died. What it had of money ends with its journal."""
        self._rates.end(life)

    def _lend(self, job: Job, want: Want, book: Book) -> tuple[Grant, frozenset[str]]:
        if book is self._rates and not self.knows_all:
            return Grant(want.scope, want.kind, want.window, 0, want.limit, 0, verdict=Verdict.UNKNOWN), frozenset()
        grant = book.lend(job.life, want, partly=job.is_last)
        others = book.holders(_place(want)) if grant.verdict is Verdict.RESERVED else ()
        return grant, frozenset(others) - {job.life}


def _place(want: Want) -> Key:
    return want.scope, want.kind, want.window


def _concerns_money(job: Job) -> bool:
    return job.holdings is not None or any(one.kind in _KINDS for one in (*job.backs, *job.wants))
