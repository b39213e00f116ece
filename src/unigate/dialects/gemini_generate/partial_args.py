"""Arguments of a function call that come in pieces, each at its JSON path (Vertex AI's streamFunctionCallArguments)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

import msgspec

from unigate.dialects.gemini_generate.chunks import PartialArg

__all__ = ["PartialArgs"]

_Json = None | bool | int | float | str | list["_Json"] | dict[str, "_Json"]
_Place = dict[str, _Json] | list[_Json]

_STEP = re.compile(r"\.([^.\[\]]+)|\[(?:'([^']*)'|\"([^\"]*)\"|([0-9]{1,6}))\]")
_LONGEST_GAP = 1000  # of a list that is filled out of order


class PartialArgs:
    """The arguments gathered so far."""

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: dict[str, _Json] = {}

    def add(self, pieces: Iterable[PartialArg] | None) -> None:
        """Adds pieces in the order they came; text goes on where text stands already."""
        for piece in pieces or ():
            steps = [
                int(number) if number else dotted or single or double
                for dotted, single, double, number in _STEP.findall(piece.json_path)
            ]
            if steps:
                self._put(steps, _value(piece))

    def text(self) -> str:
        """The arguments as JSON."""
        return msgspec.json.encode(self._root).decode()

    def _put(self, steps: list[str | int], value: _Json) -> None:
        place: _Place = self._root
        for step, following in pairwise(steps):
            place = _inner(place, step, [] if isinstance(following, int) else {})
        known = _at(place, steps[-1])
        _set(place, steps[-1], known + value if isinstance(known, str) and isinstance(value, str) else value)


def _value(piece: PartialArg) -> _Json:
    number = piece.number_value
    if number is not None:
        return int(number) if number.is_integer() else number
    return piece.string_value if piece.string_value is not None else piece.bool_value


def _inner(place: _Place, step: str | int, otherwise: _Place) -> _Place:
    """The object or list at a step, put there if there is none."""
    match _at(place, step):
        case dict() as found:
            return found
        case list() as found:
            return found
        case _:
            _set(place, step, otherwise)
            return otherwise


def _at(place: _Place, step: str | int) -> _Json:
    if isinstance(place, dict):
        return place.get(str(step))
    return place[step] if isinstance(step, int) and step < len(place) else None


def _set(place: _Place, step: str | int, value: _Json) -> None:
    if isinstance(place, dict):
        place[str(step)] = value
    elif isinstance(step, int) and step < len(place) + _LONGEST_GAP:
        place.extend([None] * (step + 1 - len(place)))
        place[step] = value
