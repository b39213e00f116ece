"""Writes an ask as a Converse request; the model's name stands in the path.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from unigate.conversation import Ask, Document, Format, Text, Tool, ToolChoice
from unigate.dialects.alternating import Turn, alternating
from unigate.dialects.bedrock_converse.block_writer import Blocks, cache_point
from unigate.dialects.bedrock_converse.families import Family, family_of
from unigate.dialects.bedrock_converse.own_fields import Own, own_fields
from unigate.dialects.claude import Generation, generation_of
from unigate.dialects.losses import Losses
from unigate.dialects.marks import without_first_marks
from unigate.dialects.schemas import closed, of_object
from unigate.parts import Part
from unigate.target import Target

__all__ = ["write_ask"]

_SAMPLERS: Final[Mapping[Part, str]] = {Part.TEMPERATURE: "temperature", Part.TOP_P: "topP"}
_TIERS: Final = frozenset({b'"default"', b'"flex"', b'"priority"'})
_CHOICES: Final[Mapping[str, str]] = {"auto": "auto", "required": "any", "named": "any"}
_OTHER_PLACE: Final = frozenset({Part.TEMPERATURE, Part.TOP_P, Part.TOP_K})
_AUTO: Final = ToolChoice("auto")
_LABEL: Final = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}")
_MOST_LABELS: Final = 16
_MOST_MARKS: Final = 4  # https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
_labels: Final = msgspec.json.Decoder(dict[str, str])
_encode: Final = msgspec.json.Encoder().encode

_Json = dict[str, object]


def write_ask(ask: Ask, target: Target, losses: Losses) -> bytes:
    """The request body. Raises Refusal (422) naming what this format cannot say."""
    losses.begin(ask)
    family, generation = family_of(target.model), generation_of(target.model)
    blocks = Blocks(family, losses)
    told = alternating(ask.messages, blocks.write, losses)
    marks = blocks.marks + (sum([tool.cache is not None for tool in ask.tools]) if family.caches else 0)
    if marks > _MOST_MARKS:
        losses.cannot(Part.CACHE)
        return write_ask(without_first_marks(ask, marks - _MOST_MARKS), target, losses)
    messages: list[_Json] = [{"role": turn.role, "content": _whole(turn)} for turn in told.turns]
    if messages and messages[0]["role"] == "assistant":
        # A conversation must begin with the user's side.
        messages.insert(0, {"role": "user", "content": [{"text": "."}]})
    body: _Json = {"messages": messages}
    if told.instructions:
        body["system"] = told.instructions
    own = own_fields(ask, target, told.turns, losses)
    if ask.tools or ask.hosted_tools:
        _add_tools(body, ask, family, generation, losses)
    if blocks.called:
        _add_called(body, list(blocks.called))
    if ask.tool_choice is not None or "toolConfig" in body:
        _add_choice(body, ask, own, family, losses, has_calls=bool(blocks.called))
    _add_limits(body, ask, own, losses)
    _add_format(body, ask.format, generation, losses)
    _add_settings(body, ask, losses)
    if own.fields:
        body["additionalModelRequestFields"] = own.fields
    return _encode(body)


def _whole(turn: Turn[object]) -> list[object]:
    """A turn with a document must also have words."""
    if isinstance(turn.blocks[0], Text):  # most begin with some
        return turn.content
    has_document = any(isinstance(block, Document) for block in turn.blocks)
    has_words = any(isinstance(block, Text) for block in turn.blocks)
    return [{"text": "See the document."}, *turn.content] if has_document and not has_words else turn.content


# --- tools


def _add_tools(body: _Json, ask: Ask, family: Family, generation: Generation, losses: Losses) -> None:
    tools: list[object] = []
    for tool in _offered(ask):
        tools.append({"toolSpec": _tool(tool, generation, losses)})
        point = cache_point(tool.cache, family, losses)
        tools += [point] if point is not None else []
    for hosted in ask.hosted_tools:
        losses.cannot(Part.HOSTED_TOOLS, hosted.kind)
    if tools:
        body["toolConfig"] = {"tools": tools}


def _offered(ask: Ask) -> Iterable[Tool]:
    """The tools; only one name can be demanded, so several are demanded by offering no others."""
    choice = ask.tool_choice
    if choice is None or not choice.names or (choice.mode == "named" and len(choice.names) == 1):
        return ask.tools
    return [tool for tool in ask.tools if tool.name in choice.names]


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
    written["inputSchema"] = {"json": schema}
    return written


def _add_called(body: _Json, called: list[str]) -> None:
    """Earlier calls are refused where no tools are offered."""
    if called and "toolConfig" not in body:
        specs = [{"toolSpec": {"name": name, "inputSchema": {"json": of_object(None)}}} for name in called]
        body["toolConfig"] = {"tools": specs}


def _add_choice(body: _Json, ask: Ask, own: Own, family: Family, losses: Losses, *, has_calls: bool) -> None:
    choice = ask.tool_choice or _AUTO
    config = body.get("toolConfig")
    if not isinstance(config, dict):
        if choice.mode in ("required", "named"):
            losses.cannot(Part.TOOL_CHOICE)
        return
    is_single = ask.parallel is False and choice.mode != "none"
    if family.thinking == "claude" and (is_single or choice.mode == "none"):
        # Converse has no words for either, Claude's own field has.
        own.fields["tool_choice"] = _claude_choice(choice, is_single)
        return
    if is_single:
        losses.cannot(Part.PARALLEL)
    if choice.mode == "none":
        _forbid(body, has_calls, losses)
    elif ask.tool_choice is not None:
        config["toolChoice"] = _choice(choice)


def _forbid(body: _Json, has_calls: bool, losses: Losses) -> None:
    """Tools that must not be called are not offered, unless earlier calls are there that need them."""
    if has_calls:
        losses.cannot(Part.TOOL_CHOICE)
    else:
        del body["toolConfig"]


def _choice(choice: ToolChoice) -> _Json:
    if choice.mode == "named" and len(choice.names) == 1:
        return {"tool": {"name": choice.names[0]}}
    return {_CHOICES[choice.mode]: {}}


def _claude_choice(choice: ToolChoice, is_single: bool) -> _Json:
    told: _Json = {"type": _CHOICES.get(choice.mode, "none")}
    if choice.mode == "named" and len(choice.names) == 1:
        told = {"type": "tool", "name": choice.names[0]}
    return told | {"disable_parallel_tool_use": True} if is_single else told


# --- the rest


def _add_limits(body: _Json, ask: Ask, own: Own, losses: Losses) -> None:
    config: _Json = {name: own.samplers[part] for part, name in _SAMPLERS.items() if part in own.samplers}
    if own.limit is not None:
        config["maxTokens"] = own.limit
    if ask.stop:
        stop = [one for one in ask.stop if one.strip() or not own.refuses_blank_stops]
        if len(stop) < len(ask.stop):
            losses.cannot(Part.STOP)
        if stop:
            config["stopSequences"] = stop
    if config:
        body["inferenceConfig"] = config


def _add_format(body: _Json, form: Format | None, generation: Generation, losses: Losses) -> None:
    if form is None:
        return
    if form.schema is None:
        losses.cannot(Part.FORMAT)
    elif not generation.schemas:
        losses.cannot(Part.FORMAT_SCHEMA)
    else:
        schema: _Json = {"schema": bytes(closed(form.schema)).decode(), "name": form.name or "answer"}
        if form.description is not None:
            schema["description"] = form.description
        body["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}


def _add_settings(body: _Json, ask: Ask, losses: Losses) -> None:
    for part, raw in ask.settings.items():
        if part in _OTHER_PLACE:
            continue
        if part is Part.SERVICE_TIER and bytes(raw) in _TIERS:
            body["serviceTier"] = {"type": raw}
        elif part is Part.METADATA and _are_labels(raw):
            body["requestMetadata"] = raw
        else:
            losses.cannot(part)
    if ask.user is not None:
        losses.cannot(Part.USER)


def _are_labels(raw: msgspec.Raw) -> bool:
    """Whether metadata keeps to what may be written into the invocation log."""
    try:
        labels = _labels.decode(raw)
    except msgspec.DecodeError:
        return False
    return len(labels) <= _MOST_LABELS and all(
        key and _LABEL.fullmatch(key) and _LABEL.fullmatch(value) for key, value in labels.items()
    )
