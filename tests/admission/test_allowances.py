"""A limit that several doors share, through all that can happen to it: nothing is lost, nothing is spent twice."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from unigate.admission.bank_words import Want
from unigate.admission.book import share
from unigate.admission.wallet import Need, Permit, Wallet
from unigate.tenancy import Quota, QuotaKind

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
DOORS = st.integers(0, 2)
AMOUNT = st.integers(0, 40)


class Door:
    """A door: its wallet, the calls it runs, and what its journal has not brought to the books yet."""

    def __init__(self, clock: list[int]) -> None:
        self.wallet = Wallet(lambda: clock[0], lambda _: None)
        self.running: list[tuple[Permit, Need, int]] = []
        self.journal: list[tuple[int, int]] = []


class Money(RuleBasedStateMachine):
    """Three doors, one budget for each day, and a bank that keeps it as the database does."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = [0]
        self.limit = 100
        self.highest: dict[int, int] = {}
        self.doors = [Door(self.clock) for _ in range(3)]
        self.spent: Counter[int] = Counter()
        self.leases: Counter[tuple[int, int]] = Counter()
        self.costs: Counter[int] = Counter()
        self.quotas = self.quota()

    def quota(self) -> tuple[Quota, ...]:
        return (Quota("k", QuotaKind.USD_DAY, self.limit, "key 'k'"),)

    @property
    def day(self) -> int:
        return self.clock[0] // DAY

    @rule(door=DOORS, need=AMOUNT, spare=AMOUNT)
    def draw(self, door: int, need: int, spare: int) -> None:
        allowance = self.doors[door].wallet.parts(self.quotas, self.clock[0])[0].allowance
        want = Want(*allowance.key, self.limit, allowance.give_back(), (need,), spare)
        place = (door, self.day)
        self.leases[place] -= want.returned
        lent = sum(amount for (_, day), amount in self.leases.items() if day == self.day)
        left = self.limit - self.spent[self.day] - lent
        grant = share(want, left, self.spent[self.day], partly=True)
        assert (grant.verdict == "granted") == (need <= left), "a need that fits is met, one that does not is not"
        self.leases[place] += grant.amount
        self.highest[self.day] = max(self.highest.get(self.day, 0), self.limit)
        allowance.grant(grant.amount)

    @rule(door=DOORS, need=AMOUNT)
    def take(self, door: int, need: int) -> None:
        free = self.doors[door].wallet.parts(self.quotas, self.clock[0])[0].allowance.free
        taken = self.doors[door].wallet.take(self.quotas, Need(need, 0), self.clock[0])
        assert isinstance(taken, Permit) == (need <= free)
        if isinstance(taken, Permit):
            self.doors[door].running.append((taken, Need(need, 0), self.day))

    @rule(door=DOORS, part=st.integers(0, 4), times=st.integers(1, 3))
    def settle(self, door: int, part: int, times: int) -> None:
        if not self.doors[door].running:
            return
        permit, need, day = self.doors[door].running.pop(0)
        cost = need.nano * part // 4
        for _ in range(times):
            permit.settle(cost, 0)
            permit.leave()
        self.doors[door].journal.append((day, cost))
        self.costs[day] += cost

    @rule(door=DOORS)
    def carry(self, door: int) -> None:
        for day, cost in self.doors[door].journal:
            self.spent[day] += cost
            self.leases[door, day] -= cost
        self.doors[door].journal.clear()

    @rule(door=DOORS)
    def give_back(self, door: int) -> None:
        for allowance in self.doors[door].wallet.allowances.values():
            self.leases[door, _day_of(allowance.key[2])] -= allowance.give_back()

    @rule(door=DOORS)
    def crash(self, door: int) -> None:
        """Its journal is carried to the end, what it had begun costs what was held, and its leases end."""
        self.carry(door)
        for _, need, day in self.doors[door].running:
            self.spent[day] += need.nano
            self.costs[day] += need.nano
        self.doors[door] = Door(self.clock)
        self.leases = Counter({place: amount for place, amount in self.leases.items() if place[0] != door})

    @rule(more=st.integers(-30, 60))
    def change_the_limit(self, more: int) -> None:
        self.limit = max(self.limit + more, 0)
        self.quotas = self.quota()

    @rule(hours=st.integers(1, 30))
    def wait(self, hours: int) -> None:
        self.clock[0] += hours * 3600 * SECOND

    @invariant()
    def no_day_costs_more_than_its_limit(self) -> None:
        for day, highest in self.highest.items():
            lent = sum(amount for (_, one), amount in self.leases.items() if one == day)
            assert self.spent[day] + lent <= highest
            assert self.costs[day] <= highest

    @invariant()
    def doors_and_books_agree(self) -> None:
        for number, door in enumerate(self.doors):
            for allowance in door.wallet.allowances.values():
                day = _day_of(allowance.key[2])
                waiting = sum(cost for one, cost in door.journal if one == day)
                assert self.leases[number, day] == allowance.free + allowance.held + waiting
                assert allowance.held == sum(need.nano for _, need, at in door.running if at == day)
                assert all(type(amount) is int for amount in (allowance.free, allowance.held, allowance.drawn))

    @invariant()
    def every_nano_dollar_is_counted_once(self) -> None:
        for day, cost in self.costs.items():
            waiting = sum(one for door in self.doors for at, one in door.journal if at == day)
            assert self.spent[day] + waiting == cost


