"""Reads a chat request (https://docs.ollama.com/api/chat) and a generate request, which is a chat of one message."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from unigate.conversation import Ask, Format, HostedTool, Message, Role, Text, Tool
from unigate.dialects.losses import Fields
from unigate.dialects.ollama_chat.fields import FIELDS, GENERATE_FIELDS, OPTIONS, SETTINGS
from unigate.dialects.ollama_chat.messages import ORIGIN, ChatMessage, pictures, read_messages
from unigate.errors import Refusal
from unigate.wire.body import Body, text_of
from unigate.wire.typed import TypedDecoder

__all__ = ["read_ask", "read_generate_ask"]

# An empty value says no more than none: the official client sends them.
_NOTHING = frozenset({b"null", b'""', b"[]", b"{}"})
_OFF: Mapping[str, bytes] = {"raw": b"false", "logprobs": b"false"}
_NULL = msgspec.Raw(b"null")
_EFFORTS: Mapping[bool | str, str] = {True: "medium", False: "none", "max": "xhigh"}


class _Function(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    description: str | None = None
    # Not `Raw | None`: msgspec would take nothing but null.
    parameters: msgspec.Raw = _NULL


class _Tool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str | None = "function"
    function: _Function | None = None


_messages: TypedDecoder[tuple[ChatMessage, ...]] = TypedDecoder(tuple[ChatMessage, ...], "messages")
_tools = TypedDecoder(list[msgspec.Raw], "tools")
_tool = TypedDecoder(_Tool, "tools[]")
_think: TypedDecoder[bool | str] = TypedDecoder(bool | str, "think")
_format: TypedDecoder[str | dict[str, msgspec.Raw]] = TypedDecoder(str | dict[str, msgspec.Raw], "format")
_options = TypedDecoder(Body, "options")
_limit = TypedDecoder(int, "options.num_predict")
_stop: TypedDecoder[str | tuple[str, ...]] = TypedDecoder(str | tuple[str, ...], "options.stop")
_images = TypedDecoder(tuple[str, ...], "images")

_Reader = Callable[[Ask, msgspec.Raw], None]


def read_ask(body: Body, model: str, streamed: bool) -> Ask:
    """The ask of a chat. Raises Refusal (400) naming what is wrong."""
    raw = body.get("messages")
    messages, unknown = _messages.decode(raw) if raw is not None and bytes(raw) != b"null" else ((), ())
    if not messages:
        said = "'messages' is empty. Models are not loaded ahead here; just ask."
        raise Refusal(400, "missing_messages", said, param="messages")
    ask = Ask(model=model, messages=read_messages(messages), settings={}, streamed=streamed, unknown=unknown)
    _read_rest(ask, body, FIELDS, frozenset({"model", "messages", "stream"}))
    return ask


def read_generate_ask(body: Body, model: str, streamed: bool) -> Ask:
    """The ask of a prompt. Raises Refusal (400) naming what is wrong."""
    prompt, system = text_of(body, "prompt"), text_of(body, "system")
    raw = body.get("images")
    shown = pictures(_images.decode(raw)[0]) if raw is not None and bytes(raw) != b"null" else []
    if not prompt and not shown:
        said = "'prompt' is empty. Models are not loaded ahead here; just ask."
        raise Refusal(400, "missing_prompt", said, param="prompt")
    told = (Message(Role.SYSTEM, (Text(system),)),) if system else ()
    asked = Message(Role.USER, (*([Text(prompt)] if prompt else []), *shown))
    ask = Ask(model=model, messages=(*told, asked), settings={}, streamed=streamed)
    _read_rest(ask, body, GENERATE_FIELDS, frozenset({"model", "prompt", "system", "images", "stream"}))
    return ask


def _read_rest(ask: Ask, body: Body, fields: Fields, handled: frozenset[str]) -> None:
    for name, raw in body.items():
        if name in handled or bytes(raw) in _NOTHING or bytes(raw) == _OFF.get(name):
            continue
        if name in SETTINGS:
            ask.settings[SETTINGS[name]] = raw
        elif name in _READ:
            _READ[name](ask, raw)
        elif name in fields:
            ask.others += (name,)
        else:
            ask.unknown += (name,)


def _read_tools(ask: Ask, raw: msgspec.Raw) -> None:
    for one in _tools.decode(raw)[0]:
        tool, unknown = _tool.decode(one)
        ask.unknown += unknown
        if tool.function is None:
            ask.hosted_tools += (HostedTool(ORIGIN, tool.type or "", one),)
        else:
            function = tool.function
            schema = None if bytes(function.parameters) == b"null" else function.parameters
            ask.tools += (Tool(function.name, function.description, schema),)


def _read_think(ask: Ask, raw: msgspec.Raw) -> None:
    think = _think.decode(raw)[0]
    ask.effort = _EFFORTS.get(think, str(think))
    ask.thinking_shown = think is not False


def _read_format(ask: Ask, raw: msgspec.Raw) -> None:
    wanted = _format.decode(raw)[0]
    if not isinstance(wanted, str):
        ask.format = Format(raw)
    elif wanted == "json":
        ask.format = Format()
    else:
        said = f"'format' cannot be '{wanted[:50]}'; it must be 'json' or a schema."
        raise Refusal(400, "invalid_value", said, param="format")


def _read_options(ask: Ask, raw: msgspec.Raw) -> None:
    for name, value in _options.decode(raw)[0].items():
        if bytes(value) == b"null":
            continue
        if name in OPTIONS:
            ask.settings[OPTIONS[name]] = value
        elif name in _OPTIONS:
            _OPTIONS[name](ask, value)
        elif f"options.{name}" in FIELDS:
            ask.others += (f"options.{name}",)
        else:
            ask.unknown += (f"options.{name}",)


def _read_limit(ask: Ask, raw: msgspec.Raw) -> None:
    """A limit below zero is none: -1 goes on for ever, -2 until the context is full."""
    limit = _limit.decode(raw)[0]
    ask.max_tokens = limit if limit >= 0 else None


def _read_stop(ask: Ask, raw: msgspec.Raw) -> None:
    stop = _stop.decode(raw)[0]
    ask.stop = (stop,) if isinstance(stop, str) else stop


_OPTIONS: Mapping[str, _Reader] = {"num_predict": _read_limit, "stop": _read_stop}
_READ: Mapping[str, _Reader] = {
    "tools": _read_tools,
    "think": _read_think,
    "format": _read_format,
    "options": _read_options,
}
