"""Reads a Responses request (https://platform.openai.com/docs/api-reference/responses/create)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from unigate.conversation import Ask, Format, Message, Role, Text, ToolChoice
from unigate.dialects.openai_responses.fields import ECHOED, EXTRA_SETTINGS, FIELDS, HANDLED, SETTINGS
from unigate.dialects.openai_responses.input_reader import Input
from unigate.dialects.openai_responses.tools import Offered, flat_name, read_tools
from unigate.errors import Refusal
from unigate.parts import Part
from unigate.wire.body import Body
from unigate.wire.typed import TypedDecoder

__all__ = ["read_ask"]

_SYSTEM = Role.SYSTEM  # under a name of the module: an enumeration's members are slow to look up
# Not `Raw | None`: msgspec would take nothing but null.
_NOTHING = msgspec.Raw(b"null")
_LOGPROBS = "message.output_text.logprobs"
_ENCRYPTED = "reasoning.encrypted_content"
_TRUE = msgspec.Raw(b"true")
# What asks for nothing: the format's own defaults, and obfuscation, which is never written.
_DEFAULTS: Mapping[str, frozenset[bytes]] = {
    "background": frozenset({b"false"}),
    "top_logprobs": frozenset({b"0"}),
    "truncation": frozenset({b'"disabled"'}),
    "stream_options": frozenset({b"{}", b'{"include_obfuscation":false}', b'{"include_obfuscation": false}'}),
    "service_tier": frozenset({b'"auto"'}),
}


class _Schema(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str
    schema: msgspec.Raw = _NOTHING
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class _TextConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: _Schema | None = None
    verbosity: str | None = None


class _Reasoning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None
    context: str | None = None
    mode: str | None = None


class _Allowed(msgspec.Struct, frozen=True):
    type: str = ""
    name: str | None = None
    namespace: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    type: str
    name: str | None = None
    namespace: str | None = None
    mode: str = "auto"
    tools: tuple[_Allowed, ...] = ()


_instructions = TypedDecoder(str, "instructions")
_text = TypedDecoder(_TextConfig, "text")
_reasoning = TypedDecoder(_Reasoning, "reasoning")
_choice: TypedDecoder[str | _Choice] = TypedDecoder(str | _Choice, "tool_choice")
_include = TypedDecoder(list[str], "include")
_number = TypedDecoder(int, "max_output_tokens")
_user = TypedDecoder(str, "user")
_parallel = TypedDecoder(bool, "parallel_tool_calls")
_encode = msgspec.json.Encoder().encode


def read_ask(body: Body, model: str, streamed: bool) -> Ask:
    """The ask of a request whose top level was decoded. Raises Refusal (400) naming what is wrong."""
    ask = Ask(model=model, messages=(), settings={}, streamed=streamed)
    _read_conversation(ask, body)
    for name, raw in body.items():
        if name in _READ_BEFORE or raw == _NOTHING:
            continue
        if name in ECHOED:
            # A copy, since the request's bytes are let go of while the answer is written.
            ask.echo[name] = msgspec.Raw(bytes(raw))
        if name in _DEFAULTS and bytes(raw) in _DEFAULTS[name]:
            continue
        part = _PARTS.get(name)
        if part is not None:
            ask.settings[part] = raw
        elif name in _READ:
            _READ[name](ask, raw)
        elif name in FIELDS:
            ask.others += (name,)
        else:
            ask.unknown += (name,)
    if not ask.tools:
        _settle_choice(ask)
    return ask


_READ_BEFORE = HANDLED | {"instructions", "input", "tools"}
_PARTS: Mapping[str, Part] = {**SETTINGS, **EXTRA_SETTINGS}
_ELSEWHERE = ("previous_response_id", "conversation", "prompt")


def _read_conversation(ask: Ask, body: Body) -> None:
    offered = Offered()
    tools, instructions = body.get("tools", _NOTHING), body.get("instructions", _NOTHING)
    said = body.get("input", _NOTHING)
    if tools != _NOTHING:
        read_tools(tools, offered)
        ask.echo["tools"] = msgspec.Raw(bytes(tools))
    read = Input(offered)
    if instructions != _NOTHING:
        _read_instructions(read, instructions)
    if said != _NOTHING:
        read.read(said)
    elif all(body.get(name, _NOTHING) == _NOTHING for name in _ELSEWHERE):
        raise Refusal(400, "invalid_value", "'input' is missing.", param="input")
    ask.messages = tuple(read.messages)
    if offered.tools or offered.hosted:
        ask.tools = tuple(offered.tools)
        ask.hosted_tools = tuple(offered.hosted)
    ask.others = (*offered.others, *read.others)
    ask.unknown = (*offered.unknown, *read.unknown)


def _read_instructions(read: Input, raw: msgspec.Raw) -> None:
    if bytes(raw).startswith(b"["):  # a response repeats them as items, and a client may send that back
        read.read(raw)
    else:
        read.messages.append(Message(_SYSTEM, (Text(_instructions.decode(raw)[0]),)))


def _read_text(ask: Ask, raw: msgspec.Raw) -> None:
    config, unknown = _text.decode(raw)
    ask.unknown += unknown
    if config.verbosity is not None:
        ask.settings[Part.VERBOSITY] = msgspec.Raw(_encode(config.verbosity))
    wanted = config.format
    if wanted is None or wanted.type == "text":
        return
    if wanted.type == "json_object":
        ask.format = Format()
    elif wanted.type == "json_schema" and bytes(wanted.schema) != b"null":
        ask.format = Format(wanted.schema, wanted.name, wanted.description, wanted.strict)
    else:
        reason = f"'text.format' of type '{wanted.type[:50]}' is not known, or lacks its schema."
        raise Refusal(400, "invalid_value", reason, param="text.format")


def _read_reasoning(ask: Ask, raw: msgspec.Raw) -> None:
    wanted, unknown = _reasoning.decode(raw)
    ask.unknown += unknown
    ask.effort = wanted.effort
    if wanted.summary is not None or wanted.generate_summary is not None:
        ask.thinking_shown = True
    own = {"reasoning.context": wanted.context, "reasoning.mode": wanted.mode}
    ask.others += tuple(name for name, value in own.items() if value is not None)


def _read_include(ask: Ask, raw: msgspec.Raw) -> None:
    wanted = _include.decode(raw)[0]
    if _LOGPROBS in wanted:
        ask.settings[Part.LOGPROBS] = _TRUE
    if any(name not in (_LOGPROBS, _ENCRYPTED) for name in wanted):
        ask.others += ("include",)


def _read_choice(ask: Ask, raw: msgspec.Raw) -> None:
    choice = _choice.decode(raw)[0]
    if isinstance(choice, str):
        if choice not in ("auto", "none", "required"):
            raise Refusal(400, "invalid_value", f"'tool_choice' cannot be '{choice[:50]}'.", param="tool_choice")
        ask.tool_choice = ToolChoice(choice)
    elif choice.type == "allowed_tools":
        _allow(ask, choice)
    elif choice.type in ("function", "custom") and choice.name is not None:
        ask.tool_choice = ToolChoice("named", (flat_name(choice.namespace, choice.name),))
    else:  # a hosted tool is demanded, which only this format's own service has
        ask.others += ("tool_choice",)


def _allow(ask: Ask, choice: _Choice) -> None:
    """Leaves only the tools that may be called: every format can say that."""
    names = {flat_name(one.namespace, one.name) for one in choice.tools if one.name is not None}
    kinds = {one.type for one in choice.tools if one.name is None}
    ask.tools = tuple(tool for tool in ask.tools if tool.name in names)
    ask.hosted_tools = tuple(tool for tool in ask.hosted_tools if tool.kind in kinds)
    ask.tool_choice = ToolChoice(choice.mode)


def _settle_choice(ask: Ask) -> None:
    """Where there are no tools to call, nothing may be said of calling them, and none can be demanded."""
    choice, ask.tool_choice, ask.parallel = ask.tool_choice, None, None
    if choice is not None and choice.mode in ("required", "named"):
        ask.others += ("tool_choice",)


def _read_limit(ask: Ask, raw: msgspec.Raw) -> None:
    ask.max_tokens = _number.decode(raw)[0]


def _read_user(ask: Ask, raw: msgspec.Raw) -> None:
    ask.user = _user.decode(raw)[0]


def _read_parallel(ask: Ask, raw: msgspec.Raw) -> None:
    ask.parallel = _parallel.decode(raw)[0]


_READ: dict[str, Callable[[Ask, msgspec.Raw], None]] = {
    "text": _read_text,
    "reasoning": _read_reasoning,
    "include": _read_include,
    "tool_choice": _read_choice,
    "max_output_tokens": _read_limit,
    "user": _read_user,
    "safety_identifier": _read_user,
    "parallel_tool_calls": _read_parallel,
}
