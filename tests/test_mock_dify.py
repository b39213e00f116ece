"""The scripted upstream as Dify's chat apps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mocking import Answer, bill, call, upstream

Json = dict[str, Any]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with upstream() as port:
        yield port


def chat(port: int, script: str, *, mode: str = "streaming", path: str = "/v1/chat-messages", **more: object) -> Answer:
    asked = {"inputs": {"model": script}, "query": "12345678", "user": "u", "response_mode": mode, **more}
    return call(port, path, asked)


def test_a_stream_of_messages_ends_with_usage(port: int) -> None:
    answer = chat(port, "script:tokens=2", conversation_id="c")
    assert answer.body.startswith(b'event: ping\n\ndata: {"event":"message",')
    events: list[Json] = answer.events()
    assert [(event["event"], event.get("answer"), event["conversation_id"]) for event in events] == [
        ("message", "Hello!", "c"),
        ("message", " This", "c"),
        ("message_end", None, "c"),
    ]
    usage = events[-1]["metadata"]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (2, 2, 4)


def test_a_blocking_answer_with_sources(port: int) -> None:
    told: Json = chat(port, "script:tokens=2,cite=1", mode="blocking", path="/chat-messages").json()
    assert (told["event"], told["mode"], told["answer"]) == ("message", "chat", "Hello! This")
    assert told["metadata"]["retriever_resources"][0]["document_name"] == "Source 0"


def test_the_first_line_of_a_query_may_be_the_script(port: int) -> None:
    told: Json = chat(port, "", mode="blocking", query="script:echo\nhi there", inputs={}).json()
    assert told["answer"] == "hi there"


def test_an_agent_thinks_and_calls_by_itself() -> None:
    with upstream() as port:
        events: list[Json] = chat(port, "script:tool=w,think=2,reasoning=3").events()
        assert (events[0]["event"], events[0]["tool"], events[0]["thought"]) == ("agent_thought", "w", "Hello! This")
        told = bill(port)
        assert isinstance(told, dict)
        assert told["output_tokens"] == events[-1]["metadata"]["usage"]["completion_tokens"]
        spoken: list[Json] = chat(port, "script:tokens=1,think=1").events()
        assert [event["event"] for event in spoken] == ["agent_thought", "agent_message", "message_end"]


def test_errors_before_and_inside_a_stream(port: int) -> None:
    refused = chat(port, "script:status=400,error=provider_quota_exceeded,message=spent")
    assert refused.json() == {"code": "provider_quota_exceeded", "message": "spent", "status": 400}
    assert refused.headers["x-version"] == "1.9.0"
    broken: Json = chat(port, "script:inband=2,message=boom").events()[-1]
    assert (broken["event"], broken["code"], broken["status"]) == ("error", "internal_server_error", 500)
    assert call(port, "/v1/chat-messages", {"query": "no user"}).json()["code"] == "invalid_param"
