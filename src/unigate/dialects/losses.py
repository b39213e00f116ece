"""What of an ask the target's format cannot say: a hint is dropped and listed, meaning is refused by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum, StrEnum
from typing import Protocol

import msgspec

from unigate.errors import Refusal

__all__ = ["Field", "Fields", "Losses", "Spoken", "Weight", "hint", "meaning"]


# The names are told in a header and written down with the call; whoever makes them up decides neither's size.
_MOST_NAMES = 40
_LONGEST_NAME = 80


class Spoken(Protocol):
    """An ask, as far as it holds what its neutral form has no room for: fields of its dialect alone, and of none."""

    @property
    def others(self) -> tuple[str, ...]:
        """Names that only the client's dialect knows."""
        ...

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names that nobody knows."""
        ...


class Weight(Enum):
    """Whether an answer without this part would still be an answer to what was asked."""

    MEANING = "meaning"
    HINT = "hint"


class Field(msgspec.Struct, frozen=True):
    """One field a dialect knows: which part of an ask it is, and its weight."""

    part: StrEnum
    weight: Weight


Fields = Mapping[str, Field]
"""A dialect's table: its own field names (`tools[].strict` for inner ones) in the order in which they are told."""


def meaning(part: StrEnum) -> Field:
    """A field without which the answer would be another one."""
    return Field(part, Weight.MEANING)


def hint(part: StrEnum) -> Field:
    """A field that may be left out, if that is said."""
    return Field(part, Weight.HINT)


class Losses:
    """Judges by the client's own table, so that errors and reports speak the client's language.

    With `strict` a hint is refused as meaning is, by the operator's will.
    """

    __slots__ = ("_dropped", "_fields", "_strict", "_target")

    def __init__(self, fields: Fields, target: str, *, strict: bool = False) -> None:
        self._fields = fields
        self._target = target
        self._strict = strict
        self._dropped: dict[str, None] = {}

    @property
    def dropped(self) -> tuple[str, ...]:
        """The names of what was left out, sorted; of very many the first, and how many more."""
        if not self._dropped:
            return ()
        names = sorted({name[:_LONGEST_NAME] for name in self._dropped})
        more = len(names) - _MOST_NAMES
        return (*names[:_MOST_NAMES], f"and {more} more") if more > 0 else tuple(names)

    def cannot(self, part: StrEnum, name: str | None = None) -> None:
        """Notes that the target's format has no words for a part; `name` is the client's own word if there are several.

        Raises Refusal (422) if the part carries meaning, or hints are refused, too.
        """
        row = self._row(part, name)
        said = name or row or part.value
        if row is not None and self._fields[row].weight is Weight.MEANING:
            raise self.refusal(said)
        self.drop((said,))

    def bends(self, part: StrEnum) -> None:
        """Notes that a part is carried, but not quite as it was asked for."""
        self._dropped[self._row(part, None) or part.value] = None

    def _row(self, part: StrEnum, name: str | None) -> str | None:
        """The table's name for a part: the one that is or ends with the client's own word, else the first."""
        found = [own for own, field in self._fields.items() if field.part is part]
        named = (own for own in found if name is not None and (own == name or own.endswith(f".{name}")))
        return next(named, found[0] if found else None)

    def refusal(self, name: str, because: str | None = None) -> Refusal:
        """The 422 for a field of the client's that the target's format cannot say."""
        reason = because or f"{self._target} has no words for it"
        message = f"'{name}' cannot be carried to this model: {reason}. Remove it, or choose a model that has it."
        return Refusal(422, "unsupported_parameter", message, param=name)

    def drop(self, names: Iterable[str]) -> None:
        """Notes fields that may be left out. Raises Refusal (422) if hints are refused, too."""
        for name in names:
            if self._strict:
                raise self.refusal(
                    name[:_LONGEST_NAME], f"{self._target} has no words for it, and nothing may be left out"
                )
            self._dropped[name] = None

    def begin(self, ask: Spoken) -> None:
        """Judges what no format but the client's own could say."""
        if ask.unknown:
            self.drop(ask.unknown)
        for name in ask.others:
            field = self._fields.get(name)
            if field is not None and field.weight is Weight.MEANING:
                raise self.refusal(name)
            self.drop((name,))
