"""Events of JSON that are told from one another by a few words only: what was learned of some holds for the rest."""

from __future__ import annotations

from typing import Final

__all__ = ["Alike"]

_GAP: Final = b"\0"  # stands in no JSON
_MOST_STRINGS: Final = 2  # the words, and the padding that some services put beside them against eavesdroppers
# A stream whose events are this often unlike those before is not worth learning.
_MOST_LESSONS: Final = 32
_QUOTE: Final = 0x22
_BACKSLASH: Final = 0x5C
# A look at each letter of a usual word costs less than a call of `find`.
_WORD: Final = 24


class Alike:
    """Knows the events of a stream that differ from two it was shown only in words that differed between those."""

    __slots__ = ("_before", "_last", "_lessons_left", "_rest")

    def __init__(self) -> None:
        # What stands before each of the strings that differ, and after the last one.
        self._before: list[bytes] = []
        self._rest = _GAP
        self._last: list[bytes] = []
        self._lessons_left = _MOST_LESSONS

    def learn(self, event: bytes) -> None:
        """Is shown an event; what is like it from now on is like this in everything but its words."""
        if not self._lessons_left or b"\\" in event or _GAP in event:
            return
        parts = event.split(b'"')  # those of odd number stand in quotes
        last, self._last = self._last, parts
        places = [at for at, (one, other) in enumerate(zip(parts, last, strict=False)) if one != other]
        if len(parts) != len(last) or not 0 < len(places) <= _MOST_STRINGS:
            return
        if any(at % 2 == 0 or parts[at + 1].lstrip().startswith(b":") for at in places):
            return  # a number differs, or a name does
        self._lessons_left -= 1
        shape = [_GAP if at in places else part for at, part in enumerate(parts)]
        *self._before, self._rest = b'"'.join(shape).split(_GAP)

    def end_of(self, block: bytes, at: int) -> int:
        """Where the event ends that begins there; 0 if it is not alike, or a string of it has no words."""
        for before in self._before:
            start = at + len(before)
            if block[at:start] != before:
                return 0
            at = _quote_from(block, start)
            if at <= start or block[at - 1] == _BACKSLASH:
                return 0  # a quote within the words is rare enough to be looked at
        end = at + len(self._rest)
        return end if block[at:end] == self._rest else 0


def _quote_from(block: bytes, start: int) -> int:
    """Where the first quote stands at or after `start`; -1 if there is none."""
    end = min(start + _WORD, len(block))
    at = start
    while at < end:
        if block[at] == _QUOTE:
            return at
        at += 1
    return block.find(b'"', at)
