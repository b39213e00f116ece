"""Rates and slots of one gateway among several: lent from the store they share, or without it as well as can be."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from unigate.admission.allowance import Key
from unigate.admission.bank_words import Back, Grant, Verdict, Want
from unigate.admission.lease_book import Account, LeaseBook, Leases, Life
from unigate.admission.standby import Mode, Standby
from unigate.errors import StorageError
from unigate.storage.branch import Job, Outcome, Pulse, RateStore, done_in

__all__ = ["RateOffice"]

log = logging.getLogger("unigate.keeper")

# Nobody's name: whoever waits for it waits for the store.
_SOMEBODY = frozenset({""})
_NOBODY: frozenset[str] = frozenset()
_SPELLED = {Mode.SHARED: "rates.shared", Mode.QUIET: "rates.store_lost", Mode.ALONE: "rates.alone"}


class RateOffice:
    """Does what doors ask of rates, whatever becomes of the store; none of it fails. Blocking."""

    def __init__(self, store: RateStore, standby: Standby, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._standby = standby
        self._clock = clock
        self._guard = threading.RLock()
        self._logged = Mode.SHARED
        # The book of a gateway that is on its own.
        self._accounts: dict[Account, Leases] = {}
        self._lives: dict[str, Life] = {}
        self._regime = 0

    @property
    def regime(self) -> int:
        """Grows whenever doors have to tell anew what they have."""
        return self._standby.regime

    def work(self, jobs: Sequence[Job], patience: float) -> list[Outcome]:
        """Does the jobs in their order."""
        with self._guard:
            self._look()
            if not self._uses_store:
                return [self._done_alone(job) for job in jobs]
            asked = [self._as_share(job) for job in jobs]
        try:
            outcomes = self._store.work(asked)
        except StorageError as error:
            log.debug("rates.unanswered reason=%s", error)
            with self._guard:
                self._standby.stumbled(self._clock())
            return [Outcome(tuple(map(_unknown, job.wants)), (_NOBODY,) * len(job.wants)) for job in jobs]
        with self._guard:
            return [self._as_asked(job, outcome) for job, outcome in zip(jobs, outcomes, strict=True)]

    def beat(self, lives: Iterable[str], greeted: int, patience: float) -> Pulse:
        """Says that this gateway lives; `greeted` is the regime in which all its doors told what they have."""
        mine = tuple(lives)
        with self._guard:
            self._look()
            self._standby.greeted = greeted
            self._lives |= {life: Life("", self._now_ns()) for life in mine}
            alone, epoch = self._standby.alone, self._standby.epoch
        try:
            beat = self._store.beat(mine, alone, epoch)
        except StorageError as error:
            log.debug("rates.silent reason=%s", error)
        else:
            with self._guard:
                self._standby.heard(beat, self._clock())
        with self._guard:
            self._look()
            return Pulse(0, self._standby.is_usable, self._standby.is_settled)

    def end(self, life: str, patience: float) -> None:
        """A door is dead, and its calls with it. Raises StorageError."""
        with self._guard:
            if not self._uses_store:
                self._book().end(life)
                return
        self._store.end(life)

    # --- other gateways; each raises StorageError

    def neighbours(self, lives: Iterable[str], patience: float) -> dict[str, str]:
        """Those of the lives that belong to other gateways, and to which."""
        return self._store.neighbours(lives) if self._uses_store else {}

    def post(self, keys: Sequence[Key], patience: float) -> int:
        """Asks all other gateways to recall; the number their answers will have."""
        return self._store.post(keys)

    def asked(self, patience: float) -> list[tuple[int, list[Key]]]:
        """What other gateways ask this one to recall."""
        return self._store.asked() if self._uses_store else []

    def answer(self, number: int, patience: float) -> None:
        """Tells another gateway that all was given back."""
        self._store.answer(number)

    def answers(self, number: int, patience: float) -> frozenset[str]:
        """The gateways that have answered a recall of this one."""
        return self._store.answers(number)

    # --- with the store

    @property
    def _uses_store(self) -> bool:
        return self._standby.mode in (Mode.SHARED, Mode.JOINING)

    def _look(self) -> None:
        self._standby.look(self._clock())
        if self._standby.regime != self._regime:
            self._regime = self._standby.regime
            self._accounts.clear()
        mode = self._standby.mode
        if mode in _SPELLED and mode is not self._logged:
            self._logged = mode
            log.warning("%s gateways=%d", _SPELLED[mode], max(self._standby.alone, 1))

    def _as_share(self, job: Job) -> Job:
        """A job with limits as this gateway may know them; what nobody can say now is not asked, only given back."""
        wants: list[Want] = []
        backs = list(job.backs)
        for want in job.wants:
            limit = self._standby.share(want.limit, self._clock())
            if limit is not None:
                wants.append(msgspec.structs.replace(want, limit=limit))
            elif want.returned:
                backs.append(Back(want.scope, want.kind, want.window, want.returned))
        return msgspec.structs.replace(job, backs=tuple(backs), wants=tuple(wants))

    def _as_asked(self, job: Job, outcome: Outcome) -> Outcome:
        """The outcome in the words of the question."""
        told = {_place(grant): (grant, some) for grant, some in zip(outcome.grants, outcome.holders, strict=True)}
        grants: list[Grant] = []
        holders: list[frozenset[str]] = []
        for want in job.wants:
            if (pair := told.get(_place(want))) is not None:
                grants.append(_of_limit(pair[0], want))
                holders.append(pair[1])
            else:
                is_worth_waiting = not job.is_last and not self._standby.has_shared
                grants.append(_later(want, 1) if is_worth_waiting else _unknown(want))
                holders.append(_SOMEBODY if is_worth_waiting else _NOBODY)
        return Outcome(tuple(grants), tuple(holders))

    # --- without it

    def _now_ns(self) -> int:
        return int(self._clock() * 1_000_000_000)

    def _book(self) -> LeaseBook:
        return LeaseBook(self._accounts, self._lives, self._now_ns())

    def _done_alone(self, job: Job) -> Outcome:
        self._lives[job.life] = Life("", self._now_ns())
        if self._standby.mode is Mode.QUIET:
            wait = self._standby.wait(self._clock())
            return Outcome(tuple(_later(want, wait) for want in job.wants), (_NOBODY,) * len(job.wants))
        return self._as_asked(job, done_in(self._book(), self._as_share(job)))


def _place(one: Want | Grant) -> Key:
    return one.scope, one.kind, one.window


def _later(want: Want, wait: int) -> Grant:
    return Grant(want.scope, want.kind, want.window, 0, want.limit, 0, 0, Verdict.RESERVED, wait)


def _of_limit(grant: Grant, want: Want) -> Grant:
    """A grant of a share: what is too much for the share may yet fit the whole limit, some time later."""
    if grant.limit == want.limit:
        return grant
    verdict = grant.verdict
    if verdict is Verdict.SPENT and max(want.needs, default=0) <= want.limit:
        verdict = Verdict.RESERVED
    return msgspec.structs.replace(grant, limit=want.limit, verdict=verdict)


def _unknown(want: Want) -> Grant:
    return Grant(want.scope, want.kind, want.window, 0, want.limit, 0, verdict=Verdict.UNKNOWN)
