"""A conversation for formats whose turns must alternate between the two sides.

Instructions stand apart, before the conversation; those from the middle of it join them. Consecutive messages of one
side become one turn, and a turn's tool results come first in it. A text without words is left out, for it is refused,
and so is white space at the end of an answer that is to be gone on with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeVar

import msgspec

from unigate.conversation import Block, Message, Refused, Role, Text, ToolResult
from unigate.dialects.losses import Losses
from unigate.parts import Part

__all__ = ["Alternation", "Turn", "alternating"]

W = TypeVar("W")

_INSTRUCTIONS: Final = frozenset({Role.SYSTEM, Role.DEVELOPER})
_ASSISTANT: Final = Role.ASSISTANT
_WORDS: Final = (Text, Refused)


class Turn(Generic[W]):
    """One turn of a side: its blocks, and what they were written as."""

    __slots__ = ("_others", "_results", "blocks", "role")

    def __init__(self, role: Role) -> None:
        self.role = role
        self.blocks: list[Block] = []
        self._results: list[W] = []
        self._others: list[W] = []

    @property
    def content(self) -> list[W]:
        """What all blocks were written as, tool results first."""
        return self._results + self._others if self._results else self._others

    def add(self, block: Block, written: list[W]) -> None:
        """Adds a block and what it was written as."""
        self.blocks.append(block)
        is_result = not isinstance(block, Text) and isinstance(block, ToolResult)
        (self._results if is_result else self._others).extend(written)


class Alternation(Generic[W]):
    """The instructions, and the turns of which none is empty."""

    __slots__ = ("instructions", "turns")

    def __init__(self) -> None:
        self.instructions: list[W] = []
        self.turns: list[Turn[W]] = []

    def turn(self, role: Role) -> Turn[W]:
        """The last turn if it is of this side, else a new one."""
        if not self.turns or self.turns[-1].role is not role:
            self.turns.append(Turn(role))
        return self.turns[-1]


def alternating(messages: Iterable[Message], write: Callable[[Block, Role], list[W]], losses: Losses) -> Alternation[W]:
    """The conversation, each block as `write` puts it. Raises Refusal (422) through the losses."""
    found: Alternation[W] = Alternation()
    for message in _opened(tuple(messages)):
        if message.name is not None:
            losses.cannot(Part.NAMES)
        role = message.role
        for block in message.blocks:
            if isinstance(block, _WORDS) and not block.text.strip():
                continue
            written = write(block, role)
            if role in _INSTRUCTIONS:
                found.instructions += written
            elif written:
                found.turn(role).add(block, written)
    return found


def _opened(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The messages, of which at least one must be no instruction; the last has no white space at its end."""
    if not messages:
        return messages
    last = messages[-1]
    if last.role == _ASSISTANT and last.blocks and isinstance(last.blocks[-1], Text):
        text = msgspec.structs.replace(last.blocks[-1], text=last.blocks[-1].text.rstrip())
        return (*messages[:-1], msgspec.structs.replace(last, blocks=(*last.blocks[:-1], text)))
    if last.role in _INSTRUCTIONS and all(message.role in _INSTRUCTIONS for message in messages):
        return (*messages[:-1], msgspec.structs.replace(last, role=Role.USER))
    return messages
