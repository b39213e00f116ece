"""Doors and the bank on a real database: who gets what, who waits, who is refused, and what a lost line loses."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness import eventually
from unigate.accounting.estimate import Claim
from unigate.admission.needs import Terms
from unigate.admission.wallet import Need, Permit
from unigate.bank_desk import BankDesk
from unigate.charge import Charge, Sum
from unigate.clock import StoreClock
from unigate.errors import Refusal
from unigate.lender import Lender
from unigate.reception import Reception
from unigate.storage.bank import Bank
from unigate.storage.database import Database
from unigate.storage.opening import open_database
from unigate.tenancy import Quota, QuotaKind
from unigate.usage import Usage

DAY = "2026-11-23"
AT = 1_795_392_000_000_000_000  # 2026-11-23 00:00:00 UTC


def quota(kind: QuotaKind, limit: int) -> tuple[Quota, ...]:
    return (Quota("k", kind, limit, "key 'k'"),)


BUDGET = quota(QuotaKind.USD_DAY, 1000)


@dataclass
class Stage:
    """A gateway's bank and its doors, in one process."""

    folder: Path
    database: Database
    lives: list[str]
    lenders: list[Lender] = field(default_factory=list[Lender])
    tasks: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])
    desk: asyncio.Task[None] | None = None
    desks: list[BankDesk] = field(default_factory=list[BankDesk])

    async def open(self) -> None:
        """The bank opens, and every door has been heard."""
        banks = [Bank(self.database, "gw", of_money=of_money) for of_money in (True, False)]
        desks = self.desks = [BankDesk(bank, lambda: frozenset(self.lives), lambda: 7) for bank in banks]
        self.desk = asyncio.create_task(Reception(self.folder / "bank.sock", desks[0], desks[1]).live())
        await asyncio.sleep(0)
        await eventually(lambda: all(len(desk.doors) == len(self.lenders) for desk in desks))

    async def close(self) -> None:
        """The bank goes away, as if its process had been killed."""
        assert self.desk is not None
        self.desk.cancel()
        await asyncio.wait((self.desk,))

    def leases(self) -> dict[str, int]:
        with self.database.reading() as run:
            return {str(life): int(str(amount)) for life, amount in run("SELECT life, amount FROM leases")}

    def drawn(self, life: str) -> int:
        with self.database.reading() as run:
            return int(str(run("SELECT SUM(drawn) FROM leases WHERE life = ?", (life,))[0][0]))

    def spend(self, nano: int, life: str = "") -> None:
        """What the keeper does with a record: counted as spent, taken from the door's lease."""
        with self.database.transaction() as run:
            run(
                'INSERT INTO spend (scope, "window", nano, calls, tokens) VALUES (?, ?, ?, 1, 0) '
                'ON CONFLICT (scope, "window") DO UPDATE SET nano = spend.nano + excluded.nano',
                ("k", DAY, nano),
            )
            run("UPDATE leases SET amount = amount - ? WHERE life = ?", (nano, life))


@asynccontextmanager
async def stage(folder: Path, *lives: str) -> AsyncGenerator[Stage]:
    """A bank with so many doors, on SQLite."""
    one = Stage(folder, open_database(None, folder), list(lives))
    for life in lives:
        lender = Lender(folder / "bank.sock", life, StoreClock(), lambda _: None)
        one.lenders.append(lender)
        one.tasks.append(asyncio.create_task(lender.live()))
    await one.open()
    try:
        yield one
    finally:
        for task in one.tasks:
            task.cancel()
        await asyncio.wait(one.tasks)
        await one.close()
        one.database.close()


def play(test: Callable[[Path], Awaitable[None]], folder: Path) -> None:
    async def run() -> None:
        await test(folder)

    asyncio.run(run())


async def code_of(asking: Awaitable[Permit]) -> str:
    """How asking for a permit ends: `ok`, or the code of the refusal."""
    try:
        await asking
    except Refusal as refusal:
        return refusal.told.code
    return "ok"


def test_of_a_thousand_calls_at_three_doors_exactly_those_that_fit_get_in(tmp_path: Path) -> None:
    async def race(folder: Path) -> None:
        async with stage(folder, "a", "b", "c") as here:
            asking = [here.lenders[i % 3].permit(BUDGET, Need(10, 0), AT) for i in range(1000)]
            ends = Counter(await asyncio.gather(*map(code_of, asking)))
            assert ends == {"ok": 100, "budget_reserved": 900}

    play(race, tmp_path)


