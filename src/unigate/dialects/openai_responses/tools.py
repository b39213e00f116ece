"""Reads the tools of a Responses request; namespaces are flattened, since no other format has them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

import msgspec

from unigate.conversation import HostedTool, Tool
from unigate.dialects.openai_responses.fields import OWN
from unigate.errors import Refusal
from unigate.wire.typed import TypedDecoder

__all__ = ["Offered", "flat_name", "read_tools"]

# Not `Raw | None`: msgspec would take nothing but null.
_NOTHING = msgspec.Raw(b"null")
_LONGEST_NAME = 64
_ODD = re.compile(r"[^a-zA-Z0-9_-]")
_HASHED = 8


class _Grammar(msgspec.Struct, frozen=True):
    type: str = "text"
    syntax: str = ""
    definition: str = ""


class _Tool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A function or a custom tool."""

    type: str
    name: str
    description: str | None = None
    parameters: msgspec.Raw = _NOTHING
    strict: bool | None = None
    format: _Grammar | None = None
    # For tools that this format's own service calls by itself, or looks up.
    allowed_callers: list[str] | None = None
    defer_loading: bool | None = None
    output_schema: msgspec.Raw = _NOTHING
    is_async: bool | None = msgspec.field(default=None, name="async")


class _Namespace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: str
    name: str
    tools: list[msgspec.Raw]
    description: str | None = None


class _Head(msgspec.Struct, frozen=True):
    type: str = "function"


_list = TypedDecoder(list[msgspec.Raw], "tools")
_head = TypedDecoder(_Head, "tools[]")
_tool = TypedDecoder(_Tool, "tools[]")
_namespace = TypedDecoder(_Namespace, "tools[]")
_encode = msgspec.json.Encoder().encode


class Offered:
    """The tools of a request, as they are gathered from its top level and from its input."""

    def __init__(self) -> None:
        self.tools: list[Tool] = []
        self.hosted: list[HostedTool] = []
        self.others: dict[str, None] = {}
        self.unknown: dict[str, None] = {}


def read_tools(raw: msgspec.Raw, offered: Offered) -> None:
    """Adds a list of tools. Raises Refusal (400)."""
    for one in _list.decode(raw)[0]:
        kind = _head.decode(one)[0].type
        if kind == "namespace":
            space, unknown = _namespace.decode(one)
            offered.unknown.update(dict.fromkeys(unknown))
            _add_space(space, offered)
        elif kind in ("function", "custom"):
            offered.tools.append(_read_tool(one, offered))
        else:
            offered.hosted.append(HostedTool(OWN, kind, one))


def _add_space(space: _Namespace, offered: Offered) -> None:
    said = f"{space.name}: {space.description}" if space.description else None
    for raw in space.tools:
        tool = _read_tool(raw, offered)
        # The namespace is described once, by the first of its tools.
        description = "\n\n".join(text for text in (said, tool.description) if text) or None
        said = None
        name = flat_name(space.name, tool.name)
        offered.tools.append(
            msgspec.structs.replace(tool, name=name, description=description, space=(space.name, tool.name))
        )


def _read_tool(raw: msgspec.Raw, offered: Offered) -> Tool:
    tool, unknown = _tool.decode(raw)
    if not tool.name:
        raise Refusal(400, "invalid_tool", "A tool in 'tools' has an empty name.", param="tools")
    offered.unknown.update(dict.fromkeys(unknown))
    offered.others.update(dict.fromkeys(_own_fields(tool)))
    is_custom = tool.type == "custom"
    grammar = tool.format if is_custom and tool.format is not None and tool.format.definition else None
    return Tool(
        tool.name,
        tool.description,
        tool.parameters if bytes(tool.parameters) != b"null" else None,
        tool.strict,
        custom=is_custom,
        grammar=msgspec.Raw(_encode({"syntax": grammar.syntax, "definition": grammar.definition})) if grammar else None,
    )


def _own_fields(tool: _Tool) -> Iterable[str]:
    if tool.allowed_callers and tool.allowed_callers != ["direct"]:
        yield "tools[].allowed_callers"
    if tool.defer_loading:
        yield "tools[].defer_loading"
    if bytes(tool.output_schema) != b"null":
        yield "tools[].output_schema"
    if tool.is_async:
        yield "tools[].async"


def flat_name(space: str | None, name: str) -> str:
    """The one name of a tool in a namespace, always the same, and fit for every service (64 letters at most)."""
    if not space:
        return name
    joined = space + name if space.endswith("__") else f"{space}__{name}"
    plain = _ODD.sub("_", joined)
    if plain == joined and len(joined) <= _LONGEST_NAME:
        return joined
    digest = hashlib.sha256(joined.encode()).hexdigest()[:_HASHED]
    return f"{plain[: _LONGEST_NAME - _HASHED - 1]}_{digest}"
