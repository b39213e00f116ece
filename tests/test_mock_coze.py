"""The scripted upstream as Coze, version 3."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mocking import Answer, call, upstream

Json = dict[str, Any]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with upstream() as port:
        yield port


def chat(port: int, bot: str, *, stream: bool = True, **more: object) -> Answer:
    said = [{"role": "user", "content": "12345678", "content_type": "text"}]
    asked = {"bot_id": bot, "user_id": "u", "stream": stream, "additional_messages": said, **more}
    return call(port, "/v3/chat?conversation_id=7", asked)


def named(answer: Answer) -> list[str]:
    return [line.decode()[6:] for line in answer.body.splitlines() if line.startswith(b"event:")]


def test_a_stream_with_messages_beside_the_answer(port: int) -> None:
    answer = chat(port, "script:tokens=2,think=1")
    assert named(answer) == [
        "conversation.chat.created",
        "conversation.chat.in_progress",
        "conversation.message.delta",
        "conversation.message.delta",
        "conversation.message.delta",
        "conversation.message.completed",
        "conversation.message.completed",
        "conversation.message.completed",
        "conversation.message.completed",
        "conversation.message.completed",
        "conversation.chat.completed",
        "done",
    ]
    events: list[Json] = answer.events()
    said = [(event["type"], event["content"]) for event in events[5:8]]  # type: ignore
    assert [kind for kind, _ in said] == ["answer", "verbose", "follow_up"]
    assert (said[0][1], events[2]["reasoning_content"], events[0]["conversation_id"]) == ("Hello! This", "Hello!", "7")
    assert events[-2]["usage"] == {"token_count": 5, "output_count": 3, "input_count": 2}
    assert (answer.body.endswith(b'event:done\ndata:"[DONE]"\n\n'), events[-1]) == (True, "[DONE]")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unstreamed_answer_is_fetched_later(port: int, method: str) -> None:
    started: Json = chat(port, "script:tokens=2,polls=2", stream=False).json()["data"]  # type: ignore
    assert (started["status"], "content" in started) == ("in_progress", False)
    where = f"conversation_id={started['conversation_id']}&chat_id={started['id']}"
    states = [call(port, f"/v3/chat/retrieve?{where}", b"", method=method).json()["data"] for _ in range(3)]
    assert [state["status"] for state in states] == ["in_progress", "in_progress", "completed"]  # type: ignore
    assert states[-1]["usage"]["output_count"] == 2  # type: ignore
    listed = call(port, f"/v3/chat/message/list?{where}", b"", method=method).json()["data"]
    told = [(message["type"], message["content"]) for message in listed[:2]]  # type: ignore
    assert (told[0][0], told[1]) == ("verbose", ("answer", "Hello! This"))


def test_a_tool_makes_the_chat_wait(port: int) -> None:
    last: Json = chat(port, "script:tool=w").events()[-2]
    assert last["status"] == "requires_action"
    assert last["required_action"]["submit_tool_outputs"]["tool_calls"][0]["function"]["name"] == "w"


def test_an_error_has_status_200_and_a_code(port: int) -> None:
    told = chat(port, "script:status=429,message=slow")
    assert (told.status, told.json()["code"], told.json()["msg"]) == (200, 4013, "slow")
    assert chat(port, "script:error=4019").json()["code"] == 4019
    assert call(port, "/v3/chat/retrieve?chat_id=1", b"", method="GET").json()["code"] == 4200
    failed: Json = chat(port, "script:inband=3,message=boom").events()[-1]
    assert (failed["status"], failed["last_error"]) == ("failed", {"code": 5000, "msg": "boom"})
    stranger = call(port, "/v3/chat", {"bot_id": "b", "user_id": "u"}, key="wrong")
    assert (stranger.status, stranger.json()["code"]) == (401, 4100)


def test_parts_of_a_message_are_text_in_a_string(port: int) -> None:
    parts = '[{"type":"text","text":"one"},{"type":"image","file_url":"x"}]'
    said = [{"role": "user", "content": parts, "content_type": "object_string"}]
    told: list[Json] = chat(port, "script:echo", additional_messages=said).events()
    assert next(event for event in told if event.get("type") == "answer")["content"] == "one"
