"""The one line of each door, and the two desks behind it: a store that is silent delays only what it keeps."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TypeVar

from unigate.admission.bank_words import (
    Asked,
    Back,
    Draw,
    FromBank,
    FromDoor,
    Grant,
    Granted,
    Hello,
    Holding,
    Noted,
    Recall,
    Returned,
    Tick,
    Want,
)
from unigate.admission.windows import MONEY
from unigate.bank_desk import BankDesk
from unigate.bank_line import BankLine

__all__ = ["Reception"]

T = TypeVar("T", Holding, Want, Back)

_KINDS = frozenset(kind.value for kind in MONEY)


class Reception:
    """Splits what doors say between the desk of money and the desk of rates, and joins what those answer."""

    def __init__(self, path: Path, money: BankDesk, rates: BankDesk) -> None:
        self._path = path
        self._desks = (money, rates)

    async def live(self) -> None:
        """Serves until cancelled."""
        loop = asyncio.get_running_loop()
        self._path.unlink(missing_ok=True)
        server = await loop.create_unix_server(lambda: BankLine(_Door(self._desks)), str(self._path))
        self._path.chmod(0o600)
        try:
            async with asyncio.TaskGroup() as tasks:
                for desk in self._desks:
                    tasks.create_task(desk.live())
        finally:
            server.close()
            self._path.unlink(missing_ok=True)


class _Window:
    """A door as one desk sees it."""

    def __init__(self, door: _Door, place: int) -> None:
        self._door = door
        self.place = place
        self.life = ""
        self.is_gone = False

    def say(self, word: FromBank) -> None:
        """Passes on what the desk says."""
        self._door.told(self.place, word)

    def close(self) -> None:
        """Hangs up; the door will come back with all that it has."""
        self._door.close()


class _Open:
    """A draw that a desk has not answered yet."""

    __slots__ = ("grants", "waiting")

    def __init__(self, waiting: set[int]) -> None:
        self.waiting = waiting
        self.grants: list[Grant] = []


class _Door:
    """One door's line: place 0 is the desk of money, place 1 the desk of rates."""

    def __init__(self, desks: tuple[BankDesk, BankDesk]) -> None:
        self._desks = desks
        self._windows = (_Window(self, 0), _Window(self, 1))
        self._line: BankLine | None = None
        self._open: dict[int, _Open] = {}

    # --- what the door says

    def heard(self, line: BankLine, word: FromDoor) -> None:
        """Splits a word between the desks."""
        self._line = line
        match word:
            case Hello():
                ours, others = _split(word.holdings)
                self._pass(0, Hello(word.life, ours, word.note))
                self._pass(1, Hello(word.life, others))
            case Draw():
                parts = _split(word.wants)
                self._open[word.number] = _Open({place for place in (0, 1) if parts[place]})
                for place in tuple(self._open[word.number].waiting):
                    self._pass(place, Draw(word.number, parts[place]))
            case Returned(number, backs) if number:
                self._pass(number % 2, Returned(number // 2, backs))
            case Returned():
                ours, others = _split(word.backs)
                if ours:
                    self._pass(0, Returned(0, ours, word.note))
                if others:
                    self._pass(1, Returned(0, others))

    def hung_up(self, line: BankLine) -> None:
        """The line is gone."""
        self._line = None
        for desk, window in zip(self._desks, self._windows, strict=True):
            window.is_gone = True
            desk.hung_up(window)

    def _pass(self, place: int, word: FromDoor) -> None:
        self._desks[place].heard(self._windows[place], word)

    # --- what the desks say

    def told(self, place: int, word: FromBank) -> None:
        """Joins what both desks say."""
        match word:
            case Granted():
                self._join(place, word)
            case Recall():
                self._say(Recall(word.number * 2 + place, word.keys))
            case Tick() if place == 0:
                self._say(Tick(word.now_ns, word.answers, word.version))
            case Tick():
                self._say(Tick(0, False, word.version, word.are_rates_usable))
            case Asked() | Noted():
                self._say(word)

    def _join(self, place: int, word: Granted) -> None:
        waits = self._open.get(word.number)
        if waits is None or place not in waits.waiting:
            self._say(Granted(0, word.grants))  # it was given up already; what was lent is lent
            return
        waits.waiting.discard(place)
        waits.grants += word.grants
        if not waits.waiting:
            del self._open[word.number]
            self._say(Granted(word.number, tuple(waits.grants)))

    def _say(self, word: FromBank) -> None:
        if self._line is not None:
            self._line.say(word)

    def close(self) -> None:
        """Hangs up."""
        if self._line is not None:
            self._line.close()


def _split(some: tuple[T, ...]) -> tuple[tuple[T, ...], tuple[T, ...]]:
    return tuple(one for one in some if one.kind in _KINDS), tuple(one for one in some if one.kind not in _KINDS)
