"""What the scripted upstream promises in every format alike: honest bills, the same faults, any packing."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from mocking import Answer, call, last_call, raw, upstream

Json = dict[str, Any]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"type": "function", "function": {"name": "w", "parameters": SCHEMA}}
GEMINI = {"functionDeclarations": [{"name": "w", "parameters": SCHEMA}]}
USER = [{"role": "user", "content": "Go to Rome"}]


@dataclass
class Format:
    """How one format is asked for an answer, and where its usage stands in a whole one."""

    ask: Callable[[str, bool], tuple[str, object]]
    output: Callable[[Json], int]
    tools: object = (FUNCTION,)
    offer: str = "tools"

    def request(self, script: str, *, stream: bool, tools: bool = False) -> tuple[str, object]:
        path, body = self.ask(script, stream)
        assert isinstance(body, dict)
        return path, {**body, self.offer: self.tools} if tools else body


def named(path: str, **more: object) -> Callable[[str, bool], tuple[str, object]]:
    return lambda script, stream: (path, {"model": script, "stream": stream, "messages": USER, **more})


def gemini(script: str, stream: bool) -> tuple[str, object]:
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    contents = [{"role": "user", "parts": [{"text": "Go to Rome"}]}]
    return f"/v1beta/models/{quote(script, safe='')}:{verb}", {"contents": contents}


def bedrock(script: str, stream: bool) -> tuple[str, object]:
    verb = "converse-stream" if stream else "converse"
    messages = [{"role": "user", "content": [{"text": "Go to Rome"}]}]
    return f"/model/{quote(script, safe='')}/{verb}", {"messages": messages}


def coze(script: str, stream: bool) -> tuple[str, object]:
    return "/v3/chat", {"bot_id": script, "user_id": "u", "stream": stream, "additional_messages": USER}


def dify(script: str, stream: bool) -> tuple[str, object]:
    mode = "streaming" if stream else "blocking"
    return "/v1/chat-messages", {"inputs": {"model": script}, "query": "Go to Rome", "user": "u", "response_mode": mode}


FORMATS = {
    "openai": Format(named("/v1/chat/completions"), lambda told: told["usage"]["completion_tokens"]),
    "responses": Format(
        lambda script, stream: ("/v1/responses", {"model": script, "stream": stream, "input": "Go to Rome"}),
        lambda told: told["usage"]["output_tokens"],
        ({"type": "function", "name": "w", "parameters": SCHEMA},),
    ),
    "anthropic": Format(
        named("/v1/messages", max_tokens=99),
        lambda told: told["usage"]["output_tokens"],
        ({"name": "w", "input_schema": SCHEMA},),
    ),
    "gemini": Format(
        gemini,
        lambda told: sum(told["usageMetadata"].get(f"{kind}TokenCount", 0) for kind in ("candidates", "thoughts")),
        (GEMINI,),
    ),
    "bedrock": Format(
        bedrock,
        lambda told: told["usage"]["outputTokens"],
        {"tools": [{"toolSpec": {"name": "w", "inputSchema": {"json": SCHEMA}}}]},
        "toolConfig",
    ),
    "cohere": Format(named("/v2/chat"), lambda told: told["usage"]["tokens"]["output_tokens"]),
    "ollama": Format(named("/api/chat"), lambda told: told["eval_count"]),
    "coze": Format(coze, lambda told: -1),
    "dify": Format(dify, lambda told: told["metadata"]["usage"]["completion_tokens"]),
}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with upstream() as port:
        yield port


def spent(port: int, model: str) -> tuple[object, object]:
    told = last_call(port, model)
    return told["input_tokens"], told["output_tokens"]


@pytest.mark.parametrize("format", FORMATS.values(), ids=list(FORMATS))
@pytest.mark.parametrize(
    "script", ["tokens=3", "think=4", "reasoning=5", "redacted,think=1", "tools=2", "cite=2", "refusal", "usage=none"]
)
def test_an_answer_costs_the_same_streamed_or_not_and_says_so(port: int, format: Format, script: str) -> None:
    for stream in (True, False):
        path, body = format.request(f"script:{script},latency={int(stream)}", stream=stream, tools="tools" in script)
        answer = call(port, path, body)
        assert answer.status == 200
    streamed, whole = (spent(port, f"script:{script},latency={n}") for n in (1, 0))
    told = whole[1] if script == "usage=none" or path == "/v3/chat" else format.output(answer.json())
    assert streamed == whole == (3, told)


@pytest.mark.parametrize("format", FORMATS.values(), ids=list(FORMATS))
def test_a_stream_may_be_cut_anywhere(port: int, format: Format) -> None:
    for where, events in (("head", 0), ("events:2", 2), ("mid:2", 1), ("end", None)):
        script = f"script:tokens=2,cut={where}"
        told = raw(port, *format.request(script, stream=True))
        ended = last_call(port, script)
        assert (ended["closed_by"], ended["finished"], told.endswith(b"0\r\n\r\n")) == ("server", False, False)
        assert events is None or ended["events_sent"] == events


@pytest.mark.parametrize("format", FORMATS.values(), ids=list(FORMATS))
def test_any_packing_carries_the_same_events(port: int, format: Format) -> None:
    def body(how: str) -> bytes:
        answer = call(port, *format.request(f"script:tokens=3,{how}", stream=True))
        told = gzip.decompress(answer.body) if "gzip" in how else answer.body
        return told.replace(how.encode(), b"")

    plain = [len(body(how)) for how in ("split=7", "merge", "gzip", "latency=1")]
    assert max(plain) - min(plain) <= 8, plain


@pytest.mark.parametrize("format", FORMATS.values(), ids=list(FORMATS))
def test_an_error_may_come_in_the_middle(port: int, format: Format) -> None:
    answer = call(port, *format.request("script:inband=2,message=bang", stream=True))
    assert (answer.status, answer.body.count(b'"bang"'), last_events(port)) == (200, 1, 3)


def last_events(port: int) -> object:
    return last_call(port, "script:inband=2,message=bang")["events_sent"]


@pytest.mark.parametrize("format", FORMATS.values(), ids=list(FORMATS))
def test_an_error_is_told_in_the_formats_own_way(port: int, format: Format) -> None:
    for stream in (True, False):
        answer: Answer = call(port, *format.request("script:status=503,message=bang", stream=stream))
        assert answer.status == (200 if format is FORMATS["coze"] else 503)
        assert "bang" in json.dumps(answer.json())


@pytest.mark.parametrize("format", FORMATS.values(), ids=list(FORMATS))
def test_a_script_that_is_not_understood_is_refused_in_the_formats_own_way(port: int, format: Format) -> None:
    answer = call(port, *format.request("script:bogus=1", stream=True))
    assert "bogus" in json.dumps(answer.json())


STOPS: dict[str, tuple[Json, Callable[[Json], object], str]] = {
    "openai": (
        {"stop": "This"},
        lambda told: (told["choices"][0]["message"]["content"], told["choices"][0]["finish_reason"]),
        "stop",
    ),
    "anthropic": (
        {"stop_sequences": ["never", "This"]},
        lambda told: (told["content"][0]["text"], f"{told['stop_reason']}={told['stop_sequence']}"),
        "stop_sequence=This",
    ),
    "gemini": (
        {"generationConfig": {"stopSequences": ["This"]}},
        lambda told: (told["candidates"][0]["content"]["parts"][0]["text"], told["candidates"][0]["finishReason"]),
        "STOP",
    ),
    "bedrock": (
        {"inferenceConfig": {"stopSequences": ["This"]}},
        lambda told: (told["output"]["message"]["content"][0]["text"], told["stopReason"]),
        "stop_sequence",
    ),
    "cohere": (
        {"stop_sequences": ["This"]},
        lambda told: (told["message"]["content"][0]["text"], told["finish_reason"]),
        "STOP_SEQUENCE",
    ),
    "ollama": (
        {"options": {"stop": ["This"]}},
        lambda told: (told["message"]["content"], told["done_reason"]),
        "stop",
    ),
}


@pytest.mark.parametrize("name", list(STOPS))
def test_a_text_stops_where_it_shall(port: int, name: str) -> None:
    more, told, reason = STOPS[name]
    path, body = FORMATS[name].request("script:tokens=4", stream=False)
    assert isinstance(body, dict)
    assert told(call(port, path, {**body, **more}).json()) == ("Hello! ", reason)


def test_a_stream_of_geminis_tells_every_candidate(port: int) -> None:
    path, body = gemini("script:tokens=2", stream=True)
    assert isinstance(body, dict)
    events = call(port, path, {**body, "generationConfig": {"candidateCount": 2}}).events()
    told = [event["candidates"][0] for event in events]  # type: ignore
    texts = [(one["index"], part.get("text")) for one in told for part in one["content"]["parts"]]
    said = {number: "".join(text for index, text in texts if index == number) for number in (0, 1)}
    ends = [one["index"] for one in told if "finishReason" in one]
    assert (said, ends) == ({0: "Hello! This", 1: "Hello! This"}, [0, 1])


def test_a_mirror_shows_the_request_as_it_came(port: int) -> None:
    asked = {"model": "script:mirror", "messages": USER, "odd": {"number": 1.50}}
    whole = call(port, "/v1/chat/completions", asked).json()
    assert whole["choices"][0]["message"]["content"] == json.dumps(asked)  # type: ignore
    lines = call(port, "/api/chat", asked).lines()
    assert "".join(line["message"]["content"] for line in lines) == json.dumps(asked)  # type: ignore


FORBIDDEN: dict[str, Json] = {
    "openai": {"reasoning_effort": "none"},
    "responses": {"reasoning": {"effort": "none"}},
    "anthropic": {"thinking": {"type": "disabled"}},
    "gemini": {"generationConfig": {"thinking_config": {"thinkingBudget": 0}}},
    "bedrock": {"additionalModelRequestFields": {"thinking": {"type": "disabled"}}},
    "cohere": {"thinking": {"type": "disabled"}},
    "ollama": {"think": False},
}


@pytest.mark.parametrize("name", list(FORBIDDEN))
def test_a_request_may_forbid_thinking(port: int, name: str) -> None:
    path, body = FORMATS[name].request("script:tokens=1,think=5,redacted", stream=False)
    assert isinstance(body, dict)
    assert FORMATS[name].output(call(port, path, body).json()) == 6
    assert FORMATS[name].output(call(port, path, {**body, **FORBIDDEN[name]}).json()) == 1
