"""The scripted upstream's promises, tried over real sockets and with OpenAI's own client."""

from __future__ import annotations

import base64
import gc
import gzip
import http.client
import json
import os
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import closing

import openai
import pytest

from mocking import KEY, bill, call, dechunked, everything, last_call, raw, upstream
from unigate.mock.schema import Hints, arguments
from unigate.mock.script import BadScript, parse
from unigate.mock.words import count, pieces


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with upstream() as port:
        yield port


@pytest.fixture(scope="module")
def client(port: int) -> openai.OpenAI:
    return openai.OpenAI(api_key=KEY, base_url=f"http://127.0.0.1:{port}/v1", max_retries=0, timeout=60)


def chat(model: str, text: str = "hi", **more: object) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def ask(port: int, script: str, **more: object) -> tuple[bytes, bytes]:
    head, _, body = raw(port, "/v1/chat/completions", chat(f"script:{script}", **more)).partition(b"\r\n\r\n")
    return head, body


def stream(port: int, script: str, **more: object) -> bytes:
    return dechunked(ask(port, script, stream=True, **more)[1])


# --- what an ordinary answer is


def test_openai_chat(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="anything", messages=[{"role": "user", "content": "12345678"}])
    assert answer.model == "anything"
    assert answer.choices[0].finish_reason == "stop"
    assert count(answer.choices[0].message.content or "") == 12
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (2, 12, 14)


def test_openai_chat_streamed_with_usage_only_when_asked(client: openai.OpenAI) -> None:
    wanted = client.chat.completions.create(
        model="script:tokens=5",
        messages=[{"role": "user", "content": "hi"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(wanted)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Hello! This is the scripted"
    assert chunks[-1].usage and chunks[-1].usage.completion_tokens == 5 and not chunks[-1].choices
    plain = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True)
    assert all(chunk.usage is None for chunk in plain)


def test_token_limit_and_choices(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "hi"}], max_completion_tokens=3, n=2
    )
    assert [choice.finish_reason for choice in answer.choices] == ["length", "length"]
    assert answer.usage and answer.usage.completion_tokens == 6


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "minimum": 1},
            },
            "required": ["location", "unit", "days"],
        },
    },
}
TIME = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("What is the weather in Beijing?", "Beijing"),
        ("北京的天气怎么样？", "北京"),
        ("and in New York please", "New York"),
    ],
)
def test_calls_an_offered_tool_and_quotes_its_result(client: openai.OpenAI, text: str, place: str) -> None:
    messages: list[object] = [{"role": "user", "content": text}]
    answer = client.chat.completions.create(model="m", messages=messages, tools=[WEATHER, TIME])  # type: ignore
    assert answer.choices[0].finish_reason == "tool_calls"
    call = answer.choices[0].message.tool_calls[0]  # type: ignore
    assert json.loads(call.function.arguments) == {"location": place, "unit": "celsius", "days": 1}
    messages += [answer.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}]
    answer = client.chat.completions.create(model="m", messages=messages, tools=[WEATHER])  # type: ignore
    assert answer.choices[0].message.content == "The tool says: 21 degrees"


def test_tool_choice_is_obeyed(client: openai.OpenAI) -> None:
    def called(text: str, choice: object) -> list[str]:
        answer = client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": text}],
            tools=[WEATHER, TIME],  # type: ignore
            tool_choice=choice,  # type: ignore
        )
        return [call.function.name for call in answer.choices[0].message.tool_calls or []]  # type: ignore

    assert called("hi", "none") == []
    assert called("hi", "auto") == ["get_weather"]
    assert called("call get_time now", "auto") == ["get_time"]
    assert called("hi", {"type": "function", "function": {"name": "get_time"}}) == ["get_time"]


def test_parallel_tools_streamed(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model="script:tools=2",
        messages=[{"role": "user", "content": "Compare Paris, then Rome"}],
        tools=[WEATHER],  # type: ignore
    ) as events:
        answer = events.get_final_completion()
    calls = answer.choices[0].message.tool_calls or []
    assert [json.loads(call.function.arguments)["location"] for call in calls] == ["Paris", "Rome"]


def test_json_answers_satisfy_the_schema(client: openai.OpenAI) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "ok": {"type": "boolean"}}, "required": ["n"]}
    answer = client.chat.completions.create(
        model="m",
        messages=[{"role": "user", "content": "say 42"}],
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema}},
    )
    assert json.loads(answer.choices[0].message.content or "") == {"n": 42}


