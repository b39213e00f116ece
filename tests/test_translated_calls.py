"""Calls between formats through a running gateway: losses, refusals, failover, errors, leaving, and their records."""

from __future__ import annotations

import http.client
import json
import time
import urllib.request
from collections.abc import Iterator, Mapping

import pytest

from gateways import CLIENT_KEY, PATIENCE_S, UPSTREAM_KEY, Gateway, free_port, kill_group, start_gateway

CONFIG = """
server: {{port: {port}, drain: 2}}
providers:
  chat: {{kind: openai, base_url: "{upstream}/v1", api_key: "${{UPSTREAM_KEY}}", speaks: [openai.chat]}}
  claude: {{kind: anthropic, base_url: "{upstream}/v1", api_key: "${{UPSTREAM_KEY}}",
            speaks: [anthropic.messages, anthropic.count_tokens]}}
  gem: {{kind: gemini, base_url: "{upstream}/v1beta", api_key: "${{UPSTREAM_KEY}}", speaks: [gemini.generate]}}
  coze: {{kind: coze, base_url: "{upstream}", api_key: "${{UPSTREAM_KEY}}"}}
  down: {{kind: openai, base_url: "http://127.0.0.1:9/v1", api_key: unused-key, speaks: [openai.chat]}}
models:
  either:
    targets:
      - {{provider: chat, model: first}}
      - {{provider: claude, model: second}}
  fallback:
    targets:
      - {{provider: down, model: never}}
      - {{provider: gem, model: third}}
  picky:
    targets:
      - {{provider: claude, model: no-words-for-it}}
      - {{provider: gem, model: says-it}}
  renamed:
    targets:
      - {{provider: claude, model: "script:tokens=3"}}
keys:
  - {{name: judge, key: "${{CLIENT_KEY}}"}}
"""
HI = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def mixed(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose providers speak three formats, and routes across them."""
    folder = tmp_path_factory.mktemp("mixed")
    port = free_port()
    (folder / "unigate.yaml").write_text(CONFIG.format(port=port, upstream=upstream))
    gateway = start_gateway(folder, port=port, environment={"UPSTREAM_KEY": UPSTREAM_KEY, "CLIENT_KEY": CLIENT_KEY})
    gateway.upstream = upstream
    try:
        yield gateway
    finally:
        kill_group(gateway.process)


class Told:
    """One answer: status, headers with names in lower case, body."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        self.body = answer.read()

    @property
    def json(self) -> dict:
        return json.loads(self.body)


def post(gateway: Gateway, path: str, body: Mapping[str, object], **headers: str) -> Told:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE_S)
    named = {"x-api-key": CLIENT_KEY, **{name.replace("_", "-"): value for name, value in headers.items()}}
    connection.request("POST", path, json.dumps(body), named)
    with connection.getresponse() as answer:
        return Told(answer)


def chat(gateway: Gateway, **body: object) -> Told:
    return post(gateway, "/v1/chat/completions", {"messages": HI, **body})


def claude(gateway: Gateway, **body: object) -> Told:
    return post(gateway, "/v1/messages?beta=true", {"messages": HI, "max_tokens": 100, **body})


def gemini(gateway: Gateway, model: str, verb: str, query: str = "") -> Told:
    return post(gateway, f"/v1beta/models/{model}:{verb}{query}", {"contents": [{"parts": [{"text": "hi"}]}]})


def log_line(gateway: Gateway, request_id: str) -> dict:
    """The line of a call in the log, which the keeper writes a moment later."""
    end = time.monotonic() + PATIENCE_S
    path = gateway.folder / "logs" / "proxy.log"
    while time.monotonic() < end:
        for line in path.read_text().splitlines() if path.exists() else []:
            if json.loads(line)["request_id"] == request_id:
                return json.loads(line)
        time.sleep(0.02)
    raise AssertionError(f"{request_id} did not reach {path}")


def test_a_hint_is_dropped_and_listed_in_the_answer_and_in_the_record(mixed: Gateway) -> None:
    told = chat(mixed, model="claude/x", seed=7, weight=1, messages=[{**HI[0], "mood": "good"}])

    assert told.status == 200
    assert told.headers["x-unigate-dropped"] == "messages[].mood, seed, weight"
    assert log_line(mixed, told.headers["x-request-id"])["dropped"] == ["messages[].mood", "seed", "weight"]


