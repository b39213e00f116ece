"""Writes an ask as a Responses request (https://platform.openai.com/docs/api-reference/responses/create)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from unigate.conversation import Ask, Format, Text, Tool, ToolChoice
from unigate.dialects.effort import effort_for, takes_effort
from unigate.dialects.losses import Losses
from unigate.dialects.openai_responses.fields import OWN, SETTINGS
from unigate.dialects.openai_responses.input_writer import Items, leading_instructions
from unigate.parts import Part
from unigate.target import Target

__all__ = ["write_ask"]

_NAMES: Mapping[Part, str] = {part: name for name, part in SETTINGS.items()}
_NO_ARGUMENTS = msgspec.Raw(b'{"type":"object","properties":{}}')
_TRUE = b"true"
_encode = msgspec.json.Encoder().encode

_Json = dict[str, object]


class _Grammar(msgspec.Struct, frozen=True):
    """Chat Completions puts it one level deeper."""

    syntax: str | None = None
    definition: str | None = None
    grammar: _Grammar | None = None


_LEAST_LIMIT = 16  # https://github.com/openai/openai-openapi: CreateResponse.max_output_tokens, `minimum`
_grammar = msgspec.json.Decoder(_Grammar)


def write_ask(ask: Ask, target: Target, losses: Losses) -> bytes:
    """The request body. Raises Refusal (422) naming what this format cannot say."""
    losses.begin(ask)
    body: _Json = {"model": target.model}
    _add_input(body, ask, losses)
    include = _add_settings(body, ask, losses)
    if ask.max_tokens is not None:
        body["max_output_tokens"] = ask.max_tokens
        if 0 < ask.max_tokens < _LEAST_LIMIT:
            body["max_output_tokens"] = _LEAST_LIMIT
            losses.bends(Part.MAX_TOKENS)
    if ask.stop:
        losses.cannot(Part.STOP)
    if ask.user is not None:
        body["user"] = ask.user
    if ask.format is not None:
        _add_format(body, ask.format)
    if ask.tools or ask.hosted_tools:
        _add_tools(body, ask, losses)
    if _add_reasoning(body, ask, target, losses):
        # Models that do not reason refuse to be asked for this.
        include.append("reasoning.encrypted_content")
    if include:
        body["include"] = include
    # Nobody could refer to it: the client's format keeps no state at the provider.
    body.setdefault("store", False)
    if ask.streamed:
        body["stream"] = True
    return _encode(body)


def _add_input(body: _Json, ask: Ask, losses: Losses) -> None:
    instructions, count = leading_instructions(ask.messages)
    if instructions is not None:
        body["instructions"] = instructions
        said = [block for message in ask.messages[:count] for block in message.blocks]
        if any(isinstance(block, Text) and block.cache is not None for block in said):
            losses.cannot(Part.CACHE)
    written = Items(losses)
    for message in ask.messages[count:]:
        written.add(message)
    body["input"] = written.items


def _add_settings(body: _Json, ask: Ask, losses: Losses) -> list[str]:
    """Writes what has a field of its own; gives back what is asked for by name."""
    include: list[str] = []
    for part, raw in ask.settings.items():
        name = _NAMES.get(part)
        if name is not None:
            body[name] = raw
        elif part is Part.VERBOSITY:
            body["text"] = {"verbosity": raw}
        elif part is not Part.LOGPROBS:
            losses.cannot(part)
        elif bytes(raw) == _TRUE:
            include.append("message.output_text.logprobs")
    return include


def _add_format(body: _Json, wanted: Format) -> None:
    text = body.get("text")
    body["text"] = {"format": _format(wanted), **(text if isinstance(text, dict) else {})}


def _format(wanted: Format) -> _Json:
    if wanted.schema is None:
        return {"type": "json_object"}
    written: _Json = {"type": "json_schema", "name": wanted.name or "answer", "schema": wanted.schema}
    if wanted.description is not None:
        written["description"] = wanted.description
    # Left out, it would mean true where the schema allows it.
    written["strict"] = bool(wanted.strict)
    return written


def _add_tools(body: _Json, ask: Ask, losses: Losses) -> None:
    tools: list[object] = [_tool(tool) for tool in ask.tools]
    for hosted in ask.hosted_tools:
        if hosted.origin == OWN:
            tools.append(hosted.raw)
        else:
            losses.cannot(Part.HOSTED_TOOLS, hosted.kind)
    if any(tool.cache is not None for tool in ask.tools):
        losses.cannot(Part.CACHE)
    if not tools:
        return
    body["tools"] = tools
    if ask.tool_choice is not None:
        body["tool_choice"] = _choice(ask.tool_choice, {tool.name for tool in ask.tools if tool.custom})
    if ask.parallel is not None:
        body["parallel_tool_calls"] = ask.parallel


def _tool(tool: Tool) -> _Json:
    written: _Json = {"type": "custom" if tool.custom else "function", "name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    if not tool.custom:
        return {**written, "parameters": tool.schema or _NO_ARGUMENTS, "strict": bool(tool.strict)}
    found = _grammar.decode(tool.grammar) if tool.grammar is not None else _Grammar()
    found = found.grammar or found
    if found.definition is not None:
        written["format"] = {"type": "grammar", "syntax": found.syntax or "lark", "definition": found.definition}
    return written


def _choice(choice: ToolChoice, custom: set[str]) -> object:
    if not choice.names:
        return choice.mode
    named = [{"type": "custom" if name in custom else "function", "name": name} for name in choice.names]
    if len(named) == 1 and choice.mode == "named":
        return named[0]
    return {"type": "allowed_tools", "mode": "auto" if choice.mode == "auto" else "required", "tools": named}


def _add_reasoning(body: _Json, ask: Ask, target: Target, losses: Losses) -> bool:
    """Writes how hard to think and whether to show it; says whether there may be thoughts that must come back."""
    effort = ask.effort or (effort_for(ask.thinking_budget) if ask.thinking_budget is not None else None)
    quirks = target.provider.quirks
    if effort is None and not ask.thinking_shown:
        # A model that is known to reason does so unasked.
        return bool(quirks.effort_models) and takes_effort(quirks, target.model)
    if not takes_effort(quirks, target.model):
        losses.cannot(Part.EFFORT if ask.effort is not None or ask.thinking_budget is None else Part.THINKING_BUDGET)
        return False
    reasoning: _Json = {"effort": effort} if effort is not None else {}
    if ask.thinking_shown:
        reasoning["summary"] = "auto"
    body["reasoning"] = reasoning
    return effort != "none"