def test_embeddings_are_unit_vectors_in_both_encodings(client: openai.OpenAI, port: int) -> None:
    answer = client.embeddings.create(model="e", input=["a", "b"], dimensions=8)
    assert [len(item.embedding) for item in answer.data] == [8, 8]
    assert abs(sum(n * n for n in answer.data[0].embedding) - 1) < 1e-6
    floats = json.loads(
        raw(port, "/v1/embeddings", {"model": "e", "input": "a", "dimensions": 8}).split(b"\r\n\r\n")[1]
    )
    packed = {"model": "e", "input": "a", "dimensions": 8, "encoding_format": "base64"}
    told = json.loads(raw(port, "/embeddings", packed).split(b"\r\n\r\n")[1])["data"][0]["embedding"]
    assert struct.unpack("<8f", base64.b64decode(told)) == pytest.approx(floats["data"][0]["embedding"], rel=1e-6)


def test_a_vector_too_long_to_make_is_refused(port: int) -> None:
    answer = raw(port, "/v1/embeddings", {"model": "e", "input": "a", "dimensions": 2_307_075_825})

    assert answer.startswith(b"HTTP/1.1 400")


def test_every_other_openai_endpoint(client: openai.OpenAI, port: int) -> None:
    assert client.models.retrieve("some/model").id == "some/model"
    assert "mock-chat" in [model.id for model in client.models.list()]
    assert client.completions.create(model="m", prompt="hi", max_tokens=2).choices[0].text == "Hello! This"
    assert [c.choices[0].text for c in client.completions.create(model="m", prompt="x", max_tokens=1, stream=True)]
    assert client.images.generate(model="i", prompt="a cat").data[0].b64_json  # type: ignore
    assert client.audio.speech.create(model="s", voice="alloy", input="hi there").content[:4] == b"RIFF"
    heard = client.audio.transcriptions.create(model="script:tokens=3", file=("a.wav", b"RIFF\r\n\0\xff" * 9))
    assert heard.text == "Hello! This is"
    assert client.moderations.create(input=["violence", "peace"]).results[0].flagged
    ranked = raw(port, "/v1/rerank", {"model": "r", "query": "red fox", "documents": ["a dog", "the red fox"]})
    assert [r["index"] for r in json.loads(ranked.split(b"\r\n\r\n")[1])["results"]] == [1, 0]


def test_responses(client: openai.OpenAI) -> None:
    answer = client.responses.create(model="script:tokens=4,think=2", input="hi")
    assert (answer.output_text, answer.usage and answer.usage.output_tokens) == ("Hello! This is the", 6)
    with client.responses.stream(model="script:tokens=4,think=2", input="hi") as events:
        list(events)
        assert events.get_final_response().output_text == "Hello! This is the"
    tool = {"type": "function", **WEATHER["function"]}  # type: ignore
    with client.responses.stream(model="m", input="In Oslo?", tools=[tool]) as events:  # type: ignore
        called = events.get_final_response().output[0]
    assert called.type == "function_call" and json.loads(called.arguments)["location"] == "Oslo"


def test_anthropic_messages(port: int) -> None:
    body = {"model": "script:tokens=3,think=2", "max_tokens": 9, "messages": [{"role": "user", "content": "abcdefgh"}]}
    told = json.loads(raw(port, "/v1/messages", body).split(b"\r\n\r\n")[1])
    assert [block["type"] for block in told["content"]] == ["thinking", "text"]
    assert (told["usage"]["input_tokens"], told["usage"]["output_tokens"]) == (2, 5)
    events = dechunked(raw(port, "/v1/messages", {**body, "stream": True}).partition(b"\r\n\r\n")[2]).split(b"\n\n")
    data = [json.loads(event.partition(b"data: ")[2]) for event in events if event]
    deltas = [event["delta"].get("text", "") for event in data if event["type"] == "content_block_delta"]
    assert ("".join(deltas), data[-1], data[-2]["usage"]["output_tokens"]) == (
        "Hello! This is",
        {"type": "message_stop"},
        5,
    )
    counted = raw(port, "/v1/messages/count_tokens", body)
    assert counted.endswith(b'{"input_tokens":2}')


