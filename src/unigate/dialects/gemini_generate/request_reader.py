"""Reads a generateContent request (https://ai.google.dev/api/generate-content#request-body)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from unigate.conversation import Ask, HostedTool, Tool, ToolChoice
from unigate.dialects.gemini_generate.config_reader import read_config
from unigate.dialects.gemini_generate.content_reader import read_contents, read_system
from unigate.dialects.gemini_generate.fields import FIELDS
from unigate.dialects.gemini_generate.schema import json_schema
from unigate.dialects.gemini_generate.shapes import (
    Content,
    Contents,
    Declaration,
    Declarations,
    Part,
    ToolConfig,
    given,
)
from unigate.dialects.gemini_generate.slots import ORIGIN
from unigate.dialects.gemini_generate.spelling import camel_cased, camel_name
from unigate.errors import Refusal
from unigate.parts import Part as AskPart
from unigate.wire.body import Body
from unigate.wire.typed import TypedDecoder

__all__ = ["read_ask"]

_Tools = Body | tuple[Body, ...]

_contents: Final[TypedDecoder[Contents]] = TypedDecoder(Contents, "contents")
_system: Final[TypedDecoder[str | Content]] = TypedDecoder(str | Content, "systemInstruction")
_tools: Final[TypedDecoder[_Tools]] = TypedDecoder(_Tools, "tools")
_declarations: Final[TypedDecoder[Declarations]] = TypedDecoder(Declarations, "tools[].functionDeclarations")
_tool_config: Final = TypedDecoder(ToolConfig, "toolConfig")
_labels: Final = TypedDecoder(dict[str, str], "labels")
_encode: Final = msgspec.json.Encoder().encode


def read_ask(body: Body, model: str, streamed: bool) -> Ask:
    """The ask of a request whose top level was decoded. Raises Refusal (400) naming what is wrong."""
    fields = {camel_name(name): raw for name, raw in body.items() if given(raw)}
    if "contents" not in fields:
        raise Refusal(400, "missing_contents", "'contents' is missing.", param="contents")
    # Thoughts are shown to those who ask for them (https://ai.google.dev/gemini-api/docs/thinking#summaries).
    ask = Ask(model=model, messages=(), settings={}, streamed=streamed, thinking_shown=False)
    for name, raw in fields.items():
        if name in _READ:
            _READ[name](ask, raw)
        elif name in FIELDS:
            ask.others += (name,)
        else:
            ask.unknown += (name,)
    _narrow(ask)
    return ask


def _read_contents(ask: Ask, raw: msgspec.Raw) -> None:
    contents, unknown = _contents.decode(camel_cased(raw))
    ask.messages += read_contents(contents)
    ask.unknown += unknown


def _read_system(ask: Ask, raw: msgspec.Raw) -> None:
    content, unknown = _system.decode(camel_cased(raw))
    said = read_system(Content(Part(text=content)) if isinstance(content, str) else content)
    ask.messages = said + ask.messages
    ask.unknown += unknown


def _read_tools(ask: Ask, raw: msgspec.Raw) -> None:
    tools = _tools.decode(camel_cased(raw))[0]
    for fields in tools if isinstance(tools, tuple) else (tools,):
        for kind, content in fields.items():
            if kind == "functionDeclarations":
                _read_declarations(ask, content)
            elif given(content):
                ask.hosted_tools += (HostedTool(ORIGIN, kind, msgspec.Raw(_encode({kind: content}))),)


def _read_declarations(ask: Ask, raw: msgspec.Raw) -> None:
    declared, unknown = _declarations.decode(raw)
    ask.unknown += unknown
    several = declared if isinstance(declared, tuple) else (declared,) if declared is not None else ()
    ask.tools += tuple(Tool(one.name, one.description, _schema_of(one)) for one in several)


def _schema_of(declared: Declaration) -> msgspec.Raw | None:
    if given(declared.parameters_json_schema):
        return declared.parameters_json_schema
    if given(declared.parameters):
        return json_schema(declared.parameters, "tools[].functionDeclarations[].parameters")
    return None


def _read_tool_config(ask: Ask, raw: msgspec.Raw) -> None:
    config, unknown = _tool_config.decode(camel_cased(raw))
    ask.unknown += unknown
    calling = config.function_calling_config
    if calling is None or not calling.mode:
        return
    place = "toolConfig.functionCallingConfig.mode"
    names = calling.allowed_function_names or ()
    match calling.mode.upper():
        case "AUTO" | "MODE_UNSPECIFIED":
            ask.tool_choice = ToolChoice("auto")
        case "NONE":
            ask.tool_choice = ToolChoice("none")
        case "ANY":
            ask.tool_choice = ToolChoice("named", names) if names else ToolChoice("required")
        case "VALIDATED":
            ask.tool_choice = ToolChoice("auto", names)
            ask.others += (f"{place}.VALIDATED",)
        case mode:
            raise Refusal(400, "invalid_value", f"'{place}' cannot be '{mode[:50]}'.", param=place)


def _narrow(ask: Ask) -> None:
    """Where the model may choose among some tools only, the others are not offered: not every format can say so."""
    choice = ask.tool_choice
    if choice is not None and choice.mode == "auto" and choice.names:
        ask.tools = tuple(tool for tool in ask.tools if tool.name in choice.names)
        ask.tool_choice = ToolChoice("auto")


def _read_labels(ask: Ask, raw: msgspec.Raw) -> None:
    _labels.decode(raw)
    ask.settings[AskPart.METADATA] = raw


def _read_store(ask: Ask, raw: msgspec.Raw) -> None:
    ask.settings[AskPart.STORE] = raw


def _read_nothing(ask: Ask, raw: msgspec.Raw) -> None:
    """The model is named in the path."""


_READ: Final[Mapping[str, Callable[[Ask, msgspec.Raw], None]]] = {
    "contents": _read_contents,
    "systemInstruction": _read_system,
    "tools": _read_tools,
    "toolConfig": _read_tool_config,
    "generationConfig": read_config,
    "labels": _read_labels,
    "store": _read_store,
    "model": _read_nothing,
}
