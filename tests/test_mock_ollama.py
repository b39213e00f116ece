"""The scripted upstream as Ollama: its own format, line by line."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from mocking import KEY, bill, call, everything, last_call, raw, upstream

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


def durations_apart(told: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in told.items() if not name.endswith(("_duration", "_at"))}


def test_a_chat_is_a_stream_of_lines_unless_it_says_no(port: int) -> None:
    answer = call(port, "/api/chat", {"model": "script:tokens=2", "messages": HELLO})
    assert answer.headers["content-type"] == "application/x-ndjson"
    model = "script:tokens=2"
    assert [durations_apart(line) for line in answer.lines()] == [
        {"model": model, "message": {"role": "assistant", "content": "Hello!"}, "done": False},
        {"model": model, "message": {"role": "assistant", "content": " This"}, "done": False},
        {
            "model": model,
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 2,
            "eval_count": 2,
        },
    ]
    whole = call(port, "/api/chat", {"model": model, "messages": HELLO, "stream": False}).json()
    assert (whole["message"], whole["done"]) == ({"role": "assistant", "content": "Hello! This"}, True)


def test_thinking_comes_first_and_apart(port: int) -> None:
    lines = call(port, "/api/chat", {"model": "script:tokens=1,think=2", "messages": HELLO}).lines()
    assert [line["message"] for line in lines[:3]] == [
        {"role": "assistant", "content": "", "thinking": "Hello!"},
        {"role": "assistant", "content": "", "thinking": " This"},
        {"role": "assistant", "content": "Hello!"},
    ]
    assert lines[-1]["eval_count"] == 3


def test_tool_calls_come_whole_with_their_arguments_as_an_object(port: int) -> None:
    asked = {"model": "script:tools=2", "messages": [{"role": "user", "content": "Compare Paris, then Rome"}]}
    lines = call(port, "/api/chat", {**asked, "tools": [WEATHER]}).lines()
    calls = [line["message"]["tool_calls"][0]["function"] for line in lines[:2]]  # type: ignore
    assert calls == [
        {"index": 0, "name": "weather", "arguments": {"city": "Paris"}},
        {"index": 1, "name": "weather", "arguments": {"city": "Rome"}},
    ]
    assert (lines[2]["done"], lines[2]["done_reason"]) == (True, "stop")
    result = [*HELLO, {"role": "tool", "content": "21 degrees", "tool_name": "weather"}]
    told = call(port, "/api/chat", {"model": "m", "messages": result, "tools": [WEATHER], "stream": False}).json()
    assert told["message"] == {"role": "assistant", "content": "The tool says: 21 degrees"}


def test_generate_limits_and_formats(port: int) -> None:
    asked = {"model": "m", "prompt": "hi", "stream": False, "options": {"num_predict": 2}}
    told = call(port, "/api/generate", asked).json()
    assert (told["response"], told["done_reason"], told["eval_count"]) == ("Hello! This", "length", 2)
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    told = call(port, "/api/generate", {"model": "m", "prompt": "say 42", "stream": False, "format": schema}).json()
    assert told["response"] == '{"n":42}'
    lines = call(port, "/api/generate", {"model": "script:tokens=2", "prompt": "hi", "format": ""}).lines()
    assert [line["response"] for line in lines] == ["Hello!", " This", ""]


def test_probabilities_come_where_they_are_asked_for(port: int) -> None:
    asked = {"model": "script:tokens=2", "messages": HELLO, "logprobs": True, "top_logprobs": 1}
    told = [line["logprobs"][0]["token"] for line in call(port, "/api/chat", asked).lines()[:-1]]  # type: ignore
    assert told == ["Hello!", " This"]


def test_embeddings_models_and_version(port: int) -> None:
    told = call(port, "/api/embed", {"model": "e", "input": ["a", "b"], "dimensions": 3}).json()
    assert [len(numbers) for numbers in told["embeddings"]] == [3, 3]  # type: ignore
    assert told["prompt_eval_count"] == 1
    models = call(port, "/api/tags", b"", method="GET").json()["models"]
    assert models[0]["name"] == models[0]["model"] == "mock-chat"  # type: ignore
    assert "tools" in call(port, "/api/show", {"model": "m"}).json()["capabilities"]  # type: ignore
    assert call(port, "/api/version", b"", method="GET").json() == {"version": "0.12.6"}


def test_errors_before_and_inside_a_stream(port: int) -> None:
    refused = call(port, "/api/chat", {"model": "script:status=404,message=gone", "messages": HELLO})
    assert (refused.status, refused.json()) == (404, {"error": "gone"})
    broken = call(port, "/api/chat", {"model": "script:inband=1,message=boom", "messages": HELLO}).lines()
    assert (len(broken), broken[-1]) == (2, {"error": "boom"})


def test_lies_and_odd_ends(port: int) -> None:
    def last(script: str) -> dict[str, object]:
        return call(port, "/api/chat", {"model": f"script:{script}", "messages": HELLO}).lines()[-1]

    assert last("usage=huge")["eval_count"] == 10**18 + 12
    assert "eval_count" not in last("usage=none")
    assert "done_reason" not in last("nofinish")
    assert last("nodone")["done"] is False
    assert last("finish=length")["done_reason"] == "length"


def test_a_stream_of_lines_stalls_without_a_comment(port: int) -> None:
    script = "script:stall=pings:1,pace=5"
    body = json.dumps({"model": script, "messages": HELLO}).encode()
    head = f"POST /api/chat HTTP/1.1\r\nx-api-key: {KEY}\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    with closing(socket.create_connection(("127.0.0.1", port), 5)) as sock:
        sock.sendall(head + body)
        everything(sock, b"Hello!")
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            while sock.recv(65536) == b"\r\n":
                pass


def test_the_bill_counts_lines_and_tokens() -> None:
    with upstream() as port:
        raw(port, "/api/chat", {"model": "script:tokens=3,cut=events:2", "messages": HELLO})
        told = last_call(port, "script:tokens=3,cut=events:2")
        assert (told["events_sent"], told["output_tokens"], told["closed_by"]) == (2, 2, "server")
        call(port, "/api/chat", {"model": "script:think=2", "messages": HELLO, "tools": [WEATHER]})
        books = bill(port)
        assert isinstance(books, dict)
        assert books["models"]["script:think=2"]["output_tokens"] == 4
