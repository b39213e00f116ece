"""What a gateway may do with limits that several share, as the store of rates comes, goes, and forgets."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

__all__ = ["Beat", "Mode", "Neighbour", "Standby"]

# Neither a restart within this time nor a lost answer changes anything.
_GRACE = 2.0
# A use counts for 62 s; others may have noticed the loss some seconds later than this gateway did.
_QUIET = 70.0
# After so long a silence others may be on their own by now.
_NEARLY = 55.0
# Who has not been heard of for so long has nothing any more that it could use.
_GONE = 75.0


class Mode(StrEnum):
    """How a gateway lends."""

    SHARED = "shared"
    # The store is there; this gateway's doors are still telling it what they have.
    JOINING = "joining"
    # The store is gone: nothing is lent until all that was lent before has come to an end.
    QUIET = "quiet"
    ALONE = "alone"


class Neighbour(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a gateway last said of itself: how long ago, among how many it lends alone (0: it shares), in which book."""

    gateway: str
    age: float
    alone: int
    epoch: str


class Beat(msgspec.Struct, frozen=True):
    """What the store answered: its time, in which epoch its book is, and who else is there."""

    now_ns: int
    epoch: str
    others: tuple[Neighbour, ...] = ()
    # Whether this very gateway found no book, or one of another time, and made a new one.
    is_made: bool = False


class Standby:
    """One gateway's view of the store, in seconds of a clock that never jumps."""

    def __init__(self, known: Iterable[str], now: float) -> None:
        self.mode = Mode.JOINING
        # Grows whenever doors have to tell anew what they have.
        self.regime = 0
        self.alone = 0
        # The regime in which all doors have told what they have.
        self.greeted = -1
        self._contact = self._since = self._returned = now
        self._epoch: str | None = None
        self._epoch_from = now
        # When each other gateway was last heard of, and what it said.
        self._heard: dict[str, float] = dict.fromkeys(known, now)
        self._told: dict[str, Neighbour] = {}
        # Among how many those may lend who have not been heard of since the store returned.
        self._unheard_alone = 0
        # Whether it ever shared; a gateway that has just been started is worth a moment's wait.
        self.has_shared = False
        self._is_blocked = False

    @property
    def epoch(self) -> str:
        """The epoch in which this gateway's doors have told all they have; empty while they have not."""
        return self._epoch or "" if self.mode is Mode.SHARED else ""

    @property
    def is_met(self) -> bool:
        """Whether the store was ever heard."""
        return self._epoch is not None

    @property
    def is_usable(self) -> bool:
        """Whether doors may use what they hold."""
        return self.mode is not Mode.QUIET

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to be in a hurry about."""
        return not self._is_blocked and self.mode is not Mode.JOINING

    def look(self, now: float) -> None:
        """Time passes."""
        if self.mode in (Mode.SHARED, Mode.JOINING) and now - self._contact > _GRACE:
            self._enter(Mode.QUIET, now)
        if self.mode is Mode.QUIET and (not self._heard or now - self._since >= _QUIET):
            self.alone = len(self._heard) + 1
            self._enter(Mode.ALONE, now)

    def stumbled(self, now: float) -> None:
        """The store may have done something or not; doors will tell how things really are."""
        if self.mode is Mode.SHARED:
            self._enter(Mode.JOINING, now)
        elif self.mode is Mode.JOINING:
            self.regime += 1

    def heard(self, beat: Beat, now: float) -> None:
        """The store answered."""
        self.look(now)
        if self._epoch is None and not beat.is_made:
            self._heard.clear()  # whoever is in this epoch has told so, and nobody else matters
        if self.mode in (Mode.QUIET, Mode.ALONE):
            if self.mode is Mode.ALONE or now - self._since > _NEARLY:
                self._unheard_alone = len(self._heard) + 1
                self._returned = now
            self._enter(Mode.JOINING, now)
        elif self._epoch not in (None, beat.epoch):
            self._enter(Mode.JOINING, now)
        elif self.mode is Mode.JOINING and self._is_greeted(now):
            self.alone = 0
            self.has_shared = True
            self._enter(Mode.SHARED, now)
        if self._epoch != beat.epoch:
            self._epoch, self._epoch_from = beat.epoch, now
        self._contact = now
        self._told = {one.gateway: one for one in beat.others}
        self._heard |= {one.gateway: now - one.age for one in beat.others}
        # Those who were there before the loss may be on their own, and have yet to notice the return.
        if now - self._returned >= _GONE:
            self._heard = {gateway: at for gateway, at in self._heard.items() if now - at < _GONE}

    def share(self, limit: int, now: float) -> int | None:
        """How much of a limit may be lent in the book that holds now; None if nobody can say at the moment."""
        self._is_blocked = False
        if self.mode is Mode.ALONE and self._is_greeted(now):
            return limit // self.alone
        if self.mode is not Mode.SHARED:
            return None
        left = limit
        for gateway, at in self._heard.items():
            told = self._told.get(gateway)
            alone = told.alone if told is not None else 0
            if at < self._returned and now - self._returned < _GONE:
                alone = alone or self._unheard_alone
            if alone:
                left -= limit // alone
            elif (told is None or told.epoch != self._epoch) and now - self._epoch_from < _GONE:
                self._is_blocked = True  # it may hold anything, and will tell
                return None
        return left

    def wait(self, now: float) -> int:
        """Seconds until it is worth to ask again."""
        return max(int(self._since + _QUIET - now) + 1, 1) if self.mode is Mode.QUIET else 1

    def _is_greeted(self, now: float) -> bool:
        return self.greeted == self.regime or now - self._since > _GONE

    def _enter(self, mode: Mode, now: float) -> None:
        self.mode = mode
        self._since = now
        if mode in (Mode.JOINING, Mode.ALONE):
            self.regime += 1