def test_anthropic_tools(port: int) -> None:
    tool = {"name": "w", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
    body = {"model": "m", "max_tokens": 9, "tools": [tool], "messages": [{"role": "user", "content": "Go to Rome"}]}
    told = json.loads(raw(port, "/v1/messages", body).split(b"\r\n\r\n")[1])
    assert (told["stop_reason"], told["content"][0]["input"]) == ("tool_use", {"city": "Rome"})
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x", "content": "sunny"}]}
    told = json.loads(raw(port, "/v1/messages", {**body, "messages": [result]}).split(b"\r\n\r\n")[1])
    assert told["content"] == [{"type": "text", "text": "The tool says: sunny"}]


def test_gemini(port: int) -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": "abcdefgh"}]}]}
    path = "/v1beta/models/script:tokens=3:"
    told = json.loads(raw(port, path + "generateContent", body).split(b"\r\n\r\n")[1])
    assert told["candidates"][0]["content"]["parts"] == [{"text": "Hello! This is"}]
    assert told["usageMetadata"] == {
        "promptTokenCount": 2,
        "candidatesTokenCount": 3,
        "totalTokenCount": 5,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 2}],
    }
    events = dechunked(raw(port, path + "streamGenerateContent?alt=sse", body).partition(b"\r\n\r\n")[2])
    assert [json.loads(e[6:])["usageMetadata"]["candidatesTokenCount"] for e in events.split(b"\r\n\r\n") if e] == [
        1, 2, 3, 3,
    ]  # fmt: skip
    array = json.loads(dechunked(raw(port, path + "streamGenerateContent", body).partition(b"\r\n\r\n")[2]))
    assert len(array) == 4 and array[-1]["candidates"][0]["finishReason"] == "STOP"
    assert raw(port, path + "countTokens", body).endswith(b'{"totalTokens":2}')
    assert b'"values":[' in raw(port, path + "embedContent", {"content": {"parts": [{"text": "a"}]}})


def test_gemini_tools(port: int) -> None:
    schema = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}
    tools = [{"functionDeclarations": [{"name": "w", "parameters": schema}]}]
    body = {"contents": [{"role": "user", "parts": [{"text": "See Rome"}]}], "tools": tools}
    told = json.loads(raw(port, "/v1beta/models/m:generateContent", body).split(b"\r\n\r\n")[1])
    assert told["candidates"][0]["content"]["parts"][0]["functionCall"]["args"] == {"city": "Rome"}
    snake = [{"function_declarations": [{"name": "w", "parameters_json_schema": schema}, {"name": "bare"}]}]
    told = call(port, "/v1beta/models/script:tools=2:generateContent", {**body, "tools": snake}).json()
    parts = told["candidates"][0]["content"]["parts"]
    assert [part["functionCall"]["args"] for part in parts] == [{"city": "Rome"}, {}]


def test_azure_takes_the_deployment_for_the_model(port: int) -> None:
    client = openai.AzureOpenAI(api_key=KEY, azure_endpoint=f"http://127.0.0.1:{port}", api_version="2025-01-01")
    answer = client.chat.completions.create(model="mine", messages=[{"role": "user", "content": "hi"}])
    assert answer.model == "mine"


def test_a_demo_says_so_in_every_answer() -> None:
    with upstream(demo=True) as port:
        client = openai.OpenAI(api_key=KEY, base_url=f"http://127.0.0.1:{port}", max_retries=0)

        def said(text: str) -> tuple[str, str | None]:
            answer = client.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": text}],
                tools=[WEATHER] if "tool" in text else openai.omit,  # type: ignore
            )
            return answer.model, answer.choices[0].message.content

        assert said("hi")[0] == "unigate-demo"
        assert "scripted demo" in (said("hi")[1] or "") and "scripted demo" in (said("use the tool")[1] or "")
        assert "脚本演示" in (said("你好")[1] or "")


# --- keys and errors


