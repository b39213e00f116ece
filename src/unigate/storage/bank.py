"""The bank: lends parts of limits to doors. What is lent stands in the database, money beside what was spent."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence

import msgspec

from unigate.admission.allowance import Key
from unigate.admission.bank_words import Back, Grant, Holding, Verdict, Want
from unigate.admission.book import Book, Schedules, share
from unigate.admission.windows import MONEY
from unigate.clock import LeaseClock
from unigate.storage.branch import Job, Outcome, Pulse, done_in
from unigate.storage.database import Database, Rows
from unigate.storage.rates import (
    RateBook,
    answer_recall,
    answers_to,
    end_slots,
    post_recall,
    rates_lock,
    recalls_for,
    renew,
)

__all__ = ["Bank", "MoneyBook"]


_MONEY = frozenset(kind.value for kind in MONEY)

# Both in one statement, so that a record carried meanwhile is seen in both or in neither.
_LEFT = (
    'SELECT COALESCE((SELECT nano FROM spend WHERE scope = ?1 AND "window" = ?3), 0), '
    'CAST(COALESCE((SELECT SUM(amount) FROM leases WHERE scope = ?1 AND kind = ?2 AND "window" = ?3), 0) AS BIGINT)'
)
_LEND = (
    'INSERT INTO leases (life, scope, kind, "window", amount, drawn) VALUES (?, ?, ?, ?, ?, ?) '
    'ON CONFLICT (life, scope, kind, "window") DO UPDATE SET '
    "amount = leases.amount + excluded.amount, drawn = leases.drawn + excluded.drawn"
)
# Only of what is still lent: a door's last word may come after its life was ended, and its leases with it.
_RETURN = (
    "UPDATE leases SET amount = amount - ?1, drawn = drawn - ?1 "
    'WHERE life = ?2 AND scope = ?3 AND kind = ?4 AND "window" = ?5'
)
_DRAWN = 'SELECT scope, kind, "window", drawn FROM leases WHERE life = ?'
# Never below nothing: a door that has used all it had may have forgotten the limit without being heard.
_CORRECT = (
    "UPDATE leases SET drawn = ?2, amount = CASE WHEN amount >= ?1 THEN amount - ?1 WHEN amount > 0 THEN 0 "
    'ELSE amount END WHERE life = ?3 AND scope = ?4 AND kind = ?5 AND "window" = ?6'
)
# Calls that came while the limit was taken away were charged to it, and held nothing of it.
_CLOSE = (
    "UPDATE leases SET drawn = 0, amount = CASE WHEN amount < 0 THEN 0 ELSE amount END "
    'WHERE life = ? AND scope = ? AND kind = ? AND "window" = ?'
)
_SWEEP = 'DELETE FROM leases WHERE life = ? AND scope = ? AND kind = ? AND "window" = ? AND amount = 0 AND drawn = 0'
_HOLDERS = 'SELECT life FROM leases WHERE scope = ? AND kind = ? AND "window" = ? AND amount <> 0'
_BEGIN_LIFE = "INSERT INTO lives (life, gateway, seen_ns) VALUES (?, ?, ?) ON CONFLICT (life) DO NOTHING"
_IS_KNOWN = "SELECT 1 FROM lives WHERE life = ?"
_GATEWAYS = "SELECT life, gateway FROM lives"


class MoneyBook:
    """Money's book inside one transaction. Always: spent + all leases ≤ limit, unless a limit was lowered."""

    def __init__(self, run: Rows) -> None:
        self._run = run

    def greet(self, life: str, holdings: Sequence[Holding]) -> None:
        """Ends what was lent to a door that never heard of it, or given back by one that was not heard.

        What a door forgot may have been spent by calls whose records are still to come: that stays lent.
        """
        told = {(one.scope, one.kind, one.window): (one.drawn, one.closed) for one in holdings}
        for scope, kind, window, drawn in msgspec.convert(self._run(_DRAWN, (life,)), list[tuple[str, str, str, int]]):
            has, closed = told.get((scope, kind, window), (0, 0))
            if has != drawn:
                kept = max(has, min(drawn, has + closed))
                self._run(_CORRECT, (drawn - kept, has, life, scope, kind, window))

    def take_back(self, life: str, backs: Sequence[Back]) -> None:
        """Takes what a door gives back."""
        for back in backs:
            place = (back.scope, back.kind, back.window)
            self._return(life, place, back.amount)
            if back.closed:
                self._run(_CLOSE, (life, *place))
                self._run(_SWEEP, (life, *place))

    def lend(self, life: str, want: Want, *, partly: bool) -> Grant:
        """Grants what there is."""
        place = (want.scope, want.kind, want.window)
        self._return(life, place, want.returned)
        spent, leased = msgspec.convert(self._run(_LEFT, place)[0], tuple[int, int])
        grant = share(want, want.limit - spent - leased, spent, partly=partly)
        if grant.amount:
            self._run(_LEND, (life, *place, grant.amount, grant.amount))
        return grant

    def holders(self, key: Key) -> Iterable[str]:
        """The lives that have some of a limit."""
        return tuple(str(row[0]) for row in self._run(_HOLDERS, key))

    def _return(self, life: str, place: Key, amount: int) -> None:
        if amount:
            self._run(_RETURN, (amount, life, *place))


