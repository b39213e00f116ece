"""The scripted upstream's richer answers: thoughts, signatures, endings, citations and probabilities in each format."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mocking import call, upstream

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TEXT = "Go to Rome"
Json = dict[str, Any]
Spoil = Callable[[list[Json]], object]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with upstream() as port:
        yield port


# --- Anthropic

TOOL_ID = "toolu_1"
CLAUDE = {"max_tokens": 99, "tools": [{"name": "w", "input_schema": SCHEMA}]}


def claude(port: int, script: str, *turns: Json, **more: object) -> Json:
    messages = [{"role": "user", "content": TEXT}, *turns]
    answer = call(port, "/v1/messages", {"model": script, **CLAUDE, "messages": messages, **more})
    return answer.json() | {"status": answer.status}


def claude_turns(content: list[Json]) -> list[Json]:
    result = {"type": "tool_result", "tool_use_id": TOOL_ID, "content": "sunny"}
    return [{"role": "assistant", "content": content}, {"role": "user", "content": [result]}]


def test_anthropic_thoughts_come_back_or_the_call_is_refused(port: int) -> None:
    script = "script:think=2,redacted"
    content = claude(port, script)["content"]
    assert [block["type"] for block in content] == ["thinking", "redacted_thinking", "tool_use"]
    assert claude(port, script, *claude_turns(content))["content"][-1]["text"] == "The tool says: sunny"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: content.pop(0), "messages.1.content.0: Invalid `data` in `redacted_thinking` block"),
        (lambda content: content.reverse(), "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`"),
        (lambda content: content[0].update(signature="AAAA"), "messages.1.content.0: Invalid `signature`"),
        (lambda content: content[1].pop("data"), "messages.1.content.1: Invalid `data`"),
        (lambda content: content.__delitem__(slice(0, 2)), "messages.1.content.0.type: Expected `thinking`"),
    ],
)
def test_anthropic_says_what_is_wrong_with_the_thoughts(port: int, spoil: Spoil, message: str) -> None:
    script = "script:think=2,redacted"
    content = claude(port, script)["content"]
    spoil(content)
    refused = claude(port, script, *claude_turns(content))
    assert (refused["status"], refused["error"]["type"]) == (400, "invalid_request_error")
    assert refused["error"]["message"].startswith(message)


def test_anthropic_wants_no_thoughts_if_none_are_allowed(port: int) -> None:
    script = "script:think=2,redacted"
    turns = claude_turns(claude(port, script)["content"][2:])
    assert claude(port, script, *turns)["status"] == 400
    told = claude(port, script, *turns, thinking={"type": "disabled"})
    assert [block["type"] for block in told["content"]] == ["text"]


def test_anthropic_stream_of_thoughts(port: int) -> None:
    asked = {"model": "script:think=1,redacted,tokens=1,cite=1", "max_tokens": 9, "stream": True}
    told = call(port, "/v1/messages", {**asked, "messages": [{"role": "user", "content": "hi"}]}).events()
    kinds = [(e["index"], e.get("content_block", e.get("delta"))["type"]) for e in told if "index" in e and len(e) > 2]  # type: ignore
    assert kinds == [
        (0, "thinking"),
        (0, "thinking_delta"),
        (0, "signature_delta"),
        (1, "redacted_thinking"),
        (2, "text"),
        (2, "text_delta"),
        (2, "citations_delta"),
    ]


def test_anthropic_usage_and_endings(port: int) -> None:
    told = claude(port, "script:cached=1,cachewrite=1,reasoning=4,tokens=1,finish=stop_sequence", stop_sequences=["X"])
    assert (told["stop_reason"], told["stop_sequence"]) == ("stop_sequence", "X")
    usage = told["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]) == (1, 1, 1)
    assert usage["output_tokens_details"] == {"thinking_tokens": 4}
    assert claude(port, "script:finish=pause")["stop_reason"] == "pause_turn"
    assert claude(port, "script:refusal")["stop_details"]["type"] == "refusal"


# --- Gemini

GEMINI = {"tools": [{"functionDeclarations": [{"name": "w", "parameters": SCHEMA}]}]}


def gemini(port: int, script: str, *turns: Json, **more: object) -> Json:
    contents = [{"role": "user", "parts": [{"text": TEXT}]}, *turns]
    answer = call(port, f"/v1beta/models/{script}:generateContent", {**GEMINI, "contents": contents, **more})
    return answer.json() | {"status": answer.status}


def gemini_turns(parts: list[Json]) -> list[Json]:
    result = {"functionResponse": {"name": "w", "response": {"t": 21}}}
    return [{"role": "model", "parts": parts}, {"role": "user", "parts": [result]}]


def test_gemini_signs_the_first_call_only_and_wants_it_back(port: int) -> None:
    script = "script:think=2,tools=2"
    parts = gemini(port, script)["candidates"][0]["content"]["parts"]
    assert [("thought" in part, "thoughtSignature" in part) for part in parts] == [
        (True, False),
        (False, True),
        (False, False),
    ]
    assert gemini(port, script, *gemini_turns(parts))["status"] == 200
    parts[1]["thoughtSignature"] = parts[1]["thoughtSignature"].replace("+", "-").replace("/", "_")
    assert "_" in parts[1]["thoughtSignature"]
    assert gemini(port, script, *gemini_turns(parts))["status"] == 200  # Google's own client spells it so
    parts[1]["thoughtSignature"] = parts[1]["thoughtSignature"][:-4] + "AAAA"
    refused = gemini(port, script, *gemini_turns(parts))
    assert (refused["status"], refused["error"]["status"]) == (400, "INVALID_ARGUMENT")
    parts[1]["thoughtSignature"] = "skip_thought_signature_validator"
    assert gemini(port, script, *gemini_turns(parts))["status"] == 200
    del parts[1]["thoughtSignature"]
    missing = gemini(port, script, *gemini_turns(parts))["error"]["message"]
    assert missing.startswith("Function call `default_api:w` is missing a thought_signature")


def test_gemini_refuses_in_two_ways(port: int) -> None:
    told = gemini(port, "script:refusal")
    assert (told["candidates"][0]["content"], told["candidates"][0]["finishReason"]) == ({}, "SAFETY")
    assert told["candidates"][0]["safetyRatings"][0]["blocked"] is True
    blocked = gemini(port, "script:refusal,finish=filter")
    assert (blocked["promptFeedback"], "candidates" in blocked) == ({"blockReason": "PROHIBITED_CONTENT"}, False)


def test_gemini_thoughts_grounding_and_probabilities(port: int) -> None:
    config = {"generationConfig": {"responseLogprobs": True, "logprobs": 2}, "tools": []}
    told = gemini(port, "script:think=2,reasoning=3,tokens=2,cite=1,cached=1", **config)
    usage = told["usageMetadata"]
    assert (usage["thoughtsTokenCount"], usage["candidatesTokenCount"], usage["cachedContentTokenCount"]) == (5, 2, 1)
    candidate = told["candidates"][0]
    assert candidate["groundingMetadata"]["groundingSupports"] == [
        {"segment": {"endIndex": 6, "text": "Hello!"}, "groundingChunkIndices": [0]}
    ]
    assert [entry["token"] for entry in candidate["logprobsResult"]["chosenCandidates"]] == ["Hello!", " This"]
    late = call(port, "/v1beta/models/script:status=429,retry_after=7:generateContent", {}).json()
    assert late["error"]["details"][0]["retryDelay"] == "7s"  # type: ignore


# --- OpenAI Responses

RESPONSES = {
    "include": ["reasoning.encrypted_content"],
    "store": False,
    "tools": [{"type": "function", "name": "w", "parameters": SCHEMA}],
}


def responses(port: int, script: str, *items: Json, **more: object) -> Json:
    asked = {"model": script, **RESPONSES, "input": [{"role": "user", "content": TEXT}, *items], **more}
    answer = call(port, "/v1/responses", asked)
    return answer.json() | {"status_code": answer.status}


def test_responses_want_their_reasoning_back(port: int) -> None:
    script = "script:think=2"
    output = responses(port, script)["output"]
    result = {"type": "function_call_output", "call_id": output[1]["call_id"], "output": "sunny"}
    assert [item["type"] for item in output] == ["reasoning", "function_call"]
    assert responses(port, script, *output, result)["status_code"] == 200
    assert "without its required 'reasoning'" in responses(port, script, output[1], result)["error"]["message"]
    unnamed = {name: value for name, value in output[1].items() if name != "id"}
    assert responses(port, script, unnamed, result)["status_code"] == 200
    bare = {**output[0]}
    del bare["encrypted_content"]
    assert responses(port, script, bare, output[1], result)["status_code"] == 404
    wrong = {**output[0], "encrypted_content": "gAAAAA"}
    assert responses(port, script, wrong, output[1], result)["error"]["code"] == "invalid_encrypted_content"
    by_number = responses(port, script, result, previous_response_id="resp_x")
    assert by_number["status_code"] == 200


def test_responses_annotations_probabilities_and_endings(port: int) -> None:
    told = responses(port, "script:cite=1,tokens=2", tools=[], include=["message.output_text.logprobs"], top_logprobs=1)
    part = told["output"][0]["content"][0]
    assert (part["annotations"][0]["type"], [entry["token"] for entry in part["logprobs"]]) == (
        "url_citation",
        ["Hello!", " This"],
    )
    cut = responses(port, "script:finish=filter", tools=[])
    assert (cut["status"], cut["incomplete_details"]) == ("incomplete", {"reason": "content_filter"})
    opaque = responses(port, "script:redacted", tools=[])["output"][0]
    assert (opaque["summary"], opaque["encrypted_content"][:6]) == ([], "gAAAAA")
    asked = {"model": "script:cite=1", "input": "hi", "stream": True}
    kinds = [event["type"] for event in call(port, "/v1/responses", asked).events()]
    assert kinds.count("response.output_text.annotation.added") == 1


# --- OpenAI chat

CHAT = [{"type": "function", "function": {"name": "w", "parameters": SCHEMA}}]


def chat(port: int, script: str, **more: object) -> list[Json]:
    asked = {"model": script, "messages": [{"role": "user", "content": "Compare Paris, then Rome"}], **more}
    return call(port, "/v1/chat/completions", asked).events() if more.get("stream") else [
        call(port, "/v1/chat/completions", asked).json()
    ]  # fmt: skip


def test_chat_mixes_the_pieces_of_parallel_calls(port: int) -> None:
    chunks = chat(port, "script:tools=2,interleave", tools=CHAT, stream=True)
    pieces = [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", ())]
    assert [piece["index"] for piece in pieces] == [0, 1, 0, 1, 0, 1]
    told = ["".join(p["function"]["arguments"] for p in pieces if p["index"] == n) for n in (0, 1)]
    assert list(map(json.loads, told)) == [{"city": "Paris"}, {"city": "Rome"}]


def test_chat_probabilities_annotations_and_details_of_usage(port: int) -> None:
    script = "script:tokens=2,cite=1,cached=1,cachewrite=1,reasoning=5"
    told = chat(port, script, logprobs=True, top_logprobs=2)[0]
    choice = told["choices"][0]
    assert [len(entry["top_logprobs"]) for entry in choice["logprobs"]["content"]] == [2, 2]
    assert choice["message"]["annotations"][0]["url_citation"]["end_index"] == 6
    assert told["usage"]["prompt_tokens_details"] == {"cached_tokens": 1, "cache_write_tokens": 1}
    assert (told["usage"]["completion_tokens"], told["usage"]["completion_tokens_details"]) == (
        7,
        {"reasoning_tokens": 5},
    )
    chunks = chat(port, script, logprobs=True, stream=True)
    spoken = [chunk["choices"][0] for chunk in chunks if chunk["choices"][0]["delta"].get("content")]
    assert [choice["logprobs"]["content"][0]["token"] for choice in spoken] == ["Hello!", " This"]
    assert sum("annotations" in chunk["choices"][0]["delta"] for chunk in chunks) == 1


@pytest.mark.parametrize(("told", "finish"), [("filter", "content_filter"), ("pause", "stop"), ("odd", "odd")])
def test_a_finish_reason_is_translated_if_it_is_a_common_one(port: int, told: str, finish: str) -> None:
    assert chat(port, f"script:finish={told}")[0]["choices"][0]["finish_reason"] == finish


def test_hidden_reasoning_is_on_the_bill_of_a_stream_too() -> None:
    with upstream() as port:
        chat(port, "script:tokens=2,reasoning=5", stream=True)
        call(port, "/v1beta/models/script:tokens=2,reasoning=5:streamGenerateContent", {"contents": []})
        told = call(port, "/mock/bill", b"", method="GET").json()
        assert told["output_tokens"] == 14


def test_each_provider_has_headers_of_its_own(port: int) -> None:
    ask = {"model": "m", "max_tokens": 1, "messages": []}
    assert call(port, "/v1/chat/completions", ask).headers["x-ratelimit-remaining-requests"] == "9999"
    assert call(port, "/v1/messages", ask).headers["anthropic-ratelimit-requests-limit"] == "10000"
    assert call(port, "/v1/messages", ask).headers["request-id"].startswith("req_mock")
    limited = call(port, "/v1/messages", {**ask, "model": "script:status=429"})
    assert limited.headers["anthropic-ratelimit-tokens-remaining"] == "0"