@pytest.mark.parametrize(
    ("path", "status", "shape"),
    [
        ("/v1/chat/completions", 401, {"error": ["code", "message", "param", "type"]}),
        ("/v1/messages", 401, {"error": ["message", "type"], "request_id": [], "type": []}),
        ("/v1beta/models/m:generateContent", 400, {"error": ["code", "details", "message", "status"]}),
        ("/model/m/converse", 403, {"message": []}),
        ("/v2/chat", 401, {"id": [], "message": []}),
        ("/api/chat", 401, {"error": []}),
    ],
)
def test_a_wrong_key_is_refused_as_the_provider_does(port: int, path: str, status: int, shape: object) -> None:
    head, _, body = raw(port, path, {}, key="wrong-key").partition(b"\r\n\r\n")
    told = {k: sorted(v) if isinstance(v, dict) else [] for k, v in json.loads(body).items()}
    assert (head[:12], told, b"wrong-key" in body) == (b"HTTP/1.1 %d" % status, shape, False)


@pytest.mark.parametrize("header", ["x-api-key", "api-key", "x-goog-api-key"])
def test_a_key_is_found_wherever_a_provider_would_look(port: int, header: str) -> None:
    told = f"POST /v1/chat/completions HTTP/1.1\r\n{header}: {KEY}\r\nconnection: close\r\n"
    body = json.dumps(chat("m")).encode()
    with closing(socket.create_connection(("127.0.0.1", port), 5)) as sock:
        sock.sendall(f"{told}content-length: {len(body)}\r\n\r\n".encode() + body)
        assert everything(sock).startswith(b"HTTP/1.1 200")


def test_scripted_errors_raise_the_sdks_own_classes(client: openai.OpenAI) -> None:
    def fails(script: str) -> openai.APIStatusError:
        with pytest.raises(openai.APIStatusError) as caught:
            client.chat.completions.create(model=f"script:{script}", messages=[{"role": "user", "content": "hi"}])
        return caught.value

    limited = fails("status=429,retry_after=7,error=tokens/rate_limit_exceeded")
    assert isinstance(limited, openai.RateLimitError) and limited.response.headers["retry-after"] == "7"
    assert (limited.type, limited.code) == ("tokens", "rate_limit_exceeded")
    assert isinstance(fails("status=503"), openai.InternalServerError)
    assert KEY in str(fails("status=400,echo_key"))
    assert "unknown field" in str(fails("nonsense=1"))


def test_only_the_first_calls_fail(port: int) -> None:
    heads = [ask(port, "status=500,first=2,text=fine")[0][:12] for _ in range(3)]
    assert heads == [b"HTTP/1.1 500", b"HTTP/1.1 500", b"HTTP/1.1 200"]


def test_a_script_that_is_not_understood_is_refused() -> None:
    for wrong in ("script:tokens=many", "script:bogus", "script:stall=somewhere", "script:usage=maybe"):
        with pytest.raises(BadScript):
            parse(wrong)


# --- faults on the wire


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("body=html", b"<!DOCTYPE html>"),
        ("body=empty", b""),
        ("body=null", b"null"),
        ("body=notjson", b"upstream connect"),
    ],
)
def test_bodies_that_are_wrong(port: int, script: str, told: bytes) -> None:
    assert ask(port, script)[1].startswith(told)


def test_encodings(port: int) -> None:
    head, packed = ask(port, "gzip,text=ok")
    assert b"content-encoding: gzip" in head and b'"content":"ok"' in gzip.decompress(packed)
    assert b'"content":"ok"' in zlib.decompress(ask(port, "deflate,text=ok")[1])
    members = ask(port, "gzip_members,text=ok")[1]
    assert b'"content":"ok"' in gzip.decompress(members) and b'"content":"ok"' not in zlib.decompress(members, 31)[:90]
    assert b'"content":"ok"' in ask(port, "br_label,text=ok")[1]
    assert gzip.decompress(stream(port, "gzip,text=ok")).endswith(b"data: [DONE]\n\n")
    bomb = dechunked(ask(port, "bomb=20000000")[1])
    assert len(bomb) < 40_000 and len(gzip.decompress(bomb)) > 19_900_000


def test_lies_about_usage(port: int) -> None:
    def told(lie: str) -> object:
        return json.loads(ask(port, f"usage={lie}")[1]).get("usage", {}).get("completion_tokens")

    assert [told(lie) for lie in ("none", "zero", "negative", "huge", "string", "null")] == [
        None, 0, -13, 10**18 + 12, "12", None,
    ]  # fmt: skip
    assert stream(port, "usage=repeated,tokens=3").count(b'"usage"') == 5
    assert b'"usage"' in stream(port, "usage=always") and b'"usage"' not in stream(
        port, "usage=none", stream_options={"include_usage": True}
    )


