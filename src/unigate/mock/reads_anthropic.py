"""What Anthropic's Messages request says."""

from __future__ import annotations

from typing import Literal

import msgspec

from unigate.mock.ask import Ask, Piece, Request, Tool, Turn

__all__ = ["read"]


class Block(msgspec.Struct):
    """One block of a message's content."""

    type: str = "text"
    text: str | None = None
    content: str | list[Block] | None = None
    thinking: str = ""
    signature: str = ""
    data: str = ""


class Message(msgspec.Struct):
    """One message of a conversation."""

    role: str
    content: str | list[Block]


class OfferedTool(msgspec.Struct):
    """A tool as a request offers it."""

    name: str
    input_schema: msgspec.Raw = msgspec.Raw(b"{}")


class Choice(msgspec.Struct):
    """A choice of tool."""

    type: str = "auto"
    name: str | None = None


class Format(msgspec.Struct):
    """The format that the text shall have."""

    type: str = ""
    schema: msgspec.Raw = msgspec.Raw(b"")


class OutputConfig(msgspec.Struct):
    """How the answer shall look."""

    format: Format | None = None


class Thinking(msgspec.Struct):
    """Whether the model shall think."""

    type: str = ""


class MessagesRequest(msgspec.Struct):
    """What is read of a messages request."""

    messages: list[Message]
    model: str = ""
    system: str | list[Block] | None = None
    stream: bool | None = None
    tools: list[OfferedTool] | None = None
    tool_choice: Choice | None = None
    output_format: Format | None = None
    output_config: OutputConfig | None = None
    max_tokens: int | None = None
    stop_sequences: list[str] | None = None
    thinking: Thinking | None = None


MESSAGES = msgspec.json.Decoder(MessagesRequest)


def _flat(content: str | list[Block] | None) -> str:
    if isinstance(content, str):
        return content
    return "".join([block.text or _flat(block.content) for block in content or ()])


def _result(content: str | list[Block]) -> str | None:
    if isinstance(content, str):
        return None
    found = [_flat(block.content) for block in content if block.type == "tool_result"]
    return " ".join(found) if found else None


def read(request: Request) -> Ask:
    """What this messages request asks for."""
    told = MESSAGES.decode(request.body)
    last = told.messages[-1].content if told.messages else ""
    users = [_said(message.content) for message in told.messages if message.role == "user"]
    form = told.output_config.format if told.output_config else told.output_format
    return Ask(
        texts=[_flat(told.system), *(_flat(message.content) for message in told.messages)],
        model=told.model,
        user_text=next((text for text in reversed(users) if text), ""),
        stream=bool(told.stream) or request.path.endswith(":streamRawPredict"),
        tool_result=_result(last),
        tools=tuple(Tool(tool.name, tool.input_schema) for tool in told.tools or ()),
        forced=told.tool_choice.name if told.tool_choice else None,
        may_call=told.tool_choice is None or told.tool_choice.type != "none",
        wants_json=form is not None,
        schema=form.schema if form else msgspec.Raw(b""),
        limit=told.max_tokens,
        stops=tuple(told.stop_sequences or ()),
        thinks=told.thinking is None or told.thinking.type != "disabled",
        turns=_turns(told.messages),
    )


KINDS: dict[str, Literal["thinking", "redacted", "call", "other"]] = {
    "thinking": "thinking",
    "redacted_thinking": "redacted",
    "tool_use": "call",
}


def _turns(messages: list[Message]) -> tuple[Turn, ...]:
    asked = max((n for n, m in enumerate(messages) if m.role == "user" and _result(m.content) is None), default=-1)
    return tuple(_turn(message.content) for message in messages[asked + 1 :] if message.role == "assistant")


def _turn(content: str | list[Block]) -> Turn:
    if isinstance(content, str):
        return (Piece("other"),)
    return tuple(Piece(KINDS.get(b.type, "other"), b.thinking, b.signature or b.data) for b in content)


def _said(content: str | list[Block]) -> str:
    if isinstance(content, str):
        return content
    return " ".join([block.text for block in content if block.text])
