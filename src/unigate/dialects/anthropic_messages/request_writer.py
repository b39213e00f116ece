"""Writes an ask as a Messages request (https://platform.claude.com/docs/en/api/messages)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from unigate.conversation import Ask, Tool, ToolChoice
from unigate.dialects.alternating import alternating
from unigate.dialects.anthropic_messages.block_writer import Blocks
from unigate.dialects.anthropic_messages.blocks import cache_of
from unigate.dialects.anthropic_messages.fields import OWN, SETTINGS
from unigate.dialects.claude import Generation, generation_of
from unigate.dialects.claude_thoughts import Thoughts, samplers_for, thinking_field, thoughts_for
from unigate.dialects.losses import Losses
from unigate.dialects.marks import without_first_marks
from unigate.dialects.schemas import closed, of_object
from unigate.parts import Part
from unigate.target import Target

__all__ = ["write_ask"]

_NAMES: Final[Mapping[Part, str]] = {part: name for name, part in SETTINGS.items()}
_SERVICE_TIER: Final = Part.SERVICE_TIER  # under a name of the module: an enumeration's members are slow to look up
_TIERS: Final[Mapping[bytes, str]] = {b'"auto"': "auto", b'"default"': "standard_only"}
_CHOICES: Final = {"auto": "auto", "required": "any", "named": "any", "none": "none"}
_MOST_MARKS: Final = 4  # https://platform.claude.com/docs/en/build-with-claude/prompt-caching
_encode: Final = msgspec.json.Encoder().encode

_Json = dict[str, object]


def write_ask(ask: Ask, target: Target, losses: Losses) -> bytes:
    """The request body. Raises Refusal (422) naming what this format cannot say."""
    losses.begin(ask)
    quirks, generation = target.provider.quirks, generation_of(target.model)
    blocks = Blocks(losses)
    told = alternating(ask.messages, blocks.write, losses)
    marks = blocks.marks + sum([tool.cache is not None for tool in ask.tools])
    if marks > _MOST_MARKS:
        losses.cannot(Part.CACHE)
        return write_ask(without_first_marks(ask, marks - _MOST_MARKS), target, losses)
    messages = [{"role": turn.role, "content": turn.content} for turn in told.turns]
    body: _Json = {"model": target.model, "max_tokens": 0, "messages": messages}
    if told.instructions:
        body["system"] = told.instructions
    if ask.stop:
        _add_stop(body, ask.stop, losses)
    if ask.user is not None:
        body["metadata"] = {"user_id": ask.user}
    if ask.tools or ask.hosted_tools or ask.tool_choice is not None:
        _add_tools(body, ask, generation, losses)
    if blocks.called:
        _add_called(body, blocks.called)
    thoughts = thoughts_for(ask, generation, quirks.default_max_tokens, turns=told.turns, losses=losses)
    body["max_tokens"] = thoughts.limit
    if (thinking := thinking_field(thoughts, is_shown=ask.thinking_shown)) is not None:
        body["thinking"] = thinking
    if ask.format is not None or thoughts.effort is not None:
        _add_output(body, ask, thoughts, generation, losses)
    _add_settings(body, ask, losses)
    _add_samplers(body, samplers_for(ask, generation, losses, thinks=thoughts.are_wanted))
    if ask.streamed:
        body["stream"] = True
    return _encode(body)


def _add_stop(body: _Json, stop: tuple[str, ...], losses: Losses) -> None:
    """A sequence of white space alone is refused."""
    kept = [one for one in stop if one.strip()]
    if len(kept) < len(stop):
        losses.cannot(Part.STOP)
    if kept:
        body["stop_sequences"] = kept


def _add_settings(body: _Json, ask: Ask, losses: Losses) -> None:
    for part, raw in ask.settings.items():
        if part is _SERVICE_TIER and bytes(raw) in _TIERS:
            body["service_tier"] = _TIERS[bytes(raw)]
        elif part not in _NAMES:
            losses.cannot(part)


def _add_samplers(body: _Json, samplers: Mapping[Part, float | msgspec.Raw]) -> None:
    for part, value in samplers.items():
        body[_NAMES[part]] = value


def _add_tools(body: _Json, ask: Ask, generation: Generation, losses: Losses) -> None:
    choice = ask.tool_choice
    tools: list[object] = [_tool(tool, generation, losses) for tool in _offered(ask)]
    for hosted in ask.hosted_tools:
        if hosted.origin == OWN:
            tools.append(hosted.raw)
        else:
            losses.cannot(Part.HOSTED_TOOLS, hosted.kind)
    if not tools:
        if choice is not None and choice.mode in ("required", "named"):
            losses.cannot(Part.TOOL_CHOICE)
        return
    body["tools"] = tools
    wanted = _choice(choice or ToolChoice("auto"))
    if ask.parallel is False and wanted["type"] != "none":
        wanted["disable_parallel_tool_use"] = True
    if choice is not None or ask.parallel is False:
        body["tool_choice"] = wanted


def _add_called(body: _Json, called: Iterable[str]) -> None:
    """Earlier calls are refused where no tools are offered."""
    if "tools" not in body:
        body["tools"] = [{"name": name, "input_schema": of_object(None)} for name in called]
        body["tool_choice"] = {"type": "none"}


def _offered(ask: Ask) -> Iterable[Tool]:
    """The tools; only one name can be demanded, so several are demanded by offering no others."""
    choice = ask.tool_choice
    if choice is None or not choice.names or (choice.mode == "named" and len(choice.names) == 1):
        return ask.tools
    return [tool for tool in ask.tools if tool.name in choice.names]


def _choice(choice: ToolChoice) -> _Json:
    if choice.mode == "named" and len(choice.names) == 1:
        return {"type": "tool", "name": choice.names[0]}
    return {"type": _CHOICES[choice.mode]}


def _tool(tool: Tool, generation: Generation, losses: Losses) -> _Json:
    written: _Json = {"name": tool.name}
    if tool.description:
        written["description"] = tool.description
    schema = of_object(tool.schema)
    if tool.custom:
        losses.cannot(Part.CUSTOM_TOOLS)
    if tool.strict and generation.schemas:
        written["strict"] = True
        schema = closed(schema)
    elif tool.strict:
        losses.cannot(Part.STRICT_TOOLS)
    written["input_schema"] = schema
    if tool.cache is not None:
        written["cache_control"] = cache_of(tool.cache)
    return written


def _add_output(body: _Json, ask: Ask, thoughts: Thoughts, generation: Generation, losses: Losses) -> None:
    config: _Json = {}
    if thoughts.effort is not None:
        config["effort"] = thoughts.effort
    if ask.format is not None:
        schema = ask.format.schema
        if schema is None:
            losses.cannot(Part.FORMAT)
        elif generation.schemas:
            config["format"] = {"type": "json_schema", "schema": closed(schema)}
        else:
            losses.cannot(Part.FORMAT_SCHEMA)
    if config:
        body["output_config"] = config