def test_spellings_of_a_stream(port: int) -> None:
    assert not stream(port, "nodone").endswith(b"[DONE]\n\n")
    assert b'"finish_reason":"stop"' not in stream(port, "nofinish")
    assert b"\r\n\r\n" in stream(port, "crlf") and b"\n\n" not in stream(port, "crlf")
    assert stream(port, "bom").startswith(b"\xef\xbb\xbfdata:")
    assert b": the scripted" in stream(port, "comments")
    assert b"data:{" in stream(port, "nospace")
    assert b"\xff\xfe" in stream(port, "chars=badutf8") and b"\\ud800" in stream(port, "chars=surrogate")
    wide = stream(port, "chars=wide")
    assert (
        json.loads(stream(port, "chars=escaped").split(b"\n\n")[3][6:])["choices"]
        == json.loads(wide.split(b"\n\n")[3][6:])["choices"]
    )


@pytest.mark.parametrize(
    ("script", "events", "ending"),
    [
        ("cut=head", 0, b""),
        ("cut=status", 0, b"HTTP/1.1 200 OK\r\ncon"),
        ("cut=events:0", 0, b"\r\n\r\n"),
        ("cut=events:3", 3, b"}\n\n\r\n"),
        ("cut=end", 14, b"data: [DONE]\n\n\r\n"),
        ("reset=events:3", 3, b"<RST>"),
        ("reset=head", 0, b"<RST>"),
    ],
)
def test_a_stream_cut_short(port: int, script: str, events: int, ending: bytes) -> None:
    told = raw(port, "/v1/chat/completions", chat(f"script:{script}", stream=True))
    assert told.count(b"data: ") - told.count(b"[DONE]") == events and told.endswith(ending)
    call = last_call(port, f"script:{script}")
    assert (call["closed_by"], call["finished"]) == ("server", False)


def test_half_an_event_leaves_half_a_chunk(port: int) -> None:
    body = ask(port, "cut=mid:2", stream=True)[1]
    size, _, rest = body[body.index(b"\n\n\r\n") + 4 :].partition(b"\r\n")
    assert 0 < len(rest) < int(size, 16)


def test_lying_lengths_and_bad_chunks(port: int) -> None:
    def declared(script: str) -> tuple[int, int]:
        head, body = ask(port, script)
        return int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]), len(body)

    length, got = declared("cut=end,short=10")
    assert length > got
    length, got = declared("long=10")
    assert got == length + 10
    assert b"\r\nzz\r\n" in ask(port, "badchunk", stream=True)[1]
    assert b"x-mock-trailer" in ask(port, "trailers", stream=True)[1]
    assert b"content-length: 7\r\ntransfer-encoding: chunked" in ask(port, "head=both", stream=True)[0]
    assert ask(port, "head=garbage")[0].startswith(b"220 smtp")


def test_stalls_until_the_client_gives_up(port: int) -> None:
    for script, seen in (("stall=head", b""), ("stall=events:2", b"Hello!"), ("stall=pings,pace=5", b": ping")):
        body = json.dumps(chat(f"script:{script}", stream=True)).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nx-api-key: {KEY}\r\ncontent-length: {len(body)}\r\n\r\n"
        with closing(socket.create_connection(("127.0.0.1", port), 5)) as sock:
            sock.sendall(head.encode() + body)
            if seen:
                assert seen in everything(sock, seen)
        call = last_call(port, f"script:{script}")
        assert (call["closed_by"], call["finished"]) == ("client", False)


