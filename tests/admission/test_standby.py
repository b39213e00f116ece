"""Gateways that share a limit through a store that fails and forgets as a seed decides: no minute sees too much."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from unigate.admission.allowance import Allowance, Key
from unigate.admission.bank_words import Holding, Want
from unigate.admission.lease_book import Account, LeaseBook, Leases, Life
from unigate.admission.standby import Beat, Mode, Neighbour, Standby
from unigate.errors import StorageError
from unigate.storage.branch import Job, Outcome, done_in
from unigate.storage.rate_office import RateOffice

LIMIT = 12
KEY: Key = ("k", "requests", "")
MINUTE = 60
LASTING = 10  # seconds that a door uses what it has after it was last heard


@dataclass
class Store:
    """A store of rates in memory, with a clock that the test turns."""

    second: int = 1000
    is_gone: bool = False
    epoch: int = 1
    accounts: dict[Account, Leases] = field(default_factory=dict[Account, Leases])
    lives: dict[str, Life] = field(default_factory=dict[str, Life])
    gateways: dict[str, tuple[int, int, str]] = field(default_factory=dict[str, tuple[int, int, str]])

    @property
    def now_ns(self) -> int:
        return self.second * 1_000_000_000

    def forget(self) -> None:
        """What FLUSHALL does: another gateway finds no book, and makes one."""
        self.epoch += 1
        for kept in (self.accounts, self.lives, self.gateways):
            kept.clear()


class Side:
    """One gateway's side of the store."""

    patience = 0.1

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name
        self.epoch = 0

    def _reach(self) -> None:
        if self.store.is_gone:
            raise StorageError("gone")

    def work(self, jobs: Sequence[Job]) -> list[Outcome]:
        self._reach()
        if self.epoch != self.store.epoch:
            raise StorageError("forgotten")
        for job in jobs:
            self.store.lives.setdefault(job.life, Life(self.name, self.store.now_ns))
        book = LeaseBook(self.store.accounts, self.store.lives, self.store.now_ns)
        return [done_in(book, job) for job in jobs]

    def beat(self, lives: Iterable[str], alone: int, epoch: str) -> Beat:
        self._reach()
        self.epoch = self.store.epoch
        self.store.lives |= {life: Life(self.name, self.store.now_ns) for life in lives}
        self.store.gateways[self.name] = (self.store.second, alone, epoch)
        others = tuple(
            Neighbour(name, self.store.second - at, count, said)
            for name, (at, count, said) in self.store.gateways.items()
            if name != self.name and self.store.second - at < 75
        )
        return Beat(self.store.now_ns, str(self.epoch), others)

    def end(self, life: str) -> None:
        raise NotImplementedError

    def neighbours(self, lives: Iterable[str]) -> dict[str, str]:
        return {}

    def post(self, keys: Sequence[Key]) -> int:
        return 0

    def asked(self) -> list[tuple[int, list[Key]]]:
        return []

    def answer(self, number: int) -> None:
        raise NotImplementedError

    def answers(self, number: int) -> frozenset[str]:
        return frozenset()


class Gateway:
    """A gateway with one door that takes all it can get."""

    def __init__(self, store: Store, name: str, others: list[str]) -> None:
        self.store = store
        self.life = f"door-{name}"
        self.standby = Standby(others, store.second)
        self.office = RateOffice(Side(store, name), self.standby, lambda: store.second)
        self.allowance = Allowance(KEY, store.second)
        self.regime = -1
        self.heard = store.second

    def beat(self) -> None:
        """What the desk does each second: a new regime makes the door tell anew."""
        self.heard = self.store.second
        pulse = self.office.beat((self.life,), self.regime, 0.1)
        if not pulse.are_rates_usable:
            self.allowance.void(self.store.second)
        if self.office.regime != self.regime:
            self.regime = self.office.regime
            self.office.work([Job(self.life, holdings=(Holding(*KEY, self.allowance.drawn),))], 0.1)

    def take(self, most: int, *, is_asleep: bool) -> int:
        """Lets as many calls in as it may, up to so many; while the keeper sleeps, only what is at hand."""
        self.allowance.turn(self.store.second)
        if not self.standby.is_usable or self.store.second - self.heard >= LASTING:
            self.allowance.void(self.store.second)
        if self.allowance.free < most and not is_asleep:
            want = Want(*KEY, LIMIT, self.allowance.give_back(), (1,) * most, 0)
            [outcome] = self.office.work([Job(self.life, wants=(want,), is_last=True)], 0.1)
            self.allowance.grant(outcome.grants[0].amount)
            if self.office.regime != self.regime:
                self.allowance.give_back()  # the line was closed before the answer, and hello says what is left
        taken = max(min(most, self.allowance.free), 0)
        self.allowance.free -= taken
        self.allowance.spent += taken
        return taken


FAULTS = st.lists(
    st.tuples(st.sampled_from(["gone", "forgets"]), st.integers(1, 200), st.integers(0, 90)), min_size=1, max_size=4
)


@settings(max_examples=30, deadline=None)
@given(FAULTS, st.lists(st.integers(0, 12), min_size=3, max_size=24), st.lists(st.integers(0, 5), min_size=3))
def test_no_minute_sees_more_than_the_limit_whatever_the_store_does(
    faults: list[tuple[str, int, int]], wishes: list[int], sleeps: list[int]
) -> None:
    store = Store()
    names = ["a", "b", "c"]
    gateways = [Gateway(store, name, [other for other in names if other != name]) for name in names]
    taken: list[int] = []
    turn = 0
    for _ in range(3):
        run_second(store, gateways, [0, 0, 0])
    for fault, lasts, pause in faults:
        store.is_gone = fault == "gone"
        if fault == "forgets":
            store.forget()
        for second in range(lasts + pause):
            if second == lasts:
                store.is_gone = False
            turn += 1
            asleep = [n for n in range(3) if sleeps[(turn // 3 + n * 5) % len(sleeps)] == 0]
            some = [wishes[(turn + n * 7) % len(wishes)] for n in range(3)]
            taken.append(run_second(store, gateways, some, asleep))
        store.is_gone = False
    assert max(sum(taken[start : start + MINUTE]) for start in range(len(taken))) <= LIMIT


def run_second(store: Store, gateways: list[Gateway], wishes: list[int], asleep: Sequence[int] = ()) -> int:
    """One second of all gateways, each time in another order; how many calls were let in."""
    taken = 0
    for turn in range(len(gateways)):
        place = (turn * (1 + store.second % 2) + store.second) % len(gateways)
        if place not in asleep:
            gateways[place].beat()
        taken += gateways[place].take(wishes[place], is_asleep=place in asleep)
    store.second += 1
    return taken


def test_alone_each_gateway_lends_its_part_and_all_of_it_again_soon_after_the_return() -> None:
    store = Store()
    names = ["a", "b", "c"]
    gateways = [Gateway(store, name, [other for other in names if other != name]) for name in names]
    for _ in range(3):
        run_second(store, gateways, [0, 0, 0])
    assert [one.standby.mode for one in gateways] == [Mode.SHARED] * 3
    store.is_gone = True
    lost = [run_second(store, gateways, [1, 0, 0]) for _ in range(70)]
    assert sum(lost[3:]) == 0
    alone = [run_second(store, gateways, [6, 6, 6]) for _ in range(20)]
    assert {one.standby.mode for one in gateways} == {Mode.ALONE}
    assert sum(alone) == LIMIT
    store.is_gone = False
    for _ in range(5):
        run_second(store, gateways, [0, 0, 0])
    assert [one.standby.mode for one in gateways] == [Mode.SHARED] * 3