def test_what_calls_did_not_take_is_there_for_others_to_the_last_nano_dollar(tmp_path: Path) -> None:
    async def serial(folder: Path) -> None:
        async with stage(folder, "a", "b", "c") as here:
            costs = 0
            for i in range(2000):
                try:
                    permit = await here.lenders[i % 3].permit(BUDGET, Need(10, 0), AT)
                except Refusal as refusal:
                    assert refusal.told.code == "budget_reserved"
                    break
                permit.settle(1, 0)
                costs += 1
            assert costs == 991  # nine are left, and the next may cost ten

    play(serial, tmp_path)


def test_a_spent_budget_refuses_without_asking_and_a_larger_one_lets_in_at_once(tmp_path: Path) -> None:
    async def top_up(folder: Path) -> None:
        async with stage(folder, "a") as here:
            (lender,) = here.lenders
            (await lender.permit(BUDGET, Need(1000, 0), AT)).settle(1000, 0)
            here.spend(1000, "a")
            assert await code_of(lender.permit(BUDGET, Need(10, 0), AT)) == "insufficient_quota"
            await here.close()  # nobody can be asked, and nobody has to be
            assert await code_of(lender.permit(BUDGET, Need(10, 0), AT)) == "insufficient_quota"
            await here.open()
            more = quota(QuotaKind.USD_DAY, 1010)
            lender.wallet.forget()
            assert [await code_of(lender.permit(more, Need(10, 0), AT)) for _ in range(2)] == ["ok", "budget_reserved"]

    play(top_up, tmp_path)


def test_a_limit_that_was_lowered_holds_at_once_whatever_a_door_has_at_hand(tmp_path: Path) -> None:
    async def lower(folder: Path) -> None:
        async with stage(folder, "a") as here:
            (lender,) = here.lenders
            (await lender.permit(BUDGET, Need(100, 0), AT)).settle(0, 0)
            lender.wallet.forget()  # as after a new snapshot
            less = quota(QuotaKind.USD_DAY, 30)
            ends = Counter([await code_of(lender.permit(less, Need(10, 0), AT)) for _ in range(5)])
            assert ends == {"ok": 3, "budget_reserved": 2}

    play(lower, tmp_path)


@pytest.mark.parametrize("is_running", [False, True], ids=["alone", "beside another call"])
@pytest.mark.parametrize("kind", [QuotaKind.USD_DAY, QuotaKind.TOKENS], ids=str)
def test_what_one_call_took_beyond_its_hold_no_other_door_lends_again(
    tmp_path: Path, kind: QuotaKind, is_running: bool
) -> None:
    async def overrun(folder: Path) -> None:
        async with stage(folder, "a", "b") as here:
            a, b = here.lenders
            limit = quota(kind, 1000)
            if is_running:
                await a.permit(limit, Need(10, 10), AT)
            (await a.permit(limit, Need(10, 10), AT)).settle(900, 900)
            here.spend(900, "a")
            await asyncio.sleep(0.1)
            taken = 910 if is_running else 900
            for _ in range(100):
                if await code_of(settled(b.permit(limit, Need(10, 10), AT))) != "ok":
                    break
                here.spend(10, "b")
                taken += 10
            assert taken == 1000

    async def settled(asking: Awaitable[Permit]) -> Permit:
        permit = await asking
        permit.settle(10, 10)
        return permit

    play(overrun, tmp_path)


@pytest.mark.parametrize(("is_untold", "end"), [(True, "rate_limit_exceeded"), (False, "ok")])
def test_tokens_that_nobody_told_of_count_as_held(tmp_path: Path, is_untold: bool, end: str) -> None:
    async def untold(folder: Path) -> None:
        async with stage(folder, "a") as here:
            (lender,) = here.lenders
            limit, need = quota(QuotaKind.TOKENS, 1000), Need(0, 300)
            permit = await lender.permit(limit, need, AT)
            charge = Charge(lender, permit, lender.wallet.purse(limit, AT), Terms(need, (), Claim(5, None)))
            charge.settle(Sum(Usage(), None, is_untold=is_untold), is_clean=True)
            assert await code_of(lender.permit(limit, Need(0, 800), AT)) == end

    play(untold, tmp_path)