def test_a_paced_answer_is_finished_with_its_last_byte(port: int) -> None:
    told = json.dumps(chat("script:tokens=1,pace=200,text=last", stream=True)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
    with closing(socket.create_connection(("127.0.0.1", port), 5)) as sock:
        sock.sendall(f"{head}content-length: {len(told)}\r\n\r\n".encode() + told)
        everything(sock, until=b"\r\n0\r\n\r\n")
    assert last_call(port, "script:tokens=1,pace=200,text=last")["closed_by"] is None


def test_pace_and_latency(port: int) -> None:
    begun = time.monotonic()
    told = stream(port, "tokens=4,pace=20,latency=50")
    assert told.endswith(b"data: [DONE]\n\n") and 0.15 < time.monotonic() - begun < 10


def test_any_grouping_of_bytes_tells_the_same(port: int) -> None:
    def said(script: str) -> list[object]:
        events = stream(port, script).split(b"\n\n")[:-2]
        return [json.loads(event[6:])["choices"][0]["delta"] for event in events]

    assert said("tokens=3") == said("tokens=3,split=7") == said("tokens=3,merge")


def test_an_error_inside_a_200(port: int) -> None:
    told = stream(port, "inband=2,message=boom")
    assert told.count(b"data: ") == 3 and b'"message":"boom"' in told and b"[DONE]" not in told
    head, body = ask(port, "inband,message=boom")
    assert head.startswith(b"HTTP/1.1 200") and b'"message":"boom"' in body


def test_redirects_headers_and_interim_heads(port: int) -> None:
    head, _ = ask(port, "redirect=http%3A%2F%2F127.0.0.1%3A1%2F,headers=x-a%3A 1%3Bx-b%3A 2")
    assert head.startswith(b"HTTP/1.1 307") and b"location: http://127.0.0.1:1/\r\nx-a: 1\r\nx-b: 2" in head
    assert ask(port, "interim")[0].startswith(b"HTTP/1.1 103 Early Hints")


# --- requests and connections


def test_pipelined_chunked_and_expectant_requests(port: int) -> None:
    body = json.dumps(chat("script:text=one")).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer {KEY}\r\n"
    whole = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
    pieces = f"{head}transfer-encoding: chunked\r\nexpect: 100-continue\r\nconnection: close\r\n\r\n".encode()
    pieces += b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (9, body[:9], len(body) - 9, body[9:])
    with closing(socket.create_connection(("127.0.0.1", port), 5)) as sock:
        sock.sendall(whole + whole + pieces)
        told = everything(sock)
    assert (told.count(b"HTTP/1.1 200"), told.count(b'"content":"one"'), told.count(b"100 Continue")) == (3, 3, 1)


@pytest.mark.parametrize(("how", "ending"), [("close", b"}"), ("silent", b"}"), ("reset", b"<RST>"), ("garbage", b"")])
def test_what_becomes_of_an_idle_connection(port: int, how: str, ending: bytes) -> None:
    body = json.dumps(chat(f"script:keepalive={how}")).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nx-api-key: {KEY}\r\ncontent-length: {len(body)}\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", port), 5)) as sock:
        sock.sendall(head.encode() + body)
        told = everything(sock, b"408 Request Timeout" if how == "garbage" else None)
    assert told.startswith(b"HTTP/1.1 200") and told.endswith(ending)
    assert (b"connection: close" in told.split(b"\r\n\r\n")[0]) is (how == "close")


@pytest.mark.parametrize(("fault", "told"), [("accept-reset", b"<RST>"), ("accept-close", b"")])
def test_faults_at_the_door(fault: str, told: bytes) -> None:
    def knock(port: int) -> bytes:
        try:
            with closing(socket.create_connection(("127.0.0.1", port), 5)) as sock:
                return everything(sock)
        except ConnectionResetError:  # already while connecting
            return b"<RST>"

    with upstream(fault=fault) as port:
        assert knock(port) == told


def test_a_door_that_hangs_reads_nothing() -> None:
    with upstream(fault="accept-hang") as port, closing(socket.create_connection(("127.0.0.1", port), 5)) as sock:
        sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            for _ in range(1000):
                sock.sendall(bytes(65536))
        with pytest.raises(TimeoutError):
            sock.recv(1)


# --- the books


def test_the_bill_is_honest_whatever_the_script_says() -> None:
    with upstream() as port:
        ask(port, "tokens=7,usage=huge")
        stream(port, "tokens=7,usage=none")
        ask(port, "status=500")
        ask(port, "tokens=7,cut=events:3", stream=True)
        told = bill(port)
        assert isinstance(told, dict)
        assert (told["calls"], told["finished"], told["errors"], told["open"]) == (4, 3, 1, 0)
        assert (told["input_tokens"], told["output_tokens"]) == (3, 7 + 7 + 2)
        calls = bill(port, "calls")
        assert isinstance(calls, list)
        assert [call["events_sent"] for call in calls] == [1, 10, 1, 3]
        assert (
            KEY not in json.dumps(calls)
            and ["authorization", f"Bearer {calls[0]['credential']}"] in calls[0]["headers"]
        )
        raw(port, "/mock/calls", b"", method="DELETE")
        assert bill(port, "calls") == []


def test_a_limit_below_zero_is_one_of_nothing() -> None:
    with upstream() as port:
        asked = {"model": "script:tokens=9", "messages": [], "max_tokens": -5}
        assert b'"finish_reason":"length"' in raw(port, "/v1/chat/completions", asked)


def test_the_books_hold_nothing_that_the_collector_of_circles_looks_through() -> None:
    """Looking through ten thousand calls would stop every answer for 20 ms and more, now and then."""

    def call_once() -> None:
        connection.request("POST", "/v1/chat/completions", asked, {"authorization": f"Bearer {KEY}"})
        connection.getresponse().read()

    asked = json.dumps({"model": "script:tokens=1", "messages": [{"role": "user", "content": "hi"}]})
    with upstream() as port, closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        call_once()
        gc.collect()
        gc.disable()  # what it has looked through once may be left out the next time
        try:
            before = len(gc.get_objects())
            for _ in range(50):
                call_once()
            assert len(gc.get_objects()) - before < 50
        finally:
            gc.enable()


def test_a_child_reports_its_port_and_dies_with_its_parent() -> None:
    read, write = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-m", "unigate.mock", "--child"], stdin=subprocess.PIPE, pass_fds=(write,)
    )
    os.close(write)
    assert child.stdin is not None
    child.stdin.write(b'{"host":"127.0.0.1","port":0,"key":"test-key","ready_fd":%d}\n' % write)
    child.stdin.flush()
    with open(read, "rb") as ready:
        told = json.loads(ready.read())
    assert told["ready"] is True and ask(told["port"], "text=ok")[0].startswith(b"HTTP/1.1 200")
    child.stdin.close()
    assert child.wait(20) == 0