def _day_of(window: str) -> int:
    """The number of a day since 1970-01-01 (all of these tests' days are in that month and the next)."""
    year, month, day = map(int, window.split("-"))
    before = {1: 0, 2: 31, 3: 59, 4: 90, 5: 120, 6: 151, 7: 181, 8: 212, 9: 243, 10: 273, 11: 304, 12: 334}
    return (year - 1970) * 365 + before[month] + day - 1


class Rates(RuleBasedStateMachine):
    """Three doors, and a limit of requests in any minute."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = [0]
        self.limit = 12
        self.quotas = (Quota("k", QuotaKind.REQUESTS, self.limit, "key 'k'"),)
        self.doors = [Door(self.clock) for _ in range(3)]
        self.leases = [0, 0, 0]
        self.admitted: list[int] = []

    @rule(door=DOORS, spare=st.integers(0, 6))
    def draw(self, door: int, spare: int) -> None:
        allowance = self.doors[door].wallet.parts(self.quotas, self.clock[0])[0].allowance
        want = Want(*allowance.key, self.limit, allowance.give_back(), (1,), spare)
        self.leases[door] -= want.returned
        grant = share(want, self.limit - sum(self.leases), 0, partly=True)
        self.leases[door] += grant.amount
        allowance.grant(grant.amount)

    @rule(door=DOORS)
    def take(self, door: int) -> None:
        self.doors[door].wallet.rates_until = 1 << 60
        if isinstance(self.doors[door].wallet.take(self.quotas, Need(0, 0), self.clock[0]), Permit):
            self.admitted.append(self.clock[0])

    @rule(door=DOORS)
    def give_back(self, door: int) -> None:
        for allowance in self.doors[door].wallet.allowances.values():
            self.leases[door] -= allowance.give_back()

    @rule(ms=st.integers(1, 70_000))
    def wait(self, ms: int) -> None:
        self.clock[0] += ms * 1_000_000

    @invariant()
    def no_minute_has_more_than_the_limit(self) -> None:
        recent = [at for at in self.admitted if at > self.clock[0] - 120 * SECOND]
        for at in recent:
            assert sum(at <= other <= at + 61 * SECOND for other in recent) <= self.limit

    @invariant()
    def what_is_remembered_is_bounded(self) -> None:
        for door in self.doors:
            for allowance in door.wallet.allowances.values():
                assert allowance.cooling is not None
                assert len(allowance.cooling.schedule(0)) <= 63


TestMoney = Money.TestCase
TestMoney.settings = settings(max_examples=200, stateful_step_count=100, deadline=None)
TestRates = Rates.TestCase
TestRates.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
