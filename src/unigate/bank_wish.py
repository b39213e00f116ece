"""What a desk remembers of draws that wait for others, and of recalls that other gateways wait for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from unigate.admission.allowance import Key
from unigate.admission.bank_words import Back, Draw, FromBank, Grant, Verdict, Want

__all__ = ["DoorLine", "Favour", "Wish", "place_of", "rest_of", "returns_of", "unknown"]


class DoorLine(Protocol):
    """A door's line as its desk sees it; `life` is empty until the door has said hello."""

    life: str
    is_gone: bool

    def say(self, word: FromBank) -> None:
        """Sends one word, unless the door has gone."""
        ...

    def close(self) -> None:
        """Hangs up; the door comes back with all that it has."""
        ...


class Wish:
    """A draw that waits for others to give back."""

    __slots__ = ("asked", "draw", "ends_at", "grants", "line")

    def __init__(self, line: DoorLine, draw: Draw, grants: dict[Key, Grant], ends_at: float) -> None:
        self.line = line
        self.draw = draw
        self.grants = grants
        self.asked: set[str] = set()
        self.ends_at = ends_at


class Favour:
    """What another gateway asked for: the number of its recall, and whose answers are missing."""

    __slots__ = ("asked", "number")

    def __init__(self, number: int, asked: set[str]) -> None:
        self.number = number
        self.asked = asked


def place_of(grant: Grant | Want) -> Key:
    """Which limit in which window."""
    return grant.scope, grant.kind, grant.window


def rest_of(wish: Wish) -> Iterable[Want]:
    """What is still wished; what the door had at hand was put back the first time."""
    for want in wish.draw.wants:
        if wish.grants[place_of(want)].verdict is Verdict.RESERVED:
            yield msgspec.structs.replace(want, returned=0)


def returns_of(draw: Draw) -> tuple[Back, ...]:
    """What a door that draws puts back first."""
    return tuple(Back(want.scope, want.kind, want.window, want.returned) for want in draw.wants if want.returned)


def unknown(want: Want) -> Grant:
    """The answer of a store that does not answer."""
    return Grant(want.scope, want.kind, want.window, 0, want.limit, 0, verdict=Verdict.UNKNOWN)
