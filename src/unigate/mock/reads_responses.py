"""What a request of the Responses API says."""

from __future__ import annotations

import msgspec

from unigate.mock.ask import Ask, Piece, Request, Tool, Turn
from unigate.mock.parts import Part, flat

__all__ = ["read"]


class InputItem(msgspec.Struct):
    """One item of the input."""

    type: str = "message"
    id: str | None = None
    role: str = ""
    content: str | list[Part] | None = None
    output: str | list[Part] | None = None
    summary: list[Part] | None = None
    encrypted_content: str | None = None


class OfferedTool(msgspec.Struct):
    """A tool as a request offers it."""

    type: str = "function"
    name: str = ""
    parameters: msgspec.Raw = msgspec.Raw(b"{}")


class Choice(msgspec.Struct):
    """A choice of tool."""

    type: str = ""
    name: str | None = None


class Format(msgspec.Struct):
    """The format that the text shall have."""

    type: str = "text"
    schema: msgspec.Raw = msgspec.Raw(b"")


class TextConfig(msgspec.Struct):
    """How the answer's text shall look."""

    format: Format | None = None


class Reasoning(msgspec.Struct):
    """How hard the model shall think."""

    effort: str | None = None


class ResponsesRequest(msgspec.Struct):
    """What is read of a responses request."""

    input: str | list[InputItem] = ""
    model: str = ""
    instructions: str | None = None
    stream: bool | None = None
    tools: list[OfferedTool] | None = None
    tool_choice: str | Choice | None = None
    text: TextConfig | None = None
    max_output_tokens: int | None = None
    include: list[str] | None = None
    reasoning: Reasoning | None = None
    top_logprobs: int | None = None
    previous_response_id: str | None = None


RESPONSES = msgspec.json.Decoder(ResponsesRequest)


def read(request: Request) -> Ask:
    """What this responses request asks for."""
    told = RESPONSES.decode(request.body)
    items = [InputItem(role="user", content=told.input)] if isinstance(told.input, str) else told.input
    users = [flat(item.content) for item in items if item.role == "user"]
    results = [flat(item.output) for item in items[-1:] if item.output is not None]
    form = told.text.format if told.text else None
    chosen = told.tool_choice
    return Ask(
        texts=[told.instructions or "", *(flat(item.content) + flat(item.output) for item in items)],
        model=told.model,
        user_text=users[-1] if users else "",
        stream=bool(told.stream),
        tool_result=results[0] if results else None,
        tools=tuple(Tool(tool.name, tool.parameters) for tool in told.tools or () if tool.type == "function"),
        forced=chosen.name if isinstance(chosen, Choice) else None,
        may_call=chosen != "none",
        wants_json=form is not None and form.type in ("json_schema", "json_object"),
        schema=form.schema if form else msgspec.Raw(b""),
        limit=told.max_output_tokens,
        thinks=told.reasoning is None or told.reasoning.effort != "none",
        turns=() if told.previous_response_id else (_turn(items),),
        logprobs=(told.top_logprobs or 0) if "message.output_text.logprobs" in (told.include or ()) else None,
        encrypted="reasoning.encrypted_content" in (told.include or ()),
    )


def _turn(items: list[InputItem]) -> Turn:
    """All that the model did since the user spoke, for here a turn is no unit."""
    asked = max((n for n, item in enumerate(items) if item.role == "user"), default=-1)
    return tuple(_piece(item) for item in items[asked + 1 :])


def _piece(item: InputItem) -> Piece:
    match item.type:
        case "reasoning":
            return Piece("thinking", flat(item.summary), item.encrypted_content or "")
        case "function_call":
            return Piece("call", item.id or "")
        case _:
            return Piece("other")