# --- the small parts


def test_words_are_counted_in_every_script() -> None:
    assert [count(text) for text in ("one two", "你好 world", "")] == [2, 3, 0]
    assert list(pieces("one  two\n你好!")) == ["one", "  two", "\n你", "好", "!"]


def test_values_for_awkward_schemas() -> None:
    def made(schema: object, text: str = "") -> object:
        return json.loads(arguments(json.dumps(schema).encode(), Hints(text)))

    assert made({"anyOf": [{"type": "null"}, {"type": "integer", "exclusiveMinimum": 4}]}) == 5
    assert made({"$ref": "#/$defs/a", "$defs": {"a": {"enum": ["x", "y"]}}}, "I want y") == "y"
    assert made({"type": "array", "items": {"type": "number"}, "minItems": 2}, "2.5 and 3") == [2.5, 3]
    assert made({"type": "object", "properties": {"expression": {"type": "string"}}}, "what is 2+3*4?") == {
        "expression": "2+3*4"
    }
    tree = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    assert made(tree) is not None


def test_an_old_client_gets_a_stream_without_chunks(port: int) -> None:
    body = json.dumps(chat("script:tokens=2", stream=True)).encode()
    head = f"POST /v1/chat/completions HTTP/1.0\r\nx-api-key: {KEY}\r\ncontent-length: {len(body)}\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", port), 5)) as sock:
        sock.sendall(head.encode() + body)
        told = everything(sock)
    assert b"\r\n\r\ndata: {" in told and told.endswith(b"data: [DONE]\n\n") and b"chunked" not in told


def test_a_repeated_request_gets_the_same_answer_under_a_new_number(port: int) -> None:
    told = [raw(port, "/v1/messages", {**chat("same"), "max_tokens": 50}) for _ in range(4)]
    numbers = [head.partition(b"x-request-id: ")[2][:12] for head in told]
    assert len(set(numbers)) == 4
    assert len({answer.replace(number, b"") for answer, number in zip(told, numbers, strict=True)}) == 1


def test_an_unfinished_last_event(port: int) -> None:
    assert stream(port, "notail").endswith(b"}\n\ndata: [DONE]")


def test_a_stream_waits_for_its_reader_and_knows_that_it_left(port: int) -> None:
    model = "script:tokens=100000"
    body = json.dumps(chat(model, stream=True)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nx-api-key: {KEY}\r\ncontent-length: {len(body)}\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", port), 5)) as sock:
        sock.sendall(head.encode() + body)
        everything(sock, b"Hello!")
    call = last_call(port, model)
    assert (call["closed_by"], call["finished"]) == ("client", False)
    assert call["bytes_sent"] < 12_000_000
