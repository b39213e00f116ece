"""A door's line to the bank: draws slices ahead of need, gives back what is idle, and lets calls wait near the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from unigate.admission.allowance import Allowance, Key
from unigate.admission.bank_words import (
    Asked,
    Back,
    Draw,
    FromBank,
    FromDoor,
    Grant,
    Granted,
    Hello,
    Noted,
    Recall,
    Returned,
    Tick,
    Verdict,
    Want,
)
from unigate.admission.refusals import refusal_for, refuse_known, unavailable
from unigate.admission.wallet import Need, Part, Permit, Shortage, Wallet
from unigate.admission.windows import MONEY
from unigate.bank_line import DoorLine
from unigate.clock import StoreClock
from unigate.tenancy import Quota, QuotaKind

__all__ = ["Lender"]

_LINE: Final = 0.7
_WITH_RECALL: Final = 1.5
_NO_LINE: Final = 1.0
_RECONNECT: Final = 0.1
_SWEEP: Final = 2.0
_AT_ONCE: Final = 500
_BREATH: Final = 0.05
_IDLE: Final = 10
_FORGOTTEN: Final = 70
_LASTING: Final = 10
# A provider needs a moment to notice that an exchange was broken off.
_NOTICE: Final = 0.25


class _Waiter:
    """A call that waits for the bank."""

    __slots__ = ("at_ns", "future", "need", "quotas", "short")

    def __init__(self, quotas: tuple[Quota, ...], need: Need, at_ns: int, future: asyncio.Future[Permit]) -> None:
        self.quotas = quotas
        self.need = need
        self.at_ns = at_ns
        self.future = future
        self.short: tuple[Part, ...] = ()


class Lender:
    """Gives calls their permits: from the wallet at once, or after asking the bank, first come first served."""

    def __init__(self, path: Path, life: str, clock: StoreClock, changed: Callable[[int], None]) -> None:
        self.wallet = Wallet(time.monotonic_ns, self._is_low, self._is_urgent)
        self._path = path
        self._life = life
        self._clock = clock
        self._changed = changed
        self._line: DoorLine | None = None
        self._number = 0
        # The calls whose draw is under way, and those of the next one.
        self._asking: list[_Waiter] = []
        self._asking_number = 0
        self._queue: list[_Waiter] = []
        self._low: dict[Key, Allowance] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._version = -1
        self._dated = asyncio.Event()

    # --- for calls

    @property
    def is_dated(self) -> bool:
        """Whether the store has told its time: before, nobody knows to which day a call belongs."""
        return self._dated.is_set()

    async def until_dated(self, quota: Quota) -> None:
        """Waits for that a moment. Raises Refusal if it does not come: the quota cannot be asked for."""
        try:
            async with asyncio.timeout(_NO_LINE):
                await self._dated.wait()
        except TimeoutError:
            raise unavailable(quota) from None

    async def permit(self, quotas: tuple[Quota, ...], need: Need, at_ns: int) -> Permit:
        """Everything a call needs of its limits. Raises Refusal: which of them says no, and why."""
        taken = self.wallet.take(quotas, need, at_ns)
        if not isinstance(taken, Shortage):
            return taken
        for part in taken.parts:
            refuse_known(part, need, at_ns, self.wallet.second)
        waiter = _Waiter(quotas, need, at_ns, asyncio.get_running_loop().create_future())
        self._await(waiter, taken.parts)
        self._queue.append(waiter)
        self._ask()
        try:
            return await waiter.future
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
                self.release(waiter.future.result())
            raise
        finally:
            self._await(waiter, ())
            for line in (self._queue, self._asking):
                if waiter in line:
                    line.remove(waiter)

    def release(self, permit: Permit) -> None:
        """Gives back a permit that was not used."""
        permit.settle(0, 0)
        permit.leave()

    def leave_later(self, permit: Permit) -> None:
        """Gives slots back once the provider has noticed that its exchange was broken off."""
        if not permit.has_left:
            asyncio.get_running_loop().call_later(_NOTICE, permit.leave)

    # --- the line

    async def live(self) -> None:
        """Keeps the line up; to be cancelled."""
        loop = asyncio.get_running_loop()
        sweeping = loop.create_task(self._sweep_often())
        try:
            while True:
                line: DoorLine | None = None
                try:
                    _, line = await loop.create_unix_connection(lambda: DoorLine(self._hear), str(self._path))
                except OSError:
                    pass  # the keeper is not there yet
                if line is not None:
                    self._greet(line)
                    await line.lost
                    self._line = None
                    self._ask_again()
                await asyncio.sleep(_RECONNECT)
        finally:
            sweeping.cancel()
            if self._line is not None:
                self._give_all_back()
                self._line.close()

    def _ask_again(self) -> None:
        """Whoever waited for an answer that is lost with the line waits for the next line."""
        self._queue[:0], self._asking = self._asking, []
        self._asking_number = 0
        self._stop_timer()
        self._ask()

    def _greet(self, line: DoorLine) -> None:
        self._line = line
        second = self.wallet.second
        if second >= self.wallet.rates_until:
            for allowance in self.wallet.allowances.values():
                if allowance.kind not in MONEY:
                    allowance.void(second)
            self.wallet.rates_until = second + _LASTING
        self._number += 1
        self._say(Hello(self._life, self.wallet.holdings(), self._number))
        self._ask()

    def _say(self, word: FromDoor) -> None:
        if self._line is not None:
            self._line.say(word)

    def _hear(self, word: FromBank) -> None:
        match word:
            case Granted():
                if self._is_too_late(word) and self._line is not None:
                    self._line.close()  # who hears nothing asks again
                else:
                    self._take(word)
            case Noted():
                self.wallet.was_heard(word.number)
            case Asked():
                if word.number == self._asking_number:
                    self._expect(_WITH_RECALL)
            case Recall():
                self._give_back(word)
            case Tick():
                self._tick(word)

    def _tick(self, word: Tick) -> None:
        if word.answers:
            self._clock.set(word.now_ns)
            self._dated.set()
        if word.are_rates_usable is not None:
            self._go_on(word.are_rates_usable)
        if word.version != self._version:
            self._version = word.version
            self._changed(word.version)

    def _is_too_late(self, word: Granted) -> bool:
        """Whether others may have by now what is lent here: this process slept, and wakes up to old words."""
        if self.wallet.second < self.wallet.rates_until:
            return False
        return any(grant.amount and grant.kind not in MONEY for grant in word.grants)

    def _go_on(self, are_rates_usable: bool) -> None:
        """What is held of rates holds on; after too long a silence it has to be told anew first."""
        second = self.wallet.second
        if not are_rates_usable:
            self.wallet.rates_until = 0
        elif second < self.wallet.rates_until:
            self.wallet.rates_until = second + _LASTING
        elif self._line is not None:
            self._line.close()

    # --- waiting calls

    def _ask(self) -> None:
        """Sends the wishes of those who wait, unless others' are under way."""
        if self._asking_number or not self._queue:
            return
        if self._line is None:
            if self._timer is None:
                self._expect(_NO_LINE)
            return
        wants = tuple(self._wants(self._queue))
        if not wants:  # what they wait for has come free meanwhile
            self._queue = [waiter for waiter in self._queue if not self._serve(waiter, {})]
            return
        self._asking, self._queue = self._queue, []
        self._number += 1
        self._asking_number = self._number
        self._say(Draw(self._number, wants))
        self._expect(_LINE)

    def _wants(self, waiters: list[_Waiter]) -> Iterable[Want]:
        """One wish for each limit that somebody has too little of, with the needs of all who need of it."""
        needs: dict[Key, list[int]] = {}
        sums: dict[Key, int] = {}
        quotas: dict[Key, Quota] = {}
        short: set[Key] = set()
        for waiter in waiters:
            for part in self.wallet.parts(waiter.quotas, waiter.at_ns):
                allowance, quota = part.allowance, part.quota
                need = waiter.need.of(quota.kind)
                needs.setdefault(allowance.key, []).append(need)
                sums[allowance.key] = sums.get(allowance.key, 0) + need
                quotas[allowance.key] = quota
                if sums[allowance.key] > allowance.free:
                    short.add(allowance.key)
        for key in short:
            allowance, quota = self.wallet.allowances[key], quotas[key]
            spare = max(4 * max(needs[key]), 2 * allowance.taken)
            yield Want(*key, quota.limit, allowance.give_back(), tuple(needs[key]), spare)

    def _take(self, word: Granted) -> None:
        """Puts slices into the wallet and serves those who waited for them, before anyone else can come."""
        second = self.wallet.second
        told: dict[Key, Grant] = {}
        for grant in word.grants:
            key = (grant.scope, grant.kind, grant.window)
            allowance = self.wallet.allowance(key)
            allowance.grant(grant.amount)
            allowance.left = grant.left
            allowance.gone = grant.gone
            if grant.kind == QuotaKind.REQUESTS and grant.verdict is Verdict.RESERVED:
                allowance.refused_until = (grant.limit, second + grant.wait)
            told[key] = grant
        if word.number == self._asking_number:
            waiters, self._asking = self._asking, []
            self._asking_number = 0
            self._stop_timer()
            self._queue[:0] = [waiter for waiter in waiters if not self._serve(waiter, told)]
            self._ask()

    def _serve(self, waiter: _Waiter, told: dict[Key, Grant]) -> bool:
        """Whether a call got its permit or its refusal; if not, there is something that was not asked for yet."""
        if waiter.future.done():
            return True
        taken = self.wallet.take_awaited(waiter.quotas, waiter.need, waiter.at_ns)
        if not isinstance(taken, Shortage):
            waiter.future.set_result(taken)
            return True
        for part in taken.parts:
            grant = told.get(part.allowance.key)
            if grant is None or grant.verdict is Verdict.GRANTED:
                continue
            need = waiter.need.of(part.quota.kind)
            verdict = Verdict.SPENT if need > grant.limit - grant.gone else grant.verdict
            waiter.future.set_exception(refusal_for(part.quota, need, verdict, grant.wait, waiter.at_ns))
            return True
        self._await(waiter, taken.parts)
        return False

    def _await(self, waiter: _Waiter, parts: tuple[Part, ...]) -> None:
        for part in waiter.short:
            part.allowance.awaited -= 1
        waiter.short = parts
        for part in parts:
            part.allowance.awaited += 1

    def _expect(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._give_up)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        """The bank did not answer in time."""
        self._timer = None
        self._fail(self._asking if self._asking_number else self._queue)

    def _fail(self, waiters: list[_Waiter]) -> None:
        self._stop_timer()
        for waiter in waiters:
            if not waiter.future.done():
                waiter.future.set_exception(unavailable(waiter.short[0].quota))
        waiters.clear()
        self._asking_number = 0
        self._ask()

    # --- ahead of need, and after it

    def _is_low(self, allowance: Allowance) -> None:
        """A slice is nearly used up: the next one is drawn as soon as the calls of this moment have been let in."""
        if allowance.left <= 0 or self._line is None:
            return
        if not self._low:
            asyncio.get_running_loop().call_soon(self._refill)
        self._low[allowance.key] = allowance

    def _refill(self) -> None:
        low, self._low = self._low, {}
        self._number += 1
        wants = [Want(*one.key, one.limit, 0, (), 2 * max(one.taken, 1)) for one in low.values()]
        self._say(Draw(self._number, tuple(wants)))

    def _give_back(self, word: Recall) -> None:
        second = self.wallet.second
        backs: list[Back] = []
        for key in word.keys:
            allowance = self.wallet.allowances.get(key)
            if allowance is not None:
                allowance.turn(second)
                cooling = allowance.cooling.schedule(second) if allowance.cooling is not None else ()
                backs.append(Back(*key, allowance.give_back(), False, cooling))
        self._say(Returned(word.number, tuple(backs)))

    def _is_urgent(self, allowance: Allowance) -> None:
        """Gives back what is at hand now, which is less than nothing where a call took more than there was."""
        allowance.turn(self.wallet.second)
        self._say(Returned(0, (Back(*allowance.key, allowance.give_back()),)))

    def _give_all_back(self) -> None:
        """The door closes: what it does not use is for others."""
        second = self.wallet.second
        backs: list[Back] = []
        for allowance in self.wallet.allowances.values():
            allowance.turn(second)
            if allowance.free:
                backs.append(Back(*allowance.key, allowance.give_back()))
        self._say(Returned(0, tuple(backs)))

    async def _sweep_often(self) -> None:
        """Looks at all limits in turn, a few at a time, since there may be very many."""
        while True:
            await asyncio.sleep(_SWEEP)
            some = tuple(self.wallet.allowances.values())
            for at in range(0, len(some), _AT_ONCE):
                if self._line is not None:
                    self._sweep(some[at : at + _AT_ONCE], self.wallet.second)
                await asyncio.sleep(_BREATH)

    def _sweep(self, some: tuple[Allowance, ...], second: int) -> None:
        """Gives back what has not been used for a while, and forgets limits that nothing is left of."""
        self._number += 1
        backs: list[Back] = []
        for allowance in some:
            idle = second - allowance.used_at
            if idle < _IDLE or allowance.awaited:
                continue
            allowance.turn(second)
            if allowance.free:
                backs.append(Back(*allowance.key, allowance.give_back()))
            elif allowance.is_idle and idle >= _FORGOTTEN:
                backs.append(Back(*allowance.key, 0, True))
                self.wallet.drop(allowance, self._number)
        if backs:
            self._say(Returned(0, tuple(backs), self._number))
