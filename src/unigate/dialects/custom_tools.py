"""Tools that take free text, for formats whose tools take JSON: the text travels as the one argument `input`."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from unigate.conversation import Answer, Ask, Block, Close, Delta, Event, Message, Open, Tool, ToolUse

__all__ = ["CustomTools", "as_functions"]

_SCHEMA = msgspec.Raw(
    b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}'
)
_encode = msgspec.json.Encoder().encode


class _Input(msgspec.Struct, frozen=True):
    input: str


_input = msgspec.json.Decoder(_Input)


def as_functions(ask: Ask) -> None:
    """Rewrites an ask's custom tools, and the calls of them in its history, as functions."""
    ask.tools = tuple(_function(tool) if tool.custom else tool for tool in ask.tools)
    ask.messages = tuple(
        Message(message.role, tuple(map(_wrapped, message.blocks)), message.name) for message in ask.messages
    )


class CustomTools:
    """Rewrites the calls of custom tools in an answer back into free text; each comes whole, since it was JSON."""

    __slots__ = ("_arguments", "_names")

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._arguments: dict[int, str] = {}  # of the calls that are open

    def events(self, events: Iterable[Event]) -> list[Event]:
        """The events with the calls in them rewritten."""
        found: list[Event] = []
        for event in events:
            match event:
                case Open(index, ToolUse(name=name)) if name in self._names:
                    self._arguments[index] = ""
                    found.append(Open(index, msgspec.structs.replace(event.block, custom=True)))
                case Delta(index, text) if index in self._arguments:
                    self._arguments[index] += text
                case Close(index) if index in self._arguments:
                    found += (Delta(index, _text(self._arguments.pop(index))), event)
                case _:
                    found.append(event)
        return found

    def answer(self, answer: Answer) -> Answer:
        """The whole answer with the calls in it rewritten."""
        return msgspec.structs.replace(answer, blocks=tuple(map(self._unwrapped, answer.blocks)))

    def _unwrapped(self, block: Block) -> Block:
        if isinstance(block, ToolUse) and block.name in self._names:
            return msgspec.structs.replace(block, arguments=_text(block.arguments), custom=True)
        return block


def _text(arguments: str) -> str:
    """The free text; a model that did not keep to the schema has said something else, which is passed on as it is."""
    try:
        return _input.decode(arguments).input
    except msgspec.DecodeError:
        return arguments


def _function(tool: Tool) -> Tool:
    description = tool.description or ""
    if tool.grammar is not None:
        description += f"\n\nThe input must be in this format: {bytes(tool.grammar).decode()}"
    return Tool(tool.name, description.strip() or None, _SCHEMA, None, tool.cache)


def _wrapped(block: Block) -> Block:
    if isinstance(block, ToolUse) and block.custom:
        return ToolUse(block.id, block.name, _encode({"input": block.arguments}).decode(), block.cache)
    return block
