"""Reads the input of a Responses request into turns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from unigate.conversation import Block, Foreign, Message, Role, Text, ToolResult, ToolUse
from unigate.dialects.openai_responses.fields import FIELDS, OWN
from unigate.dialects.openai_responses.items import (
    Call,
    CustomCall,
    MessageItem,
    Output,
    Reasoning,
    blocks_of,
    thinking_of,
)
from unigate.dialects.openai_responses.tools import Offered, flat_name, read_tools
from unigate.errors import Refusal
from unigate.wire.typed import TypedDecoder

__all__ = ["Input"]

T = TypeVar("T")

_ROLES = {
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "system": Role.SYSTEM,
    "developer": Role.DEVELOPER,
}


# Under names of the module: an enumeration's members are slow to look up.
_USER, _ASSISTANT = Role.USER, Role.ASSISTANT


class _Head(msgspec.Struct, frozen=True):
    type: str | None = None
    role: str | None = None


class _MoreTools(msgspec.Struct, frozen=True):
    tools: msgspec.Raw


_input: TypedDecoder[str | list[msgspec.Raw]] = TypedDecoder(str | list[msgspec.Raw], "input")
_head = TypedDecoder(_Head, "input[]")
_message = TypedDecoder(MessageItem, "input[]")
_call = TypedDecoder(Call, "input[]")
_custom_call = TypedDecoder(CustomCall, "input[]")
_output = TypedDecoder(Output, "input[]")
_reasoning = TypedDecoder(Reasoning, "input[]")
_more_tools = TypedDecoder(_MoreTools, "input[]")


class Input:
    """The turns read so far, with what they name that no other format knows.

    An answer is one turn however many items it had; so are the results of the tools it called.
    """

    def __init__(self, offered: Offered) -> None:
        self.messages: list[Message] = []
        self.others: dict[str, None] = {}
        self.unknown: dict[str, None] = {}
        self._offered = offered
        self._names: dict[str, str] = {}  # of the functions called, by the id of the call
        self._blocks: list[Block] = []  # of a turn that may go on
        self._role = _USER

    def read(self, raw: msgspec.Raw) -> None:
        """Adds the items of an input. Raises Refusal (400) naming the item."""
        items = _input.decode(raw)[0]
        if isinstance(items, str):
            self.messages.append(Message(_USER, (Text(items),)))
            return
        for number, item in enumerate(items):
            try:
                self._read(item)
            except Refusal as refusal:
                raise _numbered(refusal, number) from refusal
        self._end_turn()

    def _read(self, item: msgspec.Raw) -> None:
        head = _head.decode(item)[0]
        kind = head.type or ("message" if head.role is not None else "item_reference")
        match kind:
            case "message":
                self._read_message(item)
            case "function_call":
                self._read_call(item)
            case "custom_tool_call":
                self._read_custom_call(item)
            case "function_call_output" | "custom_tool_call_output":
                self._read_output(item)
            case "reasoning":
                self._read_reasoning(item)
            case "additional_tools":
                read_tools(_more_tools.decode(item)[0].tools, self._offered)
            case "tool_search_output":
                self._read_found(item)
            case _ if f"input[].{kind}" in FIELDS:
                self.others[f"input[].{kind}"] = None
            case _:
                self._go_on(Role.ASSISTANT, (Foreign(OWN, kind, item),))

    def _read_found(self, item: msgspec.Raw) -> None:
        """Tools that a search has found may be called from there on; some were offered from the beginning.

        https://developers.openai.com/api/docs/guides/tools-tool-search
        """
        found = Offered()
        read_tools(_more_tools.decode(item)[0].tools, found)
        known = {tool.name for tool in self._offered.tools}
        self._offered.tools += [tool for tool in found.tools if tool.name not in known]
        self._offered.hosted += found.hosted
        self._offered.others |= found.others
        self._offered.unknown |= found.unknown

    def _go_on(self, role: Role, blocks: Iterable[Block]) -> None:
        """Adds blocks to the turn that is going on, or begins one."""
        if role is not self._role:
            self._end_turn()
            self._role = role
        self._blocks += blocks

    def _end_turn(self) -> None:
        if self._blocks:
            self.messages.append(Message(self._role, tuple(self._blocks)))
            self._blocks = []

    def _known(self, decoded: tuple[T, tuple[str, ...]]) -> T:
        value, unknown = decoded
        if unknown:
            self.unknown.update(dict.fromkeys(unknown))
        return value

    def _read_message(self, raw: msgspec.Raw) -> None:
        item = self._known(_message.decode(raw))
        if item.phase is not None:
            self.others["input[].phase"] = None
        role = _ROLES[item.role]
        if role is _ASSISTANT:
            self._go_on(role, blocks_of(item.content))
            return
        if self._blocks:
            self._end_turn()
        self.messages.append(Message(role, tuple(blocks_of(item.content))))

    def _read_call(self, raw: msgspec.Raw) -> None:
        item = self._known(_call.decode(raw))
        name = self._names[item.call_id] = flat_name(item.namespace, item.name)
        self._go_on(Role.ASSISTANT, (ToolUse(item.call_id, name, item.arguments or "{}"),))

    def _read_custom_call(self, raw: msgspec.Raw) -> None:
        item = self._known(_custom_call.decode(raw))
        name = self._names[item.call_id] = flat_name(item.namespace, item.name)
        self._go_on(Role.ASSISTANT, (ToolUse(item.call_id, name, item.input, custom=True),))

    def _read_output(self, raw: msgspec.Raw) -> None:
        item = self._known(_output.decode(raw))
        result = ToolResult(item.call_id, tuple(blocks_of(item.output)), name=self._names.get(item.call_id))
        self._go_on(Role.USER, (result,))

    def _read_reasoning(self, raw: msgspec.Raw) -> None:
        thinking = thinking_of(self._known(_reasoning.decode(raw)))
        if thinking is not None:
            self._go_on(Role.ASSISTANT, (thinking,))


def _numbered(refusal: Refusal, number: int) -> Refusal:
    told = refusal.told
    param = (told.param or "input").replace("input[]", f"input[{number}]", 1)
    message = told.message.replace("input[]", f"input[{number}]", 1)
    return Refusal(told.status, told.code, message, param=param)