class Bank:
    """Does what doors ask, many jobs in one transaction. Blocking: one thread. Every method raises StorageError."""

    def __init__(self, database: Database, gateway: str, *, of_money: bool) -> None:
        self._database = database
        self._gateway = gateway
        self._of_money = of_money
        self._schedules = Schedules(lambda: int(time.monotonic()), threading.Lock())
        self._judged = LeaseClock()

    def work(self, jobs: Sequence[Job], patience: float) -> list[Outcome]:
        """Does the jobs in their order, all of them or none."""
        with self._database.transaction(patience) as run:
            # The carrier, or the renewal, writes to the same rows in an order of its own.
            run.lock("leases:" + self._gateway if self._of_money else rates_lock(self._gateway))
            # All at once and in one order everywhere, so that two gateways never wait for each other.
            for place in sorted({_place(want) for job in jobs for want in job.wants}):
                run.lock("quota:" + ":".join(place))
            now_ns = run.now_ns()
            book: Book = MoneyBook(run) if self._of_money else self._rates(run, now_ns)
            outcomes: list[Outcome] = []
            for job in jobs:
                if job.holdings is not None:
                    run(_BEGIN_LIFE, (job.life, self._gateway, now_ns))
                elif self._of_money and job.wants and not run(_IS_KNOWN, (job.life,)):
                    outcomes.append(Outcome(is_stranger=True))  # it may have died, and nobody would end what it is lent
                    continue
                outcomes.append(self._waiting(job, done_in(book, job)))
        for job in jobs:
            self._schedules.note(job.life, job.backs)
        return outcomes

    @property
    def regime(self) -> int:
        """A database that took something down has it for ever."""
        return 0

    def beat(self, lives: Iterable[str], greeted: int, patience: float) -> Pulse:
        """Lets what living doors hold of rates go on; that it answers proves that it can be written, too."""
        with self._database.transaction(patience) as run:
            run.lock(rates_lock(self._gateway))
            now_ns = run.now_ns()
            self.renew(run, lives, now_ns)
            return Pulse(now_ns)

    def renew(self, run: Rows, lives: Iterable[str], now_ns: int) -> None:
        """The part of it that goes into a transaction of somebody else."""
        renew(run, self._gateway, lives, now_ns, self._judged(now_ns))

    def end(self, life: str, patience: float) -> None:
        """A door has died: its calls do not run any more. What it had of money ends with its journal."""
        self._schedules.end(life)
        with self._database.transaction(patience) as run:
            run.lock(rates_lock(self._gateway))
            end_slots(run, life)

    # --- other gateways

    def neighbours(self, lives: Iterable[str], patience: float) -> dict[str, str]:
        """Those of the lives that belong to other gateways, and to which."""
        with self._database.reading(patience) as run:
            known = {str(life): str(gateway) for life, gateway in run(_GATEWAYS)}
        return {life: known[life] for life in lives if known.get(life, self._gateway) != self._gateway}

    def post(self, keys: Sequence[Key], patience: float) -> int:
        """Asks all other gateways to recall; the number their answers will have."""
        with self._database.transaction(patience) as run:
            return post_recall(run, self._gateway, keys, run.now_ns())

    def asked(self, patience: float) -> list[tuple[int, list[Key]]]:
        """What other gateways ask this one to recall."""
        with self._database.reading(patience) as run:
            recalls = recalls_for(run, self._gateway, run.now_ns())
        return [(number, keys) for number, keys in recalls if keys and (keys[0][1] in _MONEY) is self._of_money]

    def answer(self, number: int, patience: float) -> None:
        """Tells another gateway that all was given back."""
        with self._database.transaction(patience) as run:
            answer_recall(run, self._gateway, number)

    def answers(self, number: int, patience: float) -> frozenset[str]:
        """The gateways that have answered a recall of this one."""
        with self._database.reading(patience) as run:
            return answers_to(run, number)

    def _rates(self, run: Rows, now_ns: int) -> RateBook:
        return RateBook(run, self._gateway, now_ns, self._judged(now_ns))

    def _waiting(self, job: Job, outcome: Outcome) -> Outcome:
        """An outcome that tells doors which get too little for good how long to wait."""
        if not job.is_last or self._of_money:
            return outcome
        return Outcome(tuple(map(self._with_wait, job.wants, outcome.grants)), outcome.holders)

    def _with_wait(self, want: Want, grant: Grant) -> Grant:
        if grant.verdict is not Verdict.RESERVED:
            return grant
        missing = min(need for need in want.needs if need > grant.left) - grant.left
        return msgspec.structs.replace(grant, wait=self._schedules.wait(want.scope, want.kind, missing))


def _place(want: Want) -> Key:
    return want.scope, want.kind, want.window
