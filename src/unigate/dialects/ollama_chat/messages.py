"""Reads the messages of a chat (https://docs.ollama.com/api/chat). Calls and results may come without ids."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from unigate.conversation import Block, Data, Image, Message, Role, Text, Thinking, ToolResult, ToolUse
from unigate.errors import Refusal
from unigate.wire.typed import TypedDecoder

__all__ = ["ORIGIN", "ChatMessage", "pictures", "read_messages"]

ORIGIN = "ollama.chat"

_NULL = msgspec.Raw(b"null")
_text = TypedDecoder(str, "messages[].tool_calls[].function.arguments")
# What the bytes of each kind of picture begin with, as base64; nothing else says which kind one is.
_KINDS = (("iVBOR", "image/png"), ("R0lG", "image/gif"), ("UklG", "image/webp"), ("/9j/", "image/jpeg"))
_ROLES = {role.value: role for role in Role}


class _Function(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    arguments: msgspec.Raw = _NULL
    index: int | None = None
    description: str | None = None


class _Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    function: _Function
    id: str | None = None
    type: str | None = None


class ChatMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One message; a tool's result names the tool, or the call that it answers."""

    role: str
    content: str | None = None
    thinking: str | None = None
    images: tuple[str, ...] | None = None
    tool_calls: tuple[_Call, ...] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None
    name: str | None = None


def read_messages(messages: Iterable[ChatMessage]) -> tuple[Message, ...]:
    """The messages. Raises Refusal (400) for a role that nobody has."""
    turns = _Turns()
    return tuple(turns.read(message, number) for number, message in enumerate(messages))


def pictures(images: Iterable[str] | None) -> list[Block]:
    """Pictures, each told as base64 alone or as a `data:` URL."""
    return [_picture(image) for image in images or ()]


def _picture(image: str) -> Image:
    if image.startswith("data:"):
        head, _, image = image.partition(",")
        return Image(Data(head[5:].partition(";")[0] or "image/png", image))
    kind = next((kind for start, kind in _KINDS if image.startswith(start)), "image/png")
    return Image(Data(kind, image))


class _Turns:
    """The calls that no result has answered so far."""

    def __init__(self) -> None:
        self._waiting: list[ToolUse] = []
        self._calls = 0

    def read(self, message: ChatMessage, number: int) -> Message:
        content: list[Block] = [Text(message.content)] if message.content else []
        if message.role == "tool":
            return Message(Role.USER, (self._result(message, [*content, *pictures(message.images)]),))
        role = _ROLES.get(message.role)
        if role is None:
            place = f"messages[{number}].role"
            said = f"'{place}' is '{message.role[:50]}'; it must be system, user, assistant or tool."
            raise Refusal(400, "invalid_value", said, param=place)
        thoughts: list[Block] = [Thinking(message.thinking, origin=ORIGIN)] if message.thinking else []
        calls = [self._call(call) for call in message.tool_calls or ()]
        return Message(role, (*thoughts, *content, *pictures(message.images), *calls))

    def _call(self, call: _Call) -> ToolUse:
        self._calls += 1
        made = ToolUse(call.id or f"call_{self._calls}", call.function.name, _arguments(call.function.arguments))
        self._waiting.append(made)
        return made

    def _result(self, message: ChatMessage, blocks: list[Block]) -> ToolResult:
        """The result, with its call's id: a name means the first waiting call of it, and nothing the first of all."""
        name = message.tool_name or message.name
        for call in self._waiting:
            if call.id == message.tool_call_id if message.tool_call_id else name in (None, "", call.name):
                self._waiting.remove(call)
                return ToolResult(call.id, tuple(blocks), name=call.name)
        self._calls += 1
        return ToolResult(message.tool_call_id or f"call_{self._calls}", tuple(blocks), name=name or None)


def _arguments(raw: msgspec.Raw) -> str:
    """Arguments are an object; some clients send them as text, as OpenAI's format has them."""
    content = bytes(raw)
    if content.startswith(b'"'):
        return _text.decode(raw)[0]
    return "{}" if content == b"null" else content.decode("utf-8", "replace")
