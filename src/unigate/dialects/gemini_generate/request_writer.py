"""Writes an ask as a generateContent request (https://ai.google.dev/api/generate-content#request-body).

The model is named in the path, and so is whether the answer is streamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from unigate.conversation import Ask, Format, Tool, ToolChoice
from unigate.dialects.effort import budget_for, effort_for
from unigate.dialects.gemini_generate.content_writer import Contents
from unigate.dialects.gemini_generate.fields import CONFIG
from unigate.dialects.gemini_generate.generations import Generation, generation_of, is_pro
from unigate.dialects.gemini_generate.slots import ORIGIN
from unigate.dialects.losses import Losses
from unigate.parts import Part
from unigate.target import Target

__all__ = ["write_ask"]

_Json = dict[str, object]

# One answer is all that the neutral conversation holds.
_NAMES: Final[Mapping[Part, str]] = {part: name for name, part in CONFIG.items() if part is not Part.N}
_LEVELS: Final[Mapping[str, str]] = {"none": "minimal", "minimal": "minimal", "low": "low", "medium": "medium"}
# What every model with a budget takes at most, and what those need that cannot do without
# (https://ai.google.dev/gemini-api/docs/thinking#set-budget).
_LARGEST_BUDGET: Final = 24576
_LEAST_BUDGET: Final = 128
_MODES: Final[Mapping[str, str]] = {"auto": "AUTO", "none": "NONE", "required": "ANY", "named": "ANY"}

_encode: Final = msgspec.json.Encoder().encode


def write_ask(ask: Ask, target: Target, losses: Losses) -> bytes:
    """The request body. Raises Refusal (422) naming what this format cannot say."""
    losses.begin(ask)
    generation = generation_of(target.model)
    contents = Contents(generation, losses)
    contents.add(ask.messages)
    body: _Json = {"contents": contents.contents}
    if contents.system:
        body["systemInstruction"] = {"parts": contents.system}
    if ask.tools or ask.hosted_tools:
        _add_tools(body, ask, losses)
    config = _settings(ask, losses)
    if ask.max_tokens is not None:
        config["maxOutputTokens"] = ask.max_tokens
    if ask.stop:
        config["stopSequences"] = ask.stop
    if ask.format is not None:
        config.update(_format(ask.format))
    if thinking := _thinking(ask, target.model, generation, losses):
        config["thinkingConfig"] = thinking
    if config:
        body["generationConfig"] = config
    return _encode(body)


def _settings(ask: Ask, losses: Losses) -> _Json:
    config: _Json = {}
    for part, raw in ask.settings.items():
        name = _NAMES.get(part)
        if name is None:
            losses.cannot(part)
        else:
            config[name] = raw
    if ask.user is not None:
        losses.cannot(Part.USER)
    if ask.parallel is False:
        losses.cannot(Part.PARALLEL)
    return config


def _format(wanted: Format) -> _Json:
    told: _Json = {"responseMimeType": "application/json"}
    return told if wanted.schema is None else {**told, "responseJsonSchema": wanted.schema}


# --- tools


def _add_tools(body: _Json, ask: Ask, losses: Losses) -> None:
    tools: list[object] = []
    if ask.tools:
        tools.append({"functionDeclarations": [_tool(tool) for tool in ask.tools]})
    if any(tool.cache is not None for tool in ask.tools):
        losses.cannot(Part.CACHE)
    for hosted in ask.hosted_tools:
        if hosted.origin == ORIGIN:
            tools.append(hosted.raw)
        else:
            losses.cannot(Part.HOSTED_TOOLS, hosted.kind)
    if tools:
        body["tools"] = tools
    calling = _calling(ask.tool_choice, is_strict=any(tool.strict for tool in ask.tools))
    if calling and ask.tools:
        body["toolConfig"] = {"functionCallingConfig": calling}


def _tool(tool: Tool) -> _Json:
    told: _Json = {"name": tool.name}
    if tool.description:
        told["description"] = tool.description
    if tool.schema is not None:
        told["parametersJsonSchema"] = tool.schema
    return told


def _calling(choice: ToolChoice | None, *, is_strict: bool) -> _Json:
    """Which tools to call. Arguments keep to their schemas if calls are forced, or validated."""
    if choice is None:
        return {"mode": "VALIDATED"} if is_strict else {}
    mode = _MODES[choice.mode]
    if mode == "AUTO" and (is_strict or choice.names):
        mode = "VALIDATED"
    return {"mode": mode, "allowedFunctionNames": choice.names} if choice.names else {"mode": mode}


# --- thinking


def _thinking(ask: Ask, model: str, generation: Generation, losses: Losses) -> _Json:
    config: _Json = {}
    asked = Part.EFFORT if ask.effort is not None else Part.THINKING_BUDGET
    if ask.effort is None and ask.thinking_budget is None:
        pass
    elif generation is Generation.PLAIN:
        losses.cannot(asked)
    elif generation is Generation.BUDGETS:
        config["thinkingBudget"] = _budget(ask, model)
    else:
        config["thinkingLevel"] = _level(ask, model)
    if ask.thinking_shown and generation is not Generation.PLAIN:
        config["includeThoughts"] = True
    return config


def _budget(ask: Ask, model: str) -> int:
    budget = budget_for(ask.effort or "medium") if ask.thinking_budget is None else ask.thinking_budget
    return max(min(budget, _LARGEST_BUDGET), _LEAST_BUDGET if is_pro(model) else 0)


def _level(ask: Ask, model: str) -> str:
    effort = ask.effort or effort_for(ask.thinking_budget or 0)
    level = _LEVELS.get(effort, "high")
    return "low" if level == "minimal" and is_pro(model) else level
