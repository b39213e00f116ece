"""The desk for doors: takes what they say of limits, lets the bank decide, and recalls what others do not use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from unigate.admission.allowance import Key
from unigate.admission.bank_words import (
    Asked,
    Draw,
    FromDoor,
    Granted,
    Hello,
    Noted,
    Recall,
    Returned,
    Tick,
    Verdict,
)
from unigate.bank_wish import DoorLine, Favour, Wish, place_of, rest_of, returns_of, unknown
from unigate.errors import StorageError
from unigate.storage.branch import Branch, Job, Outcome, Pulse

__all__ = ["LONGEST", "BankDesk"]

log = logging.getLogger("unigate.keeper")

# A record of calls being carried may be in the way, and a disk that is busy; a store that is gone takes no longer.
LONGEST = 0.5
"""Seconds that doors wait for a store, unless it has a patience of its own."""
_RECALL = 0.7
_TICK = 1.0
_LOOK = 0.1
# A door that died had its connections closed by the system; providers need a moment to notice.
_AFTER_DEATH = 1.0
_FAR = 0.02
_FOLLOW = 0.03


class BankDesk:
    """Serves all doors of one gateway, one batch of their words after the other."""

    def __init__(
        self,
        bank: Branch,
        living: Callable[[], frozenset[str]],
        version: Callable[[], int],
        *,
        is_shared: bool = False,
        patience: float = LONGEST,
    ) -> None:
        self._bank = bank
        self._living = living
        self._version = version
        self._is_shared = is_shared
        self._patience = patience
        self._thread = ThreadPoolExecutor(1, "bank")
        # The doors that have said hello, by their lives.
        self.doors: dict[str, DoorLine] = {}
        self._inbox: list[tuple[DoorLine, FromDoor]] = []
        self._bell = asyncio.Event()
        self._wishes: dict[int, Wish] = {}
        self._favours: dict[int, Favour] = {}
        self._seen_recalls: dict[int, float] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self._number = 0
        self._answers = True
        # Whether the log says so; an answer that is only late is not worth a line.
        self._is_lost = False
        # Those that lived before this desk opened, or lost their line, and have not been heard of since.
        self._missing: dict[str, float] = {}
        # Those of whose words a store that did not answer may have done something or nothing.
        self._unsure: set[DoorLine] = set()
        self._told: tuple[float, int] = (0.0, -1)
        self._regime = bank.regime

    async def live(self) -> None:
        """Serves until cancelled."""
        loop = asyncio.get_running_loop()
        self._missing = dict.fromkeys(self._living(), loop.time())
        chores = [loop.create_task(self._tick())]
        if self._is_shared:
            chores.append(loop.create_task(self._follow_neighbours()))
        try:
            while True:
                await self._bell.wait()
                self._bell.clear()
                inbox, self._inbox = self._inbox, []
                await self._serve(inbox)
        finally:
            for task in (*chores, *self._errands):
                task.cancel()
            for line in tuple(self.doors.values()):
                line.close()
            self._thread.shutdown(wait=False)

    # --- what doors say

    def heard(self, line: DoorLine, word: FromDoor) -> None:
        """A door said something."""
        self._inbox.append((line, word))
        self._bell.set()

    def hung_up(self, line: DoorLine) -> None:
        """A door's line is gone; whether the door is, its journal's lock tells."""
        if self.doors.get(line.life) is line:
            del self.doors[line.life]
            self._missing[line.life] = asyncio.get_running_loop().time()
        # Nobody would take what it wished for, and its life may be ended before its turn comes.
        self._inbox = [(one, word) for one, word in self._inbox if one is not line or not isinstance(word, Draw)]
        for number in [number for number, wish in self._wishes.items() if wish.line is line]:
            del self._wishes[number]

    async def _serve(self, inbox: list[tuple[DoorLine, FromDoor]]) -> None:
        jobs: list[Job] = []
        after: list[Callable[[Outcome], None]] = []
        answered: list[tuple[int, str]] = []
        lines = {line for line, _ in inbox}
        for line, word in inbox:
            match word:
                case Hello():
                    jobs.append(Job(word.life, holdings=word.holdings))
                    after.append(lambda _, line=line, word=word: self._is_greeted(line, word))
                case Returned():
                    jobs.append(Job(line.life, backs=word.backs))
                    after.append(lambda _, line=line, note=word.note: _note(line, note))
                    answered.append((word.number, line.life))
                case Draw():
                    jobs.append(Job(line.life, wants=word.wants))
                    after.append(lambda outcome, line=line, draw=word: self._first(line, draw, outcome))
            if isinstance(word, Hello):
                line.life = word.life
        draws = [(line, word) for line, word in inbox if isinstance(word, Draw)]
        if jobs and await self._work(jobs, after, draws, lines):
            for number, life in answered:
                self._has_answered(number, life)
        await self._finish()

    def _is_greeted(self, line: DoorLine, word: Hello) -> None:
        old = self.doors.get(word.life)
        if old is not None and old is not line:
            self.hung_up(old)
        self._told = (0.0, -1)
        if line.is_gone:  # it left before it was heard, and nobody will say so again
            self._missing.setdefault(word.life, asyncio.get_running_loop().time())
            return
        self.doors[word.life] = line
        self._missing.pop(word.life, None)
        _note(line, word.note)

    async def _work(
        self,
        jobs: list[Job],
        after: list[Callable[[Outcome], None]],
        draws: list[tuple[DoorLine, Draw]],
        lines: Iterable[DoorLine],
    ) -> bool:
        """Has the bank do the jobs; a store that does not answer in time is told to those who wait, at once."""
        working = asyncio.get_running_loop().run_in_executor(self._thread, self._bank.work, jobs, self._patience)
        done, _ = await asyncio.wait((working,), timeout=self._patience)
        if not done:
            self._unanswered(draws)
            draws = []
        while not done:
            done, _ = await asyncio.wait((working,), timeout=_LOOK)
            self._turn_away()
        try:
            outcomes = working.result()
        except StorageError as error:
            if not self._is_lost:
                log.error("bank.unavailable reason=%s", error)
            self._is_lost = True
            self._unanswered(draws)
            self._unsure.update(lines)
            return False
        if self._is_lost:
            log.warning("bank.available")
        self._answers, self._is_lost = True, False
        for then, outcome in zip(after, outcomes, strict=True):
            then(outcome)
        self._hear_anew()
        return True

    def _hear_anew(self) -> None:
        """The store answers again: the doors of which it is not sure hang up, and come back with all that they have."""
        unsure, self._unsure = self._unsure, set()  # some have hung up meanwhile, and will not do it again
        for line in unsure:
            line.close()

    def _unanswered(self, draws: Iterable[tuple[DoorLine, Draw]]) -> None:
        self._answers = False
        for line, draw in draws:
            line.say(Granted(draw.number, tuple(unknown(want) for want in draw.wants)))

    def _turn_away(self) -> None:
        """While the store is silent, those who wish are told so; what they say else is kept."""
        self._unanswered([(line, word) for line, word in self._inbox if isinstance(word, Draw)])
        self._inbox = [
            (line, Returned(0, returns_of(word)) if isinstance(word, Draw) else word) for line, word in self._inbox
        ]

    # --- recalls

    def _first(self, line: DoorLine, draw: Draw, outcome: Outcome) -> None:
        """The first answer of the bank: granted, gone for good, or worth to ask others for."""
        if outcome.is_stranger:
            line.close()
            return
        short = {
            place_of(grant): holders
            for grant, holders in zip(outcome.grants, outcome.holders, strict=True)
            if grant.verdict is Verdict.RESERVED
        }
        if not short:
            line.say(Granted(draw.number, outcome.grants))
            return
        grants = {place_of(grant): grant for grant in outcome.grants}
        wish = Wish(line, draw, grants, asyncio.get_running_loop().time() + _RECALL)
        wish.asked = {life for holders in short.values() for life in holders}
        self._number += 1
        self._wishes[self._number] = wish
        for life in wish.asked:
            other = self.doors.get(life)
            if other is not None:
                other.say(Recall(self._number, tuple(key for key, holders in short.items() if life in holders)))
        far = wish.asked.difference(self.doors, self._missing)
        if far and self._is_shared:
            self._send(self._ask_neighbours(wish, far, tuple(short)))
        line.say(Asked(draw.number))
        self._bell.set()

    def _has_answered(self, number: int, life: str) -> None:
        wish = self._wishes.get(number)
        if wish is not None:
            wish.asked.discard(life)
        favour = self._favours.get(number)
        if favour is not None:
            favour.asked.discard(life)
            if not favour.asked:
                del self._favours[number]
                self._send(self._answer(favour.number))

    async def _finish(self) -> None:
        """Answers the wishes that nobody is waited for any more."""
        now = asyncio.get_running_loop().time()
        over = [number for number, wish in self._wishes.items() if not wish.asked or now >= wish.ends_at]
        wishes = [self._wishes.pop(number) for number in over]
        jobs = [Job(wish.line.life, wants=tuple(rest_of(wish)), is_last=True) for wish in wishes]
        after: list[Callable[[Outcome], None]] = [
            lambda outcome, wish=wish: self._last(wish, outcome) for wish in wishes
        ]
        if jobs:
            await self._work(jobs, after, [(one.line, one.draw) for one in wishes], [one.line for one in wishes])

    def _last(self, wish: Wish, outcome: Outcome) -> None:
        """The last answer: who was asked in vain may have what is missing, so nobody can say that there is none."""
        if outcome.is_stranger:
            wish.line.close()
            return
        for grant, holders in zip(outcome.grants, outcome.holders, strict=True):
            if grant.verdict is Verdict.RESERVED and wish.asked & holders:
                grant = msgspec.structs.replace(grant, verdict=Verdict.UNKNOWN)
            wish.grants[place_of(grant)] = grant
        wish.line.say(Granted(wish.draw.number, tuple(wish.grants.values())))

    # --- other gateways

    async def _ask_neighbours(self, wish: Wish, far: set[str], keys: tuple[Key, ...]) -> None:
        """Has other gateways recall what their doors hold."""
        homes = await asyncio.to_thread(self._bank.neighbours, far, self._patience)
        if not homes:
            return
        number = await asyncio.to_thread(self._bank.post, keys, self._patience)
        while homes and asyncio.get_running_loop().time() < wish.ends_at:
            await asyncio.sleep(_FAR)
            answered = await asyncio.to_thread(self._bank.answers, number, self._patience)
            wish.asked -= {life for life, gateway in homes.items() if gateway in answered}
            homes = {life: gateway for life, gateway in homes.items() if gateway not in answered}
        self._bell.set()

    async def _follow_neighbours(self) -> None:
        """Does for other gateways what they ask for."""
        while True:
            await asyncio.sleep(_FOLLOW)
            try:
                recalls = await asyncio.to_thread(self._bank.asked, self._patience)
            except StorageError:
                continue
            now = asyncio.get_running_loop().time()
            self._seen_recalls = {number: at for number, at in self._seen_recalls.items() if now - at < 5.0}
            for number, keys in recalls:
                if number not in self._seen_recalls and not self._missing:
                    self._seen_recalls[number] = now
                    self._favour(number, keys)

    def _favour(self, recall: int, keys: list[Key]) -> None:
        if not self.doors:
            self._send(self._answer(recall))
            return
        self._number += 1
        self._favours[self._number] = Favour(recall, set(self.doors))
        for line in self.doors.values():
            line.say(Recall(self._number, tuple(keys)))

    async def _answer(self, number: int) -> None:
        await asyncio.to_thread(self._bank.answer, number, self._patience)

    def _send(self, errand: Coroutine[None, None, None]) -> None:
        """Has an errand done in the background; one that fails is as if nobody had answered."""
        task = asyncio.get_running_loop().create_task(_tolerant(errand))
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    # --- the clock

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            version = self._version()
            if self._bank.regime != self._regime:
                self._ask_anew()
            if self._unsure or now - self._told[0] >= _TICK or version != self._told[1]:
                self._told = (now, version)
                await self._tell(version)
            if self._missing:
                await self._look_for_the_dead(now)
            if self._inbox or any(wish.ends_at <= now for wish in self._wishes.values()):
                self._bell.set()
            await asyncio.sleep(_LOOK)

    async def _tell(self, version: int) -> None:
        greeted = -1 if self._missing else self._regime
        try:
            pulse = await asyncio.to_thread(self._bank.beat, (*self.doors, *self._missing), greeted, self._patience)
            self._hear_anew()
        except StorageError:
            pulse = Pulse(0)
        if not pulse.is_settled:
            self._told = (0.0, -1)
        for line in tuple(self.doors.values()):
            line.say(Tick(pulse.now_ns, pulse.now_ns > 0 and self._answers, version, pulse.are_rates_usable))

    def _ask_anew(self) -> None:
        """Has all doors tell what they have, as if this desk had just opened."""
        self._regime = self._bank.regime
        for line in tuple(self.doors.values()):
            self.hung_up(line)
            line.close()

    async def _look_for_the_dead(self, now: float) -> None:
        """A door that died gives its slots back; what it may have used of a minute counts until it would have ended."""
        living = await asyncio.to_thread(self._living)
        for life, since in tuple(self._missing.items()):
            if life not in living and now - since >= _AFTER_DEATH:
                try:
                    await asyncio.to_thread(self._bank.end, life, self._patience)
                except StorageError:
                    continue
                self._missing.pop(life, None)


def _note(line: DoorLine, note: int) -> None:
    """Says that something is kept, if the door waits for that."""
    if note:
        line.say(Noted(note))


async def _tolerant(errand: Coroutine[None, None, None]) -> None:
    try:
        await errand
    except StorageError as error:
        log.debug("bank.errand_failed reason=%s", error)
