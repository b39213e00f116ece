"""Writes an ask as a Chat Completions request (https://platform.openai.com/docs/api-reference/chat/create)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from unigate.conversation import Ask, Format, Tool, ToolChoice
from unigate.dialects.effort import effort_for, takes_effort
from unigate.dialects.losses import Losses
from unigate.dialects.openai_chat.fields import SETTINGS
from unigate.dialects.openai_chat.turns import write_messages
from unigate.parts import Part
from unigate.target import Target

__all__ = ["write_ask"]

_NAMES: Final[Mapping[Part, str]] = {part: name for name, part in SETTINGS.items() if part is not Part.N}
_ASK_USAGE: Final = {"include_usage": True}
_encode: Final = msgspec.json.Encoder().encode

_Json = dict[str, object]


def write_ask(ask: Ask, target: Target, losses: Losses) -> bytes:
    """The request body. Raises Refusal (422) naming what this format cannot say."""
    losses.begin(ask)
    quirks = target.provider.quirks
    body: _Json = {"model": target.model, "messages": write_messages(ask.messages, quirks, losses)}
    for part, raw in ask.settings.items():
        name = _NAMES.get(part)
        if name is None:
            losses.cannot(part)
        else:
            body[name] = raw
    if ask.max_tokens is not None:
        body[quirks.max_tokens_field] = ask.max_tokens
    if ask.stop:
        body["stop"] = ask.stop
    if ask.user is not None:
        body["user"] = ask.user
    if ask.format is not None:
        body["response_format"] = _format(ask.format)
    if ask.tools or ask.hosted_tools:
        _add_tools(body, ask, losses)
    if ask.effort is not None or ask.thinking_budget is not None:
        _add_effort(body, ask, target, losses)
    if ask.streamed:
        _add_stream(body, target)
    return _encode(body)


def _add_stream(body: _Json, target: Target) -> None:
    body["stream"] = True
    if target.provider.stream_usage:
        body["stream_options"] = _ASK_USAGE


def _add_tools(body: _Json, ask: Ask, losses: Losses) -> None:
    for hosted in ask.hosted_tools:
        losses.cannot(Part.HOSTED_TOOLS, hosted.kind)
    if not ask.tools:
        return
    if any(tool.cache is not None for tool in ask.tools):
        losses.cannot(Part.CACHE)
    body["tools"] = [_tool(tool) for tool in ask.tools]
    if ask.tool_choice is not None:
        body["tool_choice"] = _choice(ask.tool_choice)
    if ask.parallel is not None:
        body["parallel_tool_calls"] = ask.parallel


def _tool(tool: Tool) -> _Json:
    function: _Json = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.schema is not None:
        function["parameters"] = tool.schema
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice) -> object:
    if not choice.names:
        return choice.mode
    if len(choice.names) == 1 and choice.mode == "named":
        return {"type": "function", "function": {"name": choice.names[0]}}
    allowed = [{"type": "function", "function": {"name": name}} for name in choice.names]
    mode = "required" if choice.mode == "named" else "auto"
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": allowed}}


def _format(wanted: Format) -> _Json:
    if wanted.schema is None:
        return {"type": "json_object"}
    schema: _Json = {"name": wanted.name or "answer", "schema": wanted.schema}
    if wanted.description is not None:
        schema["description"] = wanted.description
    if wanted.strict is not None:
        schema["strict"] = wanted.strict
    return {"type": "json_schema", "json_schema": schema}


def _add_effort(body: _Json, ask: Ask, target: Target, losses: Losses) -> None:
    effort = ask.effort or (effort_for(ask.thinking_budget) if ask.thinking_budget is not None else None)
    if effort is None:
        return
    if takes_effort(target.provider.quirks, target.model):
        body["reasoning_effort"] = effort
    else:
        losses.cannot(Part.EFFORT if ask.effort is not None else Part.THINKING_BUDGET)