def test_a_made_up_name_breaks_no_header_and_fills_no_record(mixed: Gateway) -> None:
    names = {"a\r\nset-cookie: b": 1, "\u4f60": 1, "long" * 9999: 1, **{f"field{number}": 1 for number in range(400)}}

    told = chat(mixed, model="claude/x", **names)

    dropped = told.headers["x-unigate-dropped"]
    assert "a%0D%0Aset-cookie%3A b" in dropped and "set-cookie" not in told.headers
    assert dropped.endswith("more") and len(dropped) < 4000


def test_thousands_of_made_up_fields_are_refused_at_once(mixed: Gateway) -> None:
    told = chat(mixed, model="claude/x", **{f"field{number}": 1 for number in range(9999)})

    assert (told.status, told.json["error"]["code"]) == (400, "too_many_fields")


def test_text_that_is_no_utf8_is_refused_where_it_would_have_to_be_read(mixed: Gateway) -> None:
    form = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: BYTE"}}
    tools = [{"type": "custom", "custom": {"name": "run", "format": form}}]
    body = json.dumps({"model": "gem/x", "messages": HI, "tools": tools}).encode().replace(b"BYTE", b"\xff")
    connection = http.client.HTTPConnection("127.0.0.1", mixed.port, timeout=PATIENCE_S)
    connection.request("POST", "/v1/chat/completions", body, {"authorization": f"Bearer {CLIENT_KEY}"})
    told = Told(connection.getresponse())

    assert (told.status, told.json["error"]["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_bot_goes_on_with_the_conversation_that_it_keeps(mixed: Gateway, streamed: bool) -> None:
    """The scripted upstream tells the conversation that the query names, and mirrors what it was sent."""

    def turn(**body: object) -> tuple[str, str]:
        told = chat(mixed, model="coze/script:mirror", stream=streamed, **body)
        assert (told.status, told.headers.get("x-unigate-dropped")) == (200, None)
        events = [line[6:] for line in told.body.splitlines() if line.startswith(b"data: {")]
        answers = [json.loads(one) for one in (events if streamed else [told.body])]
        said = [choice.get("delta", choice.get("message")) for one in answers for choice in one["choices"]]
        return answers[0]["id"], "".join(one.get("content") or "" for one in said)

    begun, _ = turn()
    loop = [*HI, {"role": "assistant", "content": "yes?"}, {"role": "user", "content": "so?"}]
    gone_on, mirrored = turn(messages=loop, metadata={"conversation_id": begun})
    elsewhere, _ = turn(messages=loop)

    conversation = begun.rpartition(".")[2]
    assert (gone_on != begun, gone_on.endswith(f".{conversation}")) == (True, True)
    assert [one["content"] for one in json.loads(mirrored)["additional_messages"]] == ["so?"]
    assert not elsewhere.endswith(f".{conversation}")


def test_flags_for_another_provider_are_listed_as_dropped(mixed: Gateway) -> None:
    body = {"model": "chat/x", "max_tokens": 9, "messages": HI}

    told = post(mixed, "/v1/messages", body, anthropic_beta="context-1m", anthropic_version="2023-06-01")

    assert told.headers["x-unigate-dropped"] == "anthropic-beta"


def test_what_the_target_cannot_say_is_refused_by_the_name_of_it(mixed: Gateway) -> None:
    told = chat(mixed, model="claude/x", n=2)

    assert told.status == 422
    assert (told.json["error"]["param"], told.json["error"]["code"]) == ("n", "unsupported_parameter")


def test_a_route_goes_on_to_a_target_that_has_words_for_the_call(mixed: Gateway) -> None:
    told = chat(mixed, model="picky", logprobs=True, top_logprobs=2)

    assert (told.status, told.headers["x-unigate-model"]) == (200, "says-it")
    assert told.json["choices"][0]["logprobs"]["content"]


@pytest.mark.parametrize(("ask", "model"), [(chat, "first"), (claude, "second")])
def test_a_route_prefers_a_target_that_speaks_the_client_s_format(mixed: Gateway, ask: object, model: str) -> None:
    assert callable(ask)
    assert ask(mixed, model="either").headers["x-unigate-model"] == model


def test_a_call_falls_over_into_another_format(mixed: Gateway) -> None:
    told = claude(mixed, model="fallback")

    assert (told.status, told.headers["x-unigate-provider"]) == (200, "gem")
    assert told.json["type"] == "message"


@pytest.mark.parametrize("model", ["chat/x", "claude/x", "gem/x"])
def test_answers_carry_the_headers_that_a_client_looks_for(mixed: Gateway, model: str) -> None:
    told = claude(mixed, model=model)

    assert told.headers["request-id"] == told.headers["x-request-id"]
    assert told.headers["x-unigate-upstream-request-id"]


def test_a_refusal_has_the_shape_of_the_client_s_dialect(mixed: Gateway) -> None:
    unknown = claude(mixed, model="nobody/knows")
    nobody = post(mixed, "/v1/messages", {}, **{"x-api-key": "wrong", "authorization": "Bearer wrong"})
    nothing = gemini(mixed, "nothing%2Fknown", "generateContent")

    assert (unknown.status, unknown.json["type"], unknown.json["error"]["type"]) == (404, "error", "not_found_error")
    assert (nobody.status, nobody.json["error"]["type"]) == (401, "authentication_error")
    assert (nothing.status, nothing.json["error"]["status"]) == (404, "NOT_FOUND")
    assert unknown.headers["request-id"]


def test_an_error_within_a_stream_ends_it_in_the_client_s_own_form(mixed: Gateway) -> None:
    script = "script:tokens=5,inband,error=server_error"

    as_claude = claude(mixed, model=f"chat/{script}", stream=True)
    as_chat = chat(mixed, model=f"claude/{script}", stream=True)
    as_gemini = gemini(mixed, f"claude%2F{script.replace('=', '%3D').replace(',', '%2C')}", "streamGenerateContent")

    for told in (as_claude, as_chat, as_gemini):
        assert b"error" in told.body
        assert b"[DONE]" not in told.body and b"message_stop" not in told.body


def test_a_cut_stream_is_told_as_cut(mixed: Gateway) -> None:
    told = claude(mixed, model="chat/script:tokens=8,cut=events:4", stream=True)

    assert b"event: error" in told.body and b"message_stop" not in told.body
    assert log_line(mixed, told.headers["x-request-id"])["end"] == "upstream_truncated"


def test_an_array_streams_as_one_and_a_stream_as_events(mixed: Gateway) -> None:
    for model in ("gem%2Fx", "chat%2Fx"):
        array = gemini(mixed, model, "streamGenerateContent")
        events = gemini(mixed, model, "streamGenerateContent", "?alt=sse")

        chunks = [json.loads(line[6:]) for line in events.body.splitlines() if line.startswith(b"data: ")]
        assert array.headers["content-type"] == "application/json"
        assert events.headers["content-type"].startswith("text/event-stream")
        assert [texts(chunk) for chunk in array.json] == [texts(chunk) for chunk in chunks]


def texts(chunk: dict) -> list[str]:
    return [part.get("text", "") for one in chunk.get("candidates", []) for part in one["content"].get("parts", [])]


def test_tokens_are_counted_by_the_provider_or_estimated_and_said_so(mixed: Gateway) -> None:
    counted = post(mixed, "/v1/messages/count_tokens", {"model": "claude/x", "messages": HI})
    guessed = post(mixed, "/v1/messages/count_tokens", {"model": "chat/x", "messages": HI})

    assert counted.json["input_tokens"] > 0 and "x-unigate-estimated" not in counted.headers
    assert guessed.json["input_tokens"] > 0 and guessed.headers["x-unigate-estimated"] == "true"
    assert log_line(mixed, guessed.headers["x-request-id"])["end"] == "ok"


def test_models_are_listed_in_each_client_s_shape(mixed: Gateway) -> None:
    def get(path: str, **headers: str) -> dict:
        named = {"x-api-key": CLIENT_KEY, **{name.replace("_", "-"): value for name, value in headers.items()}}
        with urllib.request.urlopen(urllib.request.Request(mixed.url + path, headers=named), timeout=60) as answer:
            return json.load(answer)

    assert "either" in [model["id"] for model in get("/v1/models")["data"]]
    as_claude = get("/v1/models", anthropic_version="2023-06-01")
    assert "either" in [model["id"] for model in as_claude["data"]] and as_claude["has_more"] is False
    assert "models/either" in [model["name"] for model in get("/v1beta/models")["models"]]
    assert get("/v1beta/models/either")["name"] == "models/either"
    assert get("/v1/models/either", anthropic_version="2023-06-01")["type"] == "model"
    assert "models/either" in [model["name"] for model in get("/v1/models", x_goog_api_key=CLIENT_KEY)["models"]]
    assert get("/v1/models/either", x_goog_api_client="google-genai-sdk/2.0")["name"] == "models/either"
    assert "either" in [model["model"] for model in get("/api/tags")["models"]]
    assert get("/api/version")["version"]


def test_ollama_s_clients_are_shown_a_model(mixed: Gateway) -> None:
    shown = post(mixed, "/api/show", {"model": "either"})
    unknown = post(mixed, "/api/show", {"model": "nobody/knows"})

    assert "completion" in shown.json["capabilities"]
    assert (unknown.status, list(unknown.json)) == (404, ["error"])


@pytest.mark.parametrize("model", ["chat/x", "claude/x", "gem/x"])
def test_ollama_s_clients_stream_lines_unless_they_say_otherwise(mixed: Gateway, model: str) -> None:
    streamed = post(mixed, "/api/chat", {"model": model, "messages": HI})
    whole = post(mixed, "/api/chat", {"model": model, "messages": HI, "stream": False})

    lines = [json.loads(line) for line in streamed.body.splitlines()]
    assert streamed.headers["content-type"] == "application/x-ndjson"
    assert "".join(line["message"]["content"] for line in lines) == whole.json["message"]["content"]
    assert lines[-1]["done"] is True


def test_usage_of_a_translated_call_is_recorded(mixed: Gateway) -> None:
    told = chat(mixed, model="renamed", stream=True)

    line = log_line(mixed, told.headers["x-request-id"])

    assert (line["provider"], line["target"], line["output_tokens"]) == ("claude", "script:tokens=3", 3)


def test_a_client_that_leaves_ends_the_call_upstream(mixed: Gateway) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", mixed.port, timeout=PATIENCE_S)
    model = "chat/script:tokens=2000,pace=20,text=leaving"
    body = {"model": model, "max_tokens": 4000, "stream": True, "messages": HI}
    connection.request("POST", "/v1/messages", json.dumps(body), {"x-api-key": CLIENT_KEY})
    answer = connection.getresponse()
    answer.read(50)
    connection.close()
    answer.close()

    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with urllib.request.urlopen(f"{mixed.upstream}/mock/calls", timeout=60) as calls:
            mine = [one for one in json.load(calls) if one["model"].endswith("text=leaving")]
        if mine and mine[0]["closed_by"] == "client":
            return
        time.sleep(0.05)
    raise AssertionError("The upstream never saw the call end.")


def test_a_response_that_fails_on_its_way_bears_the_id_of_its_call(mixed: Gateway) -> None:
    body = {"model": "chat/script:tokens=8,cut=events:4", "input": "hi", "stream": True}

    told = post(mixed, "/v1/responses", body)

    failed = json.loads(told.body.rpartition(b"data: ")[2])
    assert failed["type"] == "response.failed"
    assert failed["response"]["id"] == f"resp_{told.headers['x-request-id']}"


def test_a_model_is_loaded_ahead_and_unloaded_at_once_since_there_is_nothing_to_do(mixed: Gateway) -> None:
    generate = post(mixed, "/api/generate", {"model": "chat/x"})
    chat_ = post(mixed, "/api/chat", {"model": "claude/x", "messages": [], "keep_alive": 0, "stream": False})
    unknown = post(mixed, "/api/generate", {"model": "nobody"})

    assert (generate.status, generate.json["done_reason"], generate.json["response"]) == (200, "load", "")
    assert (chat_.status, chat_.json["done_reason"], chat_.json["message"]["content"]) == (200, "unload", "")
    assert unknown.status == 404
    assert log_line(mixed, generate.headers["x-request-id"])["end"] == "ok"