def test_first_come_first_served_and_nobody_steals_in_between(tmp_path: Path) -> None:
    async def queue(folder: Path) -> None:
        async with stage(folder, "a") as here:
            (lender,) = here.lenders
            served: list[int] = []

            async def ask(number: int, need: int) -> None:
                permit = await lender.permit(quota(QuotaKind.USD_DAY, 20_000), Need(need, 0), AT)
                served.append(number)
                permit.settle(1, 0)

            await asyncio.gather(*(ask(number, 300 - number) for number in range(60)))
            assert served == sorted(served)

    play(queue, tmp_path)


def test_what_comes_free_goes_to_those_who_waited_first(tmp_path: Path) -> None:
    async def queue(folder: Path) -> None:
        async with stage(folder, "a") as here:
            (lender,) = here.lenders
            (lender.wallet.parts(BUDGET, AT)[0].allowance).left = -1  # nothing is drawn ahead
            running = await lender.permit(BUDGET, Need(300, 0), AT)
            served: list[str] = []

            async def ask(name: str, need: int) -> None:
                await lender.permit(BUDGET, Need(need, 0), AT)
                served.append(name)

            first = asyncio.create_task(ask("first", 690))
            await asyncio.sleep(0)
            running.settle(0, 0)
            await asyncio.gather(first, asyncio.create_task(ask("second", 5)))
            assert served == ["first", "second"]

    play(queue, tmp_path)


def test_a_call_whose_client_leaves_holds_nothing_any_more(tmp_path: Path) -> None:
    async def leave(folder: Path) -> None:
        async with stage(folder, "a") as here:
            (lender,) = here.lenders
            waiting = [asyncio.create_task(lender.permit(BUDGET, Need(10, 0), AT)) for _ in range(50)]
            await asyncio.sleep(0)
            for task in waiting[::2]:
                task.cancel()
            await asyncio.wait(waiting)
            allowance = lender.wallet.parts(BUDGET, AT)[0].allowance
            assert (allowance.held, allowance.awaited) == (250, 0)

    play(leave, tmp_path)


def test_a_door_that_does_not_answer_makes_nobody_say_that_there_is_nothing_left(tmp_path: Path) -> None:
    async def frozen(folder: Path) -> None:
        async with stage(folder, "a") as here:
            with here.database.transaction() as run:
                run("INSERT INTO leases VALUES ('frozen', 'k', 'usd_day', ?, 995, 995)", (DAY,))
            assert await code_of(here.lenders[0].permit(BUDGET, Need(10, 0), AT)) == "budget_unavailable"
            assert await code_of(here.lenders[0].permit(BUDGET, Need(5, 0), AT)) == "ok"

    play(frozen, tmp_path)


