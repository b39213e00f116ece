"""The desk for doors: takes what they say of limits, lets the bank decide, and recalls what others do not use."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import msgspec

from unigate.admission.bank_words import (
    Asked,
    Back,
    Draw,
    Frames,
    FromBank,
    FromDoor,
    Grant,
    Granted,
    Hello,
    Recall,
    Returned,
    Tick,
    Verdict,
    Want,
    encode_word,
    read_from_door,
)
from unigate.errors import StorageError
from unigate.journal import take_lock
from unigate.storage.bank import Bank, Job, Outcome

__all__ = ["BankDesk", "living_in"]

log = logging.getLogger("unigate.keeper")

# A record of calls being carried may be in the way, and a disk that is busy; a store that is gone takes no longer.
_STORE = 0.5
_RECALL = 0.7
_TICK = 1.0
_LOOK = 0.1
# A door that died had its connections closed by the system; providers need a moment to notice.
_AFTER_DEATH = 1.0
_SILENT = 61.0


Place = tuple[str, str, str]


def living_in(journals: Path) -> frozenset[str]:
    """The lives of doors whose journals are locked by somebody."""
    living: set[str] = set()
    for folder in journals.iterdir() if journals.is_dir() else ():
        try:
            lock = take_lock(folder / "lock")
        except OSError:
            continue  # it was removed just now
        if lock is None:
            living.add(folder.name)
        else:
            os.close(lock)
    return frozenset(living)


class _Wish:
    """A draw that waits for others to give back."""

    __slots__ = ("asked", "door", "draw", "ends_at", "grants")

    def __init__(self, door: _DoorLine, draw: Draw, grants: dict[Place, Grant], ends_at: float) -> None:
        self.door = door
        self.draw = draw
        self.grants = grants
        self.asked: set[str] = set()
        self.ends_at = ends_at


class BankDesk:
    """Serves all doors of one gateway, one batch of their words after the other."""

    def __init__(
        self, path: Path, bank: Bank, living: Callable[[], frozenset[str]], version: Callable[[], int]
    ) -> None:
        self._path = path
        self._bank = bank
        self._living = living
        self._version = version
        self._thread = ThreadPoolExecutor(1, "bank")
        self._doors: dict[str, _DoorLine] = {}
        self._inbox: list[tuple[_DoorLine, FromDoor]] = []
        self._bell = asyncio.Event()
        self._wishes: dict[int, _Wish] = {}
        self._number = 0
        self._answers = True
        # Those that lived before this desk opened, or lost their line, and have not been heard of since.
        self._missing: dict[str, float] = {}
        self._told: tuple[float, int] = (0.0, -1)

    async def live(self) -> None:
        """Serves until cancelled."""
        loop = asyncio.get_running_loop()
        self._missing = dict.fromkeys(self._living(), loop.time())
        self._bank.knows_all = not self._missing
        self._path.unlink(missing_ok=True)
        server = await loop.create_unix_server(lambda: _DoorLine(self), str(self._path))
        self._path.chmod(0o600)
        ticking = loop.create_task(self._tick())
        try:
            while True:
                await self._bell.wait()
                self._bell.clear()
                inbox, self._inbox = self._inbox, []
                if inbox:
                    await self._serve(inbox)
        finally:
            ticking.cancel()
            server.close()
            for door in tuple(self._doors.values()):
                door.close()
            self._path.unlink(missing_ok=True)
            self._thread.shutdown(wait=False)

    # --- what doors say

    def heard(self, door: _DoorLine, word: FromDoor) -> None:
        """A door said something."""
        self._inbox.append((door, word))
        self._bell.set()

    def hung_up(self, door: _DoorLine) -> None:
        """A door's line is gone; whether the door is, its journal's lock tells."""
        if self._doors.get(door.life) is door:
            del self._doors[door.life]
            self._missing[door.life] = asyncio.get_running_loop().time()
        for number in [number for number, wish in self._wishes.items() if wish.door is door]:
            del self._wishes[number]

    async def _serve(self, inbox: list[tuple[_DoorLine, FromDoor]]) -> None:
        jobs: list[Job] = []
        after: list[Callable[[Outcome], None]] = []
        answered: list[int] = []
        for door, word in inbox:
            match word:
                case Hello():
                    door.life = word.life
                    self._doors[word.life] = door
                    jobs.append(Job(word.life, holdings=word.holdings))
                    after.append(lambda _, life=word.life: self._is_greeted(life))
                case Returned():
                    jobs.append(Job(door.life, backs=word.backs))
                    after.append(_nothing)
                    answered.append(word.number)
                    self._has_answered(word.number, door.life)
                case Draw():
                    jobs.append(Job(door.life, wants=word.wants))
                    after.append(lambda outcome, door=door, draw=word: self._first(door, draw, outcome))
        await self._work(jobs, after, [(door, word) for door, word in inbox if isinstance(word, Draw)])
        await self._finish([number for number in dict.fromkeys(answered) if number in self._wishes])

    def _is_greeted(self, life: str) -> None:
        self._missing.pop(life, None)
        self._bank.knows_all = not self._missing
        self._told = (0.0, -1)

    async def _work(
        self, jobs: list[Job], after: list[Callable[[Outcome], None]], draws: list[tuple[_DoorLine, Draw]]
    ) -> None:
        """Has the bank do the jobs; a store that does not answer in time is told to those who wait, at once."""
        loop = asyncio.get_running_loop()
        working = loop.run_in_executor(self._thread, self._bank.work, jobs, _STORE)
        done, _ = await asyncio.wait((working,), timeout=_STORE)
        if not done:
            self._unanswered(draws)
            draws = []
        while not done:
            done, _ = await asyncio.wait((working,), timeout=_LOOK)
            self._turn_away()
        try:
            outcomes = working.result()
        except StorageError as error:
            if self._answers:
                log.error("bank.unavailable reason=%s", error)
            self._unanswered(draws)
            self._inbox[:0] = self._again(jobs)
            return
        if not self._answers:
            log.warning("bank.available")
        self._answers = True
        for then, outcome in zip(after, outcomes, strict=True):
            then(outcome)

    def _again(self, jobs: list[Job]) -> list[tuple[_DoorLine, FromDoor]]:
        """What doors said that must not be lost with a transaction: what they gave back, and who they are."""
        again: list[tuple[_DoorLine, FromDoor]] = []
        for job in jobs:
            door = self._doors.get(job.life)
            if door is None:
                continue
            if job.holdings is not None:
                again.append((door, Hello(job.life, job.holdings)))
            backs = (*job.backs, *_returns(Draw(0, job.wants)))
            if backs:
                again.append((door, Returned(0, backs)))
        return again

    def _unanswered(self, draws: Iterable[tuple[_DoorLine, Draw]]) -> None:
        self._answers = False
        for door, draw in draws:
            door.say(Granted(draw.number, tuple(_unknown(want) for want in draw.wants)))

    def _turn_away(self) -> None:
        """While the store is silent, those who wish are told so; what they say else is kept."""
        waiting = [(door, word) for door, word in self._inbox if isinstance(word, Draw)]
        self._unanswered(waiting)
        self._inbox = [
            (door, Returned(0, _returns(word)) if isinstance(word, Draw) else word) for door, word in self._inbox
        ]

    # --- recalls

    def _first(self, door: _DoorLine, draw: Draw, outcome: Outcome) -> None:
        """The first answer of the bank: granted, gone for good, or worth to ask others for."""
        grants = {_place(grant): grant for grant in outcome.grants}
        short = [grant for grant in outcome.grants if grant.verdict is Verdict.RESERVED]
        if not short:
            door.say(Granted(draw.number, outcome.grants))
            return
        wish = _Wish(door, draw, grants, asyncio.get_running_loop().time() + _RECALL)
        self._number += 1
        number = self._number
        self._wishes[number] = wish
        for life in {life for holders in outcome.holders for life in holders}:
            keys = tuple(
                _place(grant)
                for grant, holders in zip(outcome.grants, outcome.holders, strict=True)
                if life in holders and grant.verdict is Verdict.RESERVED
            )
            wish.asked.add(life)
            other = self._doors.get(life)
            if other is not None:
                other.say(Recall(number, keys))
        door.say(Asked(draw.number))
        if not wish.asked:
            self._bell.set()
            self._inbox.append((door, Returned(number, ())))

    def _has_answered(self, number: int, life: str) -> None:
        wish = self._wishes.get(number)
        if wish is not None:
            wish.asked.discard(life)

    async def _finish(self, numbers: Iterable[int]) -> None:
        """Answers the wishes that nobody is waited for any more."""
        loop = asyncio.get_running_loop()
        over = [n for n in numbers if not self._wishes[n].asked or loop.time() >= self._wishes[n].ends_at]
        wishes = [self._wishes.pop(number) for number in over]
        jobs = [Job(wish.door.life, wants=tuple(_rest(wish)), is_last=True) for wish in wishes]
        after: list[Callable[[Outcome], None]] = [
            lambda outcome, wish=wish: self._last(wish, outcome) for wish in wishes
        ]
        if jobs:
            await self._work(jobs, after, [(wish.door, wish.draw) for wish in wishes])

    def _last(self, wish: _Wish, outcome: Outcome) -> None:
        """The last answer: who was asked in vain may have what is missing, so nobody can say that there is none."""
        for grant, holders in zip(outcome.grants, outcome.holders, strict=True):
            if grant.verdict is Verdict.RESERVED and wish.asked & holders:
                grant = msgspec.structs.replace(grant, verdict=Verdict.UNKNOWN)
            wish.grants[_place(grant)] = grant
        wish.door.say(Granted(wish.draw.number, tuple(wish.grants.values())))

    # --- the clock

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            now = loop.time()
            version = self._version()
            if now - self._told[0] >= _TICK or version != self._told[1]:
                self._told = (now, version)
                await self._tell(version)
            await self._look_for_the_dead(now)
            late = [number for number, wish in self._wishes.items() if wish.ends_at <= now]
            self._inbox += [(self._wishes[number].door, Returned(number, ())) for number in late]
            if self._inbox:
                self._bell.set()
            await asyncio.sleep(_LOOK)

    async def _tell(self, version: int) -> None:
        if not self._doors:
            return
        loop = asyncio.get_running_loop()
        asking = loop.run_in_executor(None, self._bank.now_ns, _STORE)
        done, _ = await asyncio.wait((asking,), timeout=_STORE * 2)
        now_ns, answers = 0, False
        if done:
            try:
                now_ns, answers = asking.result(), True
            except StorageError:
                pass
        else:
            asking.add_done_callback(_forget)
        for door in tuple(self._doors.values()):
            door.say(Tick(now_ns, answers and self._answers, version))

    async def _look_for_the_dead(self, now: float) -> None:
        """A life that ended gives its slots back; one that is silent for long has voided what it had of rates."""
        if not self._missing:
            return
        living = await asyncio.to_thread(self._living)
        for life, since in tuple(self._missing.items()):
            if now - since >= (_SILENT if life in living else _AFTER_DEATH):
                self._missing.pop(life, None)
                self._bank.end(life)
        self._bank.knows_all = not self._missing


class _DoorLine(asyncio.Protocol):
    """One door's socket."""

    def __init__(self, desk: BankDesk) -> None:
        self._desk = desk
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self.life = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._frames.feed(data):
                self._desk.heard(self, read_from_door(payload))
        except (ValueError, msgspec.DecodeError) as error:
            log.error("bank.not_understood life=%s reason=%s", self.life, error)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._desk.hung_up(self)

    def say(self, word: FromBank) -> None:
        """Sends one word, unless the door has gone."""
        if self._transport is not None:
            self._transport.write(encode_word(word))

    def close(self) -> None:
        """Hangs up."""
        if self._transport is not None:
            self._transport.close()


def _place(grant: Grant | Want) -> Place:
    return grant.scope, grant.kind, grant.window


def _rest(wish: _Wish) -> Iterable[Want]:
    """What is still wished; what the door had at hand was put back the first time."""
    for want in wish.draw.wants:
        if wish.grants[_place(want)].verdict is Verdict.RESERVED:
            yield msgspec.structs.replace(want, returned=0)


def _returns(draw: Draw) -> tuple[Back, ...]:
    return tuple(Back(want.scope, want.kind, want.window, want.returned) for want in draw.wants if want.returned)


def _unknown(want: Want) -> Grant:
    return Grant(want.scope, want.kind, want.window, 0, want.limit, 0, verdict=Verdict.UNKNOWN)


def _nothing(outcome: Outcome) -> None:
    """Nobody waits for an answer to this."""


def _forget(asking: asyncio.Future[int]) -> None:
    """Nobody waits any more; how it went was told as `does not answer`."""
    asking.exception()
