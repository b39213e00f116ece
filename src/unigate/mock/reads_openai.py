"""What OpenAI's chat and completions requests say."""

from __future__ import annotations

import msgspec

from unigate.mock.ask import Ask, Request, Tool
from unigate.mock.parts import Part, flat

__all__ = ["OfferedTool", "read_chat", "read_completion", "stops"]


class Function(msgspec.Struct):
    """A function as a request names it."""

    name: str = ""
    parameters: msgspec.Raw = msgspec.Raw(b"{}")


class OfferedTool(msgspec.Struct):
    """A tool as a chat request offers it."""

    type: str = "function"
    function: Function | None = None
    name: str | None = None


class Choice(msgspec.Struct):
    """A choice of tool."""

    type: str = ""
    function: Function | None = None
    name: str | None = None


class JsonSchema(msgspec.Struct):
    """The JSON Schema of a response format."""

    schema: msgspec.Raw = msgspec.Raw(b"")


class Format(msgspec.Struct):
    """A response format."""

    type: str = "text"
    json_schema: JsonSchema | None = None


class StreamOptions(msgspec.Struct):
    """What a client wants to hear in a stream."""

    include_usage: bool = False


class Message(msgspec.Struct):
    """One message of a chat."""

    role: str = "user"
    content: str | list[Part] | None = None


class ChatRequest(msgspec.Struct):
    """What is read of a chat request."""

    messages: list[Message]
    model: str = ""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[OfferedTool] | None = None
    tool_choice: str | Choice | None = None
    response_format: Format | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    reasoning_effort: str | None = None
    stop: str | list[str] | None = None


class CompletionRequest(msgspec.Struct):
    """What is read of a completions request."""

    prompt: str | list[str | int | list[int]] = ""
    model: str = ""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    n: int | None = None
    stop: str | list[str] | None = None


CHAT = msgspec.json.Decoder(ChatRequest)
COMPLETION = msgspec.json.Decoder(CompletionRequest)


def stops(told: str | list[str] | None) -> tuple[str, ...]:
    """The sequences to stop at, whether one or several are told."""
    return (told,) if isinstance(told, str) else tuple(told or ())


def read_chat(request: Request) -> Ask:
    """What this chat request asks for."""
    told = CHAT.decode(request.body)
    texts = [flat(message.content) for message in told.messages]
    last = told.messages[-1].role if told.messages else ""
    users = [text for text, message in zip(texts, told.messages, strict=True) if message.role == "user"]
    chosen = told.tool_choice
    form = told.response_format
    return Ask(
        texts=texts,
        model=told.model,
        user_text=users[-1] if users else "",
        stream=bool(told.stream),
        include_usage=told.stream_options is not None and told.stream_options.include_usage,
        tool_result=texts[-1] if last in ("tool", "function") else None,
        tools=tuple(Tool(t.function.name, t.function.parameters) for t in told.tools or () if t.function),
        forced=chosen.function.name if isinstance(chosen, Choice) and chosen.function else None,
        may_call=chosen != "none",
        wants_json=form is not None and form.type in ("json_schema", "json_object"),
        schema=form.json_schema.schema if form and form.json_schema else msgspec.Raw(b""),
        limit=told.max_completion_tokens or told.max_tokens,
        choices=max(1, min(told.n or 1, 128)),
        stops=stops(told.stop),
        thinks=told.reasoning_effort != "none",
        logprobs=(told.top_logprobs or 0) if told.logprobs else None,
    )


def read_completion(request: Request) -> Ask:
    """What this completions request asks for."""
    told = COMPLETION.decode(request.body)
    texts = [told.prompt] if isinstance(told.prompt, str) else [p for p in told.prompt if isinstance(p, str)]
    return Ask(
        texts=texts,
        model=told.model,
        user_text=texts[-1] if texts else "",
        stream=bool(told.stream),
        include_usage=told.stream_options is not None and told.stream_options.include_usage,
        limit=told.max_tokens,
        stops=stops(told.stop),
        choices=max(1, min(told.n or 1, 128)),
    )