def test_without_a_bank_slices_at_hand_are_used_up_and_then_it_is_503(tmp_path: Path) -> None:
    async def gone(folder: Path) -> None:
        async with stage(folder, "a") as here:
            (lender,) = here.lenders
            await lender.permit(BUDGET, Need(10, 0), AT)
            free = lender.wallet.parts(BUDGET, AT)[0].allowance.free
            await here.close()
            ends = [await code_of(lender.permit(BUDGET, Need(10, 0), AT)) for _ in range(free // 10)]
            assert (len(ends) > 0, set(ends)) == (True, {"ok"})
            assert await code_of(lender.permit(BUDGET, Need(10, 0), AT)) == "budget_unavailable"

    play(gone, tmp_path)


def test_a_door_that_leaves_while_the_store_is_busy_is_not_remembered_for_ever(tmp_path: Path) -> None:
    async def leave(folder: Path) -> None:
        async with stage(folder, "a", "b") as here:
            money = here.desks[0]
            with here.database.transaction():  # nobody else can write
                asking = asyncio.create_task(code_of(here.lenders[0].permit(BUDGET, Need(10, 0), AT)))
                assert await asking == "budget_unavailable"
                here.tasks[0].cancel()  # what it has is said last, and nobody hears of it in time
                await eventually(lambda: "a" not in money.doors)
                await eventually(lambda: bool(money._unsure))
            await eventually(lambda: not money._unsure)
            assert await code_of(here.lenders[1].permit(BUDGET, Need(10, 0), AT)) == "ok"

    play(leave, tmp_path)


def test_a_bank_that_is_born_again_believes_what_doors_have(tmp_path: Path) -> None:
    async def rebirth(folder: Path) -> None:
        async with stage(folder, "a", "b") as here:
            await here.lenders[0].permit(BUDGET, Need(400, 0), AT)
            with here.database.transaction() as run:  # granted, and never heard of by the door
                run("UPDATE leases SET amount = amount + 77, drawn = drawn + 77")
            await here.close()
            await here.open()
            await eventually(
                lambda: here.leases() == {"a": here.lenders[0].wallet.parts(BUDGET, AT)[0].allowance.drawn}
            )
            assert await code_of(here.lenders[1].permit(BUDGET, Need(600, 0), AT)) == "ok"

    play(rebirth, tmp_path)


def test_a_bank_that_did_not_hear_that_a_door_forgot_a_limit_lends_nobody_what_is_not_carried(tmp_path: Path) -> None:
    async def rebirth(folder: Path) -> None:
        async with stage(folder, "a", "b") as here:
            spender, other = here.lenders
            (await spender.permit(BUDGET, Need(1000, 0), AT)).settle(1000, 0)
            for allowance in spender.wallet.allowances.values():
                allowance.used_at -= 100
            with here.database.transaction():  # nothing can be kept of what the bank hears
                await eventually(lambda: not spender.wallet.allowances)
                await eventually(lambda: bool(here.desks[0]._unsure))
                await here.close()
            for _ in range(2):
                await here.open()
                await eventually(lambda: not spender.wallet.holdings())
                await here.close()
            await here.open()
            assert await code_of(other.permit(BUDGET, Need(1, 0), AT)) == "budget_reserved"
            here.spend(1000, "a")
            assert here.leases()["a"] == 0
            assert await code_of(other.permit(BUDGET, Need(1, 0), AT)) == "insufficient_quota"

    play(rebirth, tmp_path)


def test_a_door_remembers_what_it_forgot_until_the_bank_has_noted_that(tmp_path: Path) -> None:
    async def forget(folder: Path) -> None:
        async with stage(folder, "a") as here:
            (lender,) = here.lenders
            (await lender.permit(BUDGET, Need(400, 0), AT)).settle(400, 0)
            for allowance in lender.wallet.allowances.values():
                allowance.used_at -= 100
            with here.database.transaction():
                await eventually(lambda: not lender.wallet.allowances)
                assert [one.closed for one in lender.wallet.holdings()] == [400]
            await eventually(lambda: not lender.wallet.holdings())
            (await lender.permit(BUDGET, Need(10, 0), AT)).settle(10, 0)
            drawn = lender.wallet.holdings()[0].drawn
            await here.close()
            await here.open()
            assert here.drawn("a") == drawn

    play(forget, tmp_path)


@pytest.mark.parametrize("kind", [QuotaKind.REQUESTS, QuotaKind.SLOTS, QuotaKind.TOKENS])
def test_rates_are_as_exact_as_money(tmp_path: Path, kind: QuotaKind) -> None:
    async def race(folder: Path) -> None:
        async with stage(folder, "a", "b", "c") as here:
            asking = [here.lenders[i % 3].permit(quota(kind, 20), Need(0, 1), AT) for i in range(300)]
            ends = Counter(await asyncio.gather(*map(code_of, asking)))
            assert ends == {"ok": 20, "rate_limit_exceeded": 280}

    play(race, tmp_path)


def test_slots_of_a_door_that_died_are_free_soon_and_its_requests_count_on(tmp_path: Path) -> None:
    async def death(folder: Path) -> None:
        limits = (*quota(QuotaKind.SLOTS, 1), *quota(QuotaKind.REQUESTS, 2))
        async with stage(folder, "a", "b") as here:
            await here.lenders[0].permit(limits, Need(0, 0), AT)
            assert await code_of(here.lenders[1].permit(limits, Need(0, 0), AT)) == "rate_limit_exceeded"
            here.tasks[0].cancel()
            here.lives.remove("a")
            deadline = time.monotonic() + 30
            while await code_of(here.lenders[1].permit(limits, Need(0, 0), AT)) != "ok":
                assert time.monotonic() < deadline
            assert await code_of(here.lenders[1].permit(limits[1:], Need(0, 0), AT)) != "ok"

    play(death, tmp_path)


def test_the_refusal_of_a_rate_says_when_to_come_again(tmp_path: Path) -> None:
    async def wait(folder: Path) -> None:
        async with stage(folder, "a") as here:
            limits = quota(QuotaKind.REQUESTS, 1)
            await here.lenders[0].permit(limits, Need(0, 0), AT)
            with pytest.raises(Refusal) as refused:
                await here.lenders[0].permit(limits, Need(0, 0), AT)
            told = dict(refused.value.told.headers)
            assert (60 <= int(told["retry-after"]) <= 62, told["x-should-retry"]) == (True, "true")

    play(wait, tmp_path)
