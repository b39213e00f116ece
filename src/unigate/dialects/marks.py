"""Marks for the prompt cache, for services that take only a few of them."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from unigate.conversation import Ask, Block, Foreign, Refused, Role, Thinking, Tool, ToolResult

__all__ = ["without_first_marks"]

C = TypeVar("C", bound=Block | Tool)

_INSTRUCTIONS = (Role.SYSTEM, Role.DEVELOPER)


def without_first_marks(ask: Ask, count: int) -> Ask:
    """The ask without that many marks, the first ones in the order of the prompt: the last mark holds what they did."""
    eraser = _Eraser(count)
    tools = tuple(eraser.erased(tool) for tool in ask.tools)
    messages = list(ask.messages)
    for are_instructions in (True, False):
        for at, message in enumerate(messages):
            if (message.role in _INSTRUCTIONS) is are_instructions:
                blocks = tuple(eraser.block(block) for block in message.blocks)
                messages[at] = msgspec.structs.replace(message, blocks=blocks)
    return msgspec.structs.replace(ask, tools=tools, messages=tuple(messages))


class _Eraser:
    """Erases marks until it has erased enough."""

    def __init__(self, count: int) -> None:
        self._left = count

    def block(self, block: Block) -> Block:
        match block:
            case Thinking() | Refused() | Foreign():
                return block
            case ToolResult():
                inner = tuple(self.block(one) for one in block.blocks)
                return self.erased(msgspec.structs.replace(block, blocks=inner))
            case _:
                return self.erased(block)

    def erased(self, marked: C) -> C:
        if self._left == 0 or isinstance(marked, Thinking | Refused | Foreign) or marked.cache is None:
            return marked
        self._left -= 1
        return msgspec.structs.replace(marked, cache=None)
