"""Decides what a conversation is answered: words, tool calls or JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

import msgspec

from unigate.mock.ask import Answer, Ask, Cite, Finish, Scene, Tool, ToolCall
from unigate.mock.proof import sign
from unigate.mock.schema import Hints, arguments
from unigate.mock.words import count, filler, pieces, tokens_of

__all__ = ["compose"]

DEMO = "This is Unigate's scripted demo and not a language model: your call went through the gateway and came back."
DEMO_ZH = "这是 Unigate 的脚本演示，并不是大模型：您的请求已经穿过网关，并如实返回。"
WIDE = "café Ω ✓ 你好，世界 한국어 שלום 👩\u200d🚀 𝄞 "
REFUSAL = "I cannot help with that."
COMMON = {finish.value: finish for finish in (Finish.STOP, Finish.LENGTH, Finish.FILTER, Finish.PAUSE, Finish.SEQUENCE)}
"""The finish reasons that a script names for all formats; any other is told word for word."""


def compose(ask: Ask, scene: Scene) -> Answer:
    """The answer this conversation gets."""
    script = scene.script
    thinking = filler(script.think) if script.think and ask.thinks else ""
    calls = _calls(ask, scene)
    text, finish, stopped = (_hello(ask, scene), Finish.TOOLS, None) if calls else _text(ask, scene)
    if script.refusal:
        text, finish, stopped = REFUSAL, Finish.REFUSAL, None
    dictated = script.finish if script.finish not in COMMON else None
    finish = COMMON.get(script.finish or "", finish)
    if finish is Finish.SEQUENCE and stopped is None:
        stopped = next(iter(ask.stops), "STOP")
    said = scene.filler_words if text is scene.filler else count(text)
    redacted = sign("redacted") if script.redacted and ask.thinks else ""
    cites = tuple(_cites(text, script.cite)) if script.cite and finish is not Finish.REFUSAL else ()
    reasoned = count(thinking) + script.reasoning
    spoken = said + reasoned + sum(1 + count(call.arguments) for call in calls)
    return Answer(
        text, thinking, calls, finish, tokens_of(ask.texts), spoken, reasoned, redacted, stopped, cites, dictated
    )


def _cites(text: str, wanted: int) -> Iterator[Cite]:
    places = [piece.span() for piece in re.finditer(r"\S+", text)]
    for n, (start, end) in enumerate(places[:wanted]):
        yield Cite(start, end, f"https://example.com/source-{n}", f"Source {n}", f"What source {n} says.")


def _calls(ask: Ask, scene: Scene) -> tuple[ToolCall, ...]:
    script = scene.script
    wanted = script.tools or (1 if script.tool or (ask.tools and ask.may_call and ask.tool_result is None) else 0)
    if script.refusal or not wanted:
        return ()
    tools = ask.tools or (Tool(script.tool or "lookup"),)
    named = script.tool or ask.forced
    first = next((i for i, tool in enumerate(tools) if tool.name == named), None)
    if first is None:
        tools, first = (_renamed(tools, script.tool), 0) if script.tool else (tools, _mentioned(ask))
    turn = len(tools) if not ask.forced and not script.tool else 1
    return tuple(_call(tools[(first + n % turn) % len(tools)], ask, scene, n) for n in range(wanted))


def _renamed(tools: tuple[Tool, ...], name: str) -> tuple[Tool, ...]:
    return (Tool(name, tools[0].parameters), *tools[1:])


def _mentioned(ask: Ask) -> int:
    said = ask.user_text.lower()
    return next((i for i, tool in enumerate(ask.tools) if tool.name.lower() in said), 0)


def _call(tool: Tool, ask: Ask, scene: Scene, turn: int) -> ToolCall:
    told = arguments(bytes(tool.parameters), Hints(ask.user_text, turn))
    if not told.startswith("{"):  # a tool without a schema takes no arguments, and arguments are an object always
        told = "{}"
    return ToolCall(tool.name, told[: len(told) // 2] + "{" if scene.script.badargs else told)


def _hello(ask: Ask, scene: Scene) -> str:
    return _demo(ask) if scene.demo else ""


def _demo(ask: Ask) -> str:
    return DEMO_ZH if any("\u4e00" <= char <= "\u9fff" for char in ask.user_text) else DEMO


def _text(ask: Ask, scene: Scene) -> tuple[str, Finish, str | None]:
    text = _wanted(ask, scene)
    at, stopped = min(((text.find(stop), stop) for stop in ask.stops if stop in text), default=(len(text), None))
    text = text[:at]
    if ask.limit is not None:
        most = max(ask.limit, 0)
        words = list(islice(pieces(text), most + 1))
        if len(words) > most:
            return "".join(words[:most]), Finish.LENGTH, None
    return text, Finish.STOP if stopped is None else Finish.SEQUENCE, stopped


def _wanted(ask: Ask, scene: Scene) -> str:
    script = scene.script
    if script.text is not msgspec.UNSET:
        return script.text
    if script.echo:
        return ask.user_text
    if script.mirror:
        return scene.request.decode("utf-8", "replace")
    if script.size:
        return scene.filler
    if ask.wants_json:
        return arguments(bytes(ask.schema) or b'{"properties":{"answer":{"type":"string"}}}', Hints(ask.user_text))
    if ask.tool_result is not None:
        return " ".join(filter(None, (_hello(ask, scene), f"The tool says: {ask.tool_result}")))
    if scene.demo:
        return _demo(ask)
    return _wide(script.tokens) if script.chars in ("wide", "escaped") else scene.filler


def _wide(words: int) -> str:
    return "".join(islice(pieces(WIDE * (words // 4 + 1)), words))
