"""Writes an ask as a request of Cohere's chat (https://docs.cohere.com/reference/chat)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from unigate.conversation import Ask, Tool
from unigate.dialects.cohere_chat.turns import Turns
from unigate.dialects.effort import budget_for, takes_effort
from unigate.dialects.losses import Losses
from unigate.parts import Part
from unigate.target import Target

__all__ = ["write_ask"]

_NAMES: Final[Mapping[Part, str]] = {
    Part.TEMPERATURE: "temperature",
    Part.TOP_P: "p",
    Part.TOP_K: "k",
    Part.SEED: "seed",
    Part.FREQUENCY_PENALTY: "frequency_penalty",
    Part.PRESENCE_PENALTY: "presence_penalty",
    Part.LOGPROBS: "logprobs",
}
_NO_ARGUMENTS: Final = msgspec.Raw(b'{"type":"object","properties":{}}')
_encode: Final = msgspec.json.Encoder().encode

_Json = dict[str, object]


def write_ask(ask: Ask, target: Target, losses: Losses) -> bytes:
    """The request body. Raises Refusal (422) naming what this format cannot say."""
    losses.begin(ask)
    turns = Turns(losses)
    for message in ask.messages:
        turns.add(message)
    body: _Json = {"model": target.model, "messages": turns.messages, "stream": ask.streamed}
    if turns.documents:
        body["documents"] = turns.documents
    for part, raw in ask.settings.items():
        name = _NAMES.get(part)
        if name is None:
            losses.cannot(part)
        else:
            body[name] = raw
    if ask.max_tokens is not None:
        body["max_tokens"] = ask.max_tokens
    if ask.stop:
        body["stop_sequences"] = ask.stop
    if ask.user is not None:
        losses.cannot(Part.USER)
    if ask.format is not None:
        schema = {} if ask.format.schema is None else {"json_schema": ask.format.schema}
        body["response_format"] = {"type": "json_object", **schema}
    if ask.tools or ask.hosted_tools:
        _add_tools(body, ask, losses)
    _add_thinking(body, ask, target, losses)
    return _encode(body)


def _add_tools(body: _Json, ask: Ask, losses: Losses) -> None:
    for hosted in ask.hosted_tools:
        losses.cannot(Part.HOSTED_TOOLS, hosted.kind)
    tools, choice = ask.tools, ask.tool_choice
    if choice is not None and choice.names:
        # A tool cannot be named, but the others can be left out.
        tools = tuple(tool for tool in tools if tool.name in choice.names)
    if not tools:
        return
    if any(tool.cache is not None for tool in tools):
        losses.cannot(Part.CACHE)
    body["tools"] = [_tool(tool) for tool in tools]
    strict = [tool for tool in tools if tool.strict]
    if len(strict) == len(tools):
        body["strict_tools"] = True
    elif strict:
        losses.cannot(Part.STRICT_TOOLS)
    if choice is not None and choice.mode != "auto":
        body["tool_choice"] = "NONE" if choice.mode == "none" else "REQUIRED"
    if ask.parallel is False:
        losses.cannot(Part.PARALLEL)


def _tool(tool: Tool) -> _Json:
    function: _Json = {"name": tool.name, "parameters": tool.schema or _NO_ARGUMENTS}
    if tool.description is not None:
        function["description"] = tool.description
    return {"type": "function", "function": function}


def _add_thinking(body: _Json, ask: Ask, target: Target, losses: Losses) -> None:
    """How long to think, for a model that does: only a number of tokens says it here."""
    budget = ask.thinking_budget
    if budget is None and ask.effort is not None:
        budget = budget_for(ask.effort)
    if budget is None:
        return
    if not takes_effort(target.provider.quirks, target.model):
        losses.cannot(Part.EFFORT if ask.effort is not None else Part.THINKING_BUDGET)
    elif budget == 0:
        body["thinking"] = {"type": "disabled"}
    else:
        body["thinking"] = {"type": "enabled", "token_budget": budget} if budget > 0 else {"type": "enabled"}
