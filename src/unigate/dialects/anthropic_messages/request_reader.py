"""Reads a Messages request (https://platform.claude.com/docs/en/api/messages)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Literal

import msgspec

from unigate.conversation import Ask, Block, Format, HostedTool, Message, Role, Text, Tool, ToolChoice
from unigate.dialects.anthropic_messages.blocks import Cache, TextBlock
from unigate.dialects.anthropic_messages.content_reader import Content, lifetime_of, read_content, text_block
from unigate.dialects.anthropic_messages.fields import FIELDS, HANDLED, OWN, SETTINGS
from unigate.errors import Refusal
from unigate.parts import Part
from unigate.wire.body import Body
from unigate.wire.typed import TypedDecoder

__all__ = ["read_ask"]

_NULL = msgspec.Raw(b"null")
_SYSTEM = Role.SYSTEM  # under a name of the module: an enumeration's members are slow to look up
_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
_CHOICES = {"auto": "auto", "any": "required", "tool": "named", "none": "none"}
# The same promise in OpenAI's words, which others have taken over.
_TIERS = {"auto": b'"auto"', "standard_only": b'"default"'}


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class _Message(_Strict, frozen=True):
    role: Literal["user", "assistant", "system"]
    content: Content


class _ToolKind(msgspec.Struct, frozen=True):
    type: str | None = None


class _Tool(_Strict, frozen=True):
    name: str
    input_schema: msgspec.Raw = _NULL
    description: str | None = None
    type: str | None = None
    cache_control: Cache | None = None
    strict: bool | None = None


class _Choice(_Strict, frozen=True):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class _Thinking(_Strict, frozen=True):
    type: str
    budget_tokens: int | None = None
    display: str | None = None


class _Format(_Strict, frozen=True):
    type: Literal["json_schema"]
    schema: msgspec.Raw
    name: str | None = None


class _OutputConfig(_Strict, frozen=True):
    effort: str | None = None
    format: _Format | None = None


class _Metadata(_Strict, frozen=True):
    user_id: str | None = None


_messages: TypedDecoder[list[_Message]] = TypedDecoder(
    Annotated[list[_Message], msgspec.Meta(min_length=1)], "messages"
)
_system: TypedDecoder[str | list[TextBlock]] = TypedDecoder(str | list[TextBlock], "system")
_tools = TypedDecoder(list[msgspec.Raw], "tools")
_tool_kind = TypedDecoder(_ToolKind, "tools[]")
_tool = TypedDecoder(_Tool, "tools[]")
_choice = TypedDecoder(_Choice, "tool_choice")
_thinking = TypedDecoder(_Thinking, "thinking")
_format = TypedDecoder(_Format, "output_format")
_output_config = TypedDecoder(_OutputConfig, "output_config")
_metadata = TypedDecoder(_Metadata, "metadata")
_cache = TypedDecoder(Cache, "cache_control")
_stop = TypedDecoder(tuple[str, ...], "stop_sequences")
_limit = TypedDecoder(int, "max_tokens")
_tier = TypedDecoder(str, "service_tier")


def read_ask(body: Body, model: str, streamed: bool) -> Ask:
    """The ask of a request whose top level was decoded. Raises Refusal (400) naming what is wrong."""
    if body.get("messages", _NULL) == _NULL:
        raise Refusal(400, "missing_messages", "'messages' is missing.", param="messages")
    ask = Ask(model=model, messages=(), settings={}, streamed=streamed)
    names = _read_conversation(ask, body)
    for name, raw in body.items():
        if name in HANDLED or raw == _NULL:
            continue
        if name in SETTINGS:
            ask.settings[SETTINGS[name]] = raw
        elif name in _READ:
            names += _READ[name](ask, raw)
        else:
            names += (name,)
    if names:
        ask.others = tuple(name for name in dict.fromkeys(names) if name in FIELDS)
        ask.unknown = tuple(name for name in dict.fromkeys(names) if name not in FIELDS)
    return ask


def _read_conversation(ask: Ask, body: Body) -> tuple[str, ...]:
    turns: list[Message] = []
    names: tuple[str, ...] = ()
    system = body.get("system")
    if system is not None and system != _NULL:
        told, names = _system.decode(system)
        blocks = read_content(told, "system")[0] if isinstance(told, str) else [text_block(one) for one in told]
        if blocks:
            turns.append(Message(_SYSTEM, tuple(blocks)))
    messages, unknown = _messages.decode(body["messages"])
    names += unknown
    for index, message in enumerate(messages):
        if message.content and isinstance(message.content, str):  # most are no more than that
            turns.append(Message(_ROLES[message.role], (Text(message.content),)))
            continue
        blocks, unknown = read_content(message.content, f"messages[{index}].content")
        names += unknown
        turns.append(Message(_ROLES[message.role], tuple(blocks)))
    ask.messages = tuple(turns)
    return names


def _read_tools(ask: Ask, raw: msgspec.Raw) -> tuple[str, ...]:
    tools: list[Tool] = []
    hosted: list[HostedTool] = []
    names: tuple[str, ...] = ()
    for one in _tools.decode(raw)[0]:
        kind = _tool_kind.decode(one)[0].type
        if kind not in (None, "custom"):
            hosted.append(HostedTool(OWN, kind, one))
            continue
        tool, unknown = _tool.decode(one)
        names += unknown
        cache = lifetime_of(tool.cache_control)
        schema = tool.input_schema if tool.input_schema != _NULL else None
        tools.append(Tool(tool.name, tool.description, schema, tool.strict, cache))
    ask.tools, ask.hosted_tools = tuple(tools), tuple(hosted)
    return names


def _read_choice(ask: Ask, raw: msgspec.Raw) -> tuple[str, ...]:
    choice, names = _choice.decode(raw)
    if choice.type == "tool" and choice.name is None:
        raise Refusal(400, "invalid_value", "'tool_choice' names no tool.", param="tool_choice")
    named = (choice.name,) if choice.type == "tool" and choice.name is not None else ()
    ask.tool_choice = ToolChoice(_CHOICES[choice.type], named)
    if choice.disable_parallel_tool_use:
        ask.parallel = False
    return names


def _read_thinking(ask: Ask, raw: msgspec.Raw) -> tuple[str, ...]:
    """Thinking that is wanted is also shown, unless `display` says otherwise."""
    thinking, names = _thinking.decode(raw)
    match thinking.type:
        case "disabled":
            ask.effort = "none"
        case "between_tools":
            ask.effort = "low"
        case _:
            ask.thinking_budget = thinking.budget_tokens
            ask.thinking_shown = thinking.display != "omitted"
    return names


def _read_output(ask: Ask, raw: msgspec.Raw) -> tuple[str, ...]:
    config, names = _output_config.decode(raw)
    if config.effort is not None:
        # Thinking that is switched off stays off, whatever effort the words shall take.
        ask.effort = ask.effort or {"max": "xhigh"}.get(config.effort, config.effort)
    if config.format is not None:
        ask.format = Format(config.format.schema, config.format.name, strict=True)
    return names


def _read_format(ask: Ask, raw: msgspec.Raw) -> tuple[str, ...]:
    wanted, names = _format.decode(raw)
    ask.format = Format(wanted.schema, wanted.name, strict=True)
    return names


def _read_metadata(ask: Ask, raw: msgspec.Raw) -> tuple[str, ...]:
    metadata, names = _metadata.decode(raw)
    ask.user = metadata.user_id
    return names


def _read_stop(ask: Ask, raw: msgspec.Raw) -> tuple[str, ...]:
    ask.stop = _stop.decode(raw)[0]
    return ()


def _read_limit(ask: Ask, raw: msgspec.Raw) -> tuple[str, ...]:
    ask.max_tokens = _limit.decode(raw)[0]
    return ()


def _read_tier(ask: Ask, raw: msgspec.Raw) -> tuple[str, ...]:
    tier = _TIERS.get(_tier.decode(raw)[0])
    if tier is None:
        return ("service_tier",)
    ask.settings[Part.SERVICE_TIER] = msgspec.Raw(tier)
    return ()


def _read_cache(ask: Ask, raw: msgspec.Raw) -> tuple[str, ...]:
    """A mark for the whole request is one on its last block (.../build-with-claude/prompt-caching)."""
    cache, names = _cache.decode(raw)
    if ask.messages and ask.messages[-1].blocks:
        last = ask.messages[-1]
        marked = tuple(_marked(last.blocks, lifetime_of(cache)))
        ask.messages = (*ask.messages[:-1], msgspec.structs.replace(last, blocks=marked))
    return names


def _marked(blocks: tuple[Block, ...], lifetime: str | None) -> Iterable[Block]:
    yield from blocks[:-1]
    last = blocks[-1]
    # Reasoning and blocks of a foreign kind hold no marks.
    yield msgspec.structs.replace(last, cache=lifetime) if "cache" in last.__struct_fields__ else last


_READ: Mapping[str, Callable[[Ask, msgspec.Raw], tuple[str, ...]]] = {
    "tools": _read_tools,
    "tool_choice": _read_choice,
    "thinking": _read_thinking,
    "output_config": _read_output,
    "output_format": _read_format,
    "metadata": _read_metadata,
    "stop_sequences": _read_stop,
    "max_tokens": _read_limit,
    "service_tier": _read_tier,
    "cache_control": _read_cache,
}
