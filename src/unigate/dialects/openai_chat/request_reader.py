"""Reads a Chat Completions request (https://platform.openai.com/docs/api-reference/chat/create)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from unigate.conversation import Ask, Format, HostedTool, Tool, ToolChoice
from unigate.dialects.openai_chat.fields import FIELDS, HANDLED, SETTINGS
from unigate.dialects.openai_chat.messages import Messages, read_messages
from unigate.errors import Refusal
from unigate.parts import Part
from unigate.wire.body import Body
from unigate.wire.typed import TypedDecoder

__all__ = ["read_ask"]

_NULL = b"null"
_NONE = msgspec.Raw(_NULL)
_ONE = msgspec.Raw(b"1")
_N = Part.N
_NO_AUDIO = ["text"]


class _Function(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    description: str | None = None
    parameters: msgspec.Raw = _NONE
    strict: bool | None = None


class _Custom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    description: str | None = None
    format: msgspec.Raw = _NONE


class _Cache(msgspec.Struct, frozen=True):
    type: str = "ephemeral"
    ttl: str = ""


class _Tool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str = "function"
    function: _Function | None = None
    custom: _Custom | None = None
    cache_control: _Cache | None = None


class _Named(msgspec.Struct, frozen=True):
    name: str


class _Allowed(msgspec.Struct, frozen=True):
    tools: tuple[_Choice, ...]
    mode: str = "auto"


class _Choice(msgspec.Struct, frozen=True):
    type: str
    function: _Named | None = None
    custom: _Named | None = None
    allowed_tools: _Allowed | None = None


class _Schema(msgspec.Struct, frozen=True):
    schema: msgspec.Raw = _NONE
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class _Format(msgspec.Struct, frozen=True):
    type: str
    json_schema: _Schema | None = None


class _Thinking(msgspec.Struct, frozen=True):
    type: str = "enabled"
    budget_tokens: int | None = None


_messages: TypedDecoder[Messages] = TypedDecoder(Messages, "messages")
_tools = TypedDecoder(list[dict[str, msgspec.Raw]], "tools")
_tool = TypedDecoder(_Tool, "tools[]")
_choice: TypedDecoder[str | _Choice] = TypedDecoder(str | _Choice, "tool_choice")
_format = TypedDecoder(_Format, "response_format")
_stop: TypedDecoder[str | tuple[str, ...]] = TypedDecoder(str | tuple[str, ...], "stop")
_modalities = TypedDecoder(list[str], "modalities")
_thinking = TypedDecoder(_Thinking, "thinking")
_encode = msgspec.json.Encoder().encode


def read_ask(body: Body, model: str, streamed: bool) -> Ask:
    """The ask of a request whose top level was decoded. Raises Refusal (400) naming what is wrong."""
    raw_messages = body.get("messages")
    if raw_messages is None:
        raise Refusal(400, "missing_messages", "'messages' is missing.", param="messages")
    messages, unknown = _messages.decode(raw_messages)
    turns, others = read_messages(messages)
    ask = Ask(model=model, messages=turns, settings={}, streamed=streamed, others=others, unknown=unknown)
    for name, raw in body.items():
        if name in HANDLED or raw == _NONE:
            continue
        part = SETTINGS.get(name)
        if part is not None:
            if part is not _N or raw != _ONE:
                ask.settings[part] = raw
        elif name in _READ:
            _READ[name](ask, raw)
        elif name in FIELDS:
            ask.others += (name,)
        else:
            ask.unknown += (name,)
    return ask


def _read_tools(ask: Ask, raw: msgspec.Raw) -> None:
    for fields in _tools.decode(raw)[0]:
        kind = bytes(fields.get("type", b'"function"')).strip(b'"').decode("utf-8", "replace")
        content = msgspec.Raw(_encode(fields))
        if kind not in ("function", "custom"):
            ask.hosted_tools += (HostedTool("openai.chat", kind, content),)
            continue
        tool, unknown = _tool.decode(content)
        ask.unknown += unknown
        ask.tools += (_tool_of(tool),)


def _given(raw: msgspec.Raw) -> msgspec.Raw | None:
    return None if bytes(raw) == _NULL else raw


def _tool_of(tool: _Tool) -> Tool:
    cache = tool.cache_control.ttl if tool.cache_control else None
    if tool.function is not None:
        one = tool.function
        return Tool(one.name, one.description, _given(one.parameters), one.strict, cache)
    if tool.custom is not None:
        return Tool(
            tool.custom.name, tool.custom.description, cache=cache, custom=True, grammar=_given(tool.custom.format)
        )
    raise Refusal(400, "invalid_tool", f"A tool of type '{tool.type}' lacks its '{tool.type}' object.", param="tools")


def _read_choice(ask: Ask, raw: msgspec.Raw) -> None:
    choice = _choice.decode(raw)[0]
    if isinstance(choice, str):
        choice = "required" if choice == "any" else choice  # as Mistral says it
        if choice not in ("auto", "none", "required"):
            raise Refusal(400, "invalid_value", f"'tool_choice' cannot be '{choice[:50]}'.", param="tool_choice")
        ask.tool_choice = ToolChoice(choice)
    elif choice.allowed_tools is not None:
        names = tuple(named.name for one in choice.allowed_tools.tools if (named := one.function or one.custom))
        ask.tool_choice = ToolChoice("named" if choice.allowed_tools.mode == "required" else "auto", names)
    else:
        named = choice.function or choice.custom
        if named is None:
            raise Refusal(400, "invalid_value", "'tool_choice' names no tool.", param="tool_choice")
        ask.tool_choice = ToolChoice("named", (named.name,))


def _read_format(ask: Ask, raw: msgspec.Raw) -> None:
    wanted = _format.decode(raw)[0]
    if wanted.type == "json_object":
        ask.format = Format()
    elif wanted.type == "json_schema":
        schema = wanted.json_schema
        if schema is None or _given(schema.schema) is None:
            param = "response_format.json_schema"
            raise Refusal(400, "invalid_value", f"'{param}.schema' is missing.", param=param)
        ask.format = Format(schema.schema, schema.name, schema.description, schema.strict)
    elif wanted.type != "text":
        raise Refusal(400, "invalid_value", f"A format '{wanted.type[:50]}' is not known.", param="response_format")


def _read_stop(ask: Ask, raw: msgspec.Raw) -> None:
    stop = _stop.decode(raw)[0]
    ask.stop = (stop,) if isinstance(stop, str) else stop


def _read_modalities(ask: Ask, raw: msgspec.Raw) -> None:
    if _modalities.decode(raw)[0] != _NO_AUDIO:
        ask.others += ("modalities",)


def _read_thinking(ask: Ask, raw: msgspec.Raw) -> None:
    wanted = _thinking.decode(raw)[0]
    ask.thinking_budget = wanted.budget_tokens
    if wanted.type == "disabled":
        ask.effort = "none"


def _read_web_search(ask: Ask, raw: msgspec.Raw) -> None:
    ask.hosted_tools += (HostedTool("openai.chat", "web_search_options", raw),)


def _number(name: str, field: str) -> Callable[[Ask, msgspec.Raw], None]:
    decoder = TypedDecoder(int, name)

    def read(ask: Ask, raw: msgspec.Raw) -> None:
        setattr(ask, field, decoder.decode(raw)[0])

    return read


def _text(name: str, field: str) -> Callable[[Ask, msgspec.Raw], None]:
    decoder = TypedDecoder(str, name)

    def read(ask: Ask, raw: msgspec.Raw) -> None:
        setattr(ask, field, decoder.decode(raw)[0])

    return read


_parallel = TypedDecoder(bool, "parallel_tool_calls")


def _read_parallel(ask: Ask, raw: msgspec.Raw) -> None:
    ask.parallel = _parallel.decode(raw)[0]


_READ: dict[str, Callable[[Ask, msgspec.Raw], None]] = {
    "tools": _read_tools,
    "tool_choice": _read_choice,
    "response_format": _read_format,
    "stop": _read_stop,
    "modalities": _read_modalities,
    "thinking": _read_thinking,
    "web_search_options": _read_web_search,
    "parallel_tool_calls": _read_parallel,
    "max_tokens": _number("max_tokens", "max_tokens"),
    "max_completion_tokens": _number("max_completion_tokens", "max_tokens"),
    "user": _text("user", "user"),
    "safety_identifier": _text("safety_identifier", "user"),
    "reasoning_effort": _text("reasoning_effort", "effort"),
}
