"""Writes an ask as a chat request (https://docs.ollama.com/api/chat)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import msgspec

from unigate.conversation import Ask
from unigate.dialects.effort import effort_for
from unigate.dialects.losses import Losses
from unigate.dialects.ollama_chat.fields import OPTIONS, SETTINGS
from unigate.dialects.ollama_chat.turns import write_messages
from unigate.dialects.schemas import of_object
from unigate.parts import Part
from unigate.target import Quirks, Target

__all__ = ["write_ask"]

_OPTIONS: Final[Mapping[Part, str]] = {part: name for name, part in OPTIONS.items()}
_SETTINGS: Final[Mapping[Part, str]] = {part: name for name, part in SETTINGS.items()}
_LEVELS: Final[Mapping[str, bool | str]] = {"none": False, "minimal": "low", "low": "low", "medium": "medium"}
_encode: Final = msgspec.json.Encoder().encode

_Json = dict[str, object]


def write_ask(ask: Ask, target: Target, losses: Losses) -> bytes:
    """The request body. Raises Refusal (422) naming what this format cannot say."""
    losses.begin(ask)
    # A stream is what comes unless another wish is said.
    body: _Json = {"model": target.model, "messages": write_messages(ask.messages, losses), "stream": ask.streamed}
    options: _Json = {}
    for part, raw in ask.settings.items():
        option = _OPTIONS.get(part)
        if option is not None:
            options[option] = raw
        elif part in _SETTINGS:
            body[_SETTINGS[part]] = raw
        else:
            losses.cannot(part)
    if ask.max_tokens is not None:
        options["num_predict"] = ask.max_tokens
    if ask.stop:
        options["stop"] = ask.stop
    if options:
        body["options"] = options
    if ask.format is not None:
        body["format"] = ask.format.schema if ask.format.schema is not None else "json"
    if ask.user is not None:
        losses.cannot(Part.USER)
    if ask.tools or ask.hosted_tools:
        _add_tools(body, ask, losses)
    _add_think(body, ask, target, losses)
    return _encode(body)


def _add_tools(body: _Json, ask: Ask, losses: Losses) -> None:
    for hosted in ask.hosted_tools:
        losses.cannot(Part.HOSTED_TOOLS, hosted.kind)
    if not ask.tools:
        return
    mode = ask.tool_choice.mode if ask.tool_choice is not None else "auto"
    if mode == "none":
        return  # what is not offered is not called
    names = ask.tool_choice.names if ask.tool_choice is not None else ()
    if mode != "auto":
        losses.cannot(Part.TOOL_CHOICE)
    if any(tool.strict for tool in ask.tools):
        losses.cannot(Part.STRICT_TOOLS)
    if any(tool.cache is not None for tool in ask.tools):
        losses.cannot(Part.CACHE)
    if ask.parallel is False:
        losses.cannot(Part.PARALLEL)
    offered = [tool for tool in ask.tools if not names or tool.name in names]
    body["tools"] = [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description or "",
                "parameters": of_object(tool.schema),
            },
        }
        for tool in offered
    ]


def _add_think(body: _Json, ask: Ask, target: Target, losses: Losses) -> None:
    effort = ask.effort or (effort_for(ask.thinking_budget) if ask.thinking_budget is not None else None)
    if effort is None:
        return
    think = _LEVELS.get(effort, "high")
    # Every model may be told not to think.
    if think is False or _may_think(target.provider.quirks, target.model):
        body["think"] = think
    else:
        losses.cannot(Part.EFFORT if ask.effort is not None else Part.THINKING_BUDGET)


@lru_cache(maxsize=1024)
def _may_think(quirks: Quirks, model: str) -> bool:
    """A model that does not think refuses to be told how much."""
    return not quirks.effort_models or re.search(quirks.effort_models, model) is not None
