"""The scripted upstream as Cohere, version 2."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from mocking import call, upstream

HELLO = [{"role": "user", "content": "12345678"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with upstream() as port:
        yield port


def whole(port: int, script: str, **more: object) -> dict[str, object]:
    told = call(port, "/v2/chat", {"model": script, "messages": HELLO, **more}).json()
    assert str(told.pop("id")).startswith("00000000-")
    return told


def events(port: int, script: str, **more: object) -> list[dict[str, object]]:
    return call(port, "/v2/chat", {"model": script, "messages": HELLO, "stream": True, **more}).events()


def test_a_whole_answer(port: int) -> None:
    assert whole(port, "script:tokens=2,cached=1") == {
        "message": {"role": "assistant", "content": [{"type": "text", "text": "Hello! This"}]},
        "finish_reason": "COMPLETE",
        "usage": {
            "billed_units": {"input_tokens": 2, "output_tokens": 2},
            "tokens": {"input_tokens": 2, "output_tokens": 2},
            "cached_tokens": 1,
        },
    }


def test_a_stream_from_message_start_to_message_end(port: int) -> None:
    assert [(event["type"], event.get("index")) for event in events(port, "script:tokens=1,think=1,cite=1")] == [
        ("message-start", None),
        ("content-start", 0),
        ("content-delta", 0),
        ("content-end", 0),
        ("content-start", 1),
        ("content-delta", 1),
        ("citation-start", 0),
        ("citation-end", 0),
        ("content-end", 1),
        ("message-end", None),
    ]
    cited = whole(port, "script:tokens=1,think=1,cite=1")["message"]["citations"]  # type: ignore
    assert [(cite["content_index"], cite["text"]) for cite in cited] == [(1, "Hello!")]
    end = events(port, "script:tokens=1,think=1")[-1]["delta"]
    assert isinstance(end, dict)
    assert end["usage"]["tokens"] == {"input_tokens": 2, "output_tokens": 2, "reasoning_tokens": 1}


def test_a_stream_ends_with_a_mark(port: int) -> None:
    answer = call(port, "/v2/chat", {"model": "m", "messages": HELLO, "stream": True})
    assert answer.body.endswith(b"\n\ndata: [DONE]\n\n")
    assert answer.headers["content-type"] == "text/event-stream"


def test_calls_of_tools_with_a_plan(port: int) -> None:
    asked = {"messages": [{"role": "user", "content": "Compare Paris, then Rome"}], "tools": [WEATHER]}
    told = whole(port, "script:tools=2", **asked)
    message = told["message"]
    assert isinstance(message, dict)
    assert (told["finish_reason"], message["tool_plan"]) == ("TOOL_CALL", "I will call a tool.")
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == ['{"city":"Paris"}', '{"city":"Rome"}']
    streamed = events(port, "script:tools=2", **asked)
    second = [event for event in streamed if event["type"] == "tool-call-delta" and event["index"] == 1]
    pieces = [event["delta"]["message"]["tool_calls"] for event in second]  # type: ignore
    assert json.loads("".join(piece["function"]["arguments"] for piece in pieces)) == {"city": "Rome"}
    result = {"role": "tool", "tool_call_id": "x", "content": [{"type": "document", "document": {"data": {"t": 21}}}]}
    told = whole(port, "m", messages=[*HELLO, result], tools=[WEATHER])
    assert told["message"]["content"] == [{"type": "text", "text": 'The tool says: {"t": 21}'}]  # type: ignore


def test_errors_before_and_inside_a_stream(port: int) -> None:
    refused = call(port, "/v2/chat", {"model": "script:status=429,message=slow", "messages": HELLO})
    assert (refused.status, refused.json()["message"]) == (429, "slow")
    assert refused.headers["x-trial-endpoint-call-remaining"] == "0"
    broken = events(port, "script:inband=2,message=boom,error=INVALID_TOOL_GENERATION")[-1]
    assert broken == {
        "type": "message-end",
        "delta": {"finish_reason": "ERROR", "usage": {}, "error": "boom", "error_type": "INVALID_TOOL_GENERATION"},
    }


def test_ways_to_end_and_formats(port: int) -> None:
    assert whole(port, "script:finish=stop_sequence")["finish_reason"] == "STOP_SEQUENCE"
    assert whole(port, "m", max_tokens=2)["finish_reason"] == "MAX_TOKENS"
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    form = {"type": "json_object", "json_schema": schema}
    told = whole(port, "m", messages=[{"role": "user", "content": "say 42"}], response_format=form)
    assert told["message"]["content"][0]["text"] == '{"n":42}'  # type: ignore
    assert len(whole(port, "script:tokens=3", logprobs=True)["logprobs"]) == 3  # type: ignore


def test_embeddings_and_ranking(port: int) -> None:
    asked = {"model": "e", "input_type": "search_query", "texts": ["a", "b"], "output_dimension": 8}
    told = call(port, "/v2/embed", {**asked, "embedding_types": ["float", "int8", "ubinary"]}).json()
    sizes = {kind: [len(numbers) for numbers in rows] for kind, rows in told["embeddings"].items()}  # type: ignore
    assert sizes == {"float": [8, 8], "int8": [8, 8], "ubinary": [1, 1]}
    assert told["meta"]["billed_units"] == {"input_tokens": 1}  # type: ignore
    ranked = call(port, "/v2/rerank", {"model": "r", "query": "red fox", "documents": ["a dog", "the red fox"]}).json()
    assert ranked["results"] == [{"index": 1, "relevance_score": 1.0}, {"index": 0, "relevance_score": 0.0}]
