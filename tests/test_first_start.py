"""The first ten minutes: one command, no account, keys, an honest demo, and when it must not start."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from gateways import PATIENCE_S, Gateway, clean_environment, free_port, kill_group, start_gateway
from unigate.local import available

needs_model = pytest.mark.skipif(not available().chat, reason="the local model is not installed: unigate local install")

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
    },
}
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
PICTURE = {"type": "image_url", "image_url": {"url": PIXEL}}


def ask(url: str, key: str, path: str, body: dict[str, object]) -> tuple[dict[str, str], bytes]:
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return {name.lower(): value for name, value in answer.headers.items()}, answer.read()


def first_key(gateway: Gateway) -> str:
    return (gateway.data / "first-keys").read_text().split()[3]


def refused(folder: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "unigate", "serve", *arguments],
        cwd=folder,
        env=clean_environment(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    port = free_port()
    gateway = start_gateway(tmp_path_factory.mktemp("demo"), "--port", str(port), port=port)
    gateway.client_key = first_key(gateway)
    try:
        yield gateway
    finally:
        kill_group(gateway.process)


def test_prints_where_it_is_and_a_line_to_paste_but_no_key_without_a_terminal(demo: Gateway) -> None:
    printed = demo.output.read_text()

    assert f"http://localhost:{demo.port}" in printed
    assert "/docs" in printed
    assert "sk-ug-" not in printed
    assert stat.S_IMODE((demo.data / "first-keys").stat().st_mode) == 0o600


def test_the_printed_line_answers_when_pasted_into_a_shell(demo: Gateway) -> None:
    printed = demo.output.read_text()
    line = re.search(r"curl .*?\n(?=\n)", printed, re.DOTALL)
    assert line is not None
    done = subprocess.run(["sh", "-c", line.group(0)], cwd=demo.folder, capture_output=True, text=True, timeout=60)

    assert json.loads(done.stdout)["object"] == "chat.completion"


def test_keys_are_stored_only_as_hashes(demo: Gateway) -> None:
    kept = b"".join(path.read_bytes() for path in demo.data.rglob("*") if path.is_file() and path.name != "first-keys")

    assert demo.client_key.encode() not in kept


@needs_model
def test_a_real_local_model_answers_under_any_name(demo: Gateway) -> None:
    body = {"model": "gpt-3.5-turbo", "max_tokens": 40, "temperature": 0}
    question = [{"role": "user", "content": "What is the capital of France?"}]
    headers, answer = ask(demo.url, demo.client_key, "/chat/completions", {**body, "messages": question})

    assert json.loads(answer)["model"] == headers["x-unigate-model"] == "SmolLM2-135M-Instruct"
    assert headers["x-unigate-demo"] == "true"
    assert "Paris" in json.loads(answer)["choices"][0]["message"]["content"]


@needs_model
def test_the_local_model_streams(demo: Gateway) -> None:
    question = [{"role": "user", "content": "What is the capital of France?"}]
    body = {"model": "gpt-3.5-turbo", "max_tokens": 40, "temperature": 0, "stream": True, "messages": question}
    _, answer = ask(demo.url, demo.client_key, "/v1/chat/completions", body)
    events = [line[6:] for line in answer.decode().splitlines() if line.startswith("data: ")]
    deltas = [json.loads(event)["choices"][0]["delta"].get("content") or "" for event in events[:-1]]

    assert events[-1] == "[DONE]"
    assert "Paris" in "".join(deltas)


FRANCE = "What is the capital of France?"
ASKED = {"messages": [{"role": "user", "content": FRANCE}], "max_tokens": 40, "temperature": 0}
# Each client format's path and request; where it is streamed from differs from where it is not.
FORMATS = {
    "responses": ("/v1/responses", {"input": FRANCE, "max_output_tokens": 40, "temperature": 0}),
    "messages": ("/v1/messages", ASKED),
    "gemini": (
        "/v1beta/models/any:generateContent",
        {"contents": [{"parts": [{"text": FRANCE}]}], "generationConfig": {"temperature": 0, "maxOutputTokens": 40}},
    ),
    "ollama": ("/api/chat", {"messages": ASKED["messages"], "options": {"temperature": 0, "num_predict": 40}}),
}


@needs_model
@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_the_local_model_answers_clients_of_every_format(demo: Gateway, name: str, streamed: bool) -> None:
    path, body = FORMATS[name]
    if name == "gemini" and streamed:
        path = path.replace("generateContent", "streamGenerateContent")

    headers, answer = ask(demo.url, demo.client_key, path, {"model": "any", "stream": streamed, **body})

    assert headers["x-unigate-model"] == "SmolLM2-135M-Instruct"
    assert b"Paris" in answer


@needs_model
def test_openai_s_library_follows_the_local_model_s_responses(demo: Gateway) -> None:
    client = openai.OpenAI(api_key=demo.client_key, base_url=f"{demo.url}/v1", max_retries=0)
    with client.responses.stream(model="any", input=FRANCE, max_output_tokens=40, temperature=0) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_response()

    assert {"response.created", "response.output_text.delta", "response.completed"} <= kinds
    assert "Paris" in final.output_text


@pytest.mark.skipif(not available().embed, reason="the local model is not installed: unigate local install")
def test_embeddings_come_from_a_real_model(demo: Gateway) -> None:
    headers, answer = ask(demo.url, demo.client_key, "/v1/embeddings", {"model": "any", "input": "hello"})

    assert headers["x-unigate-model"] == "multilingual-e5-small"
    assert len(json.loads(answer)["data"][0]["embedding"]) == 384


def test_an_offered_tool_is_called_and_the_demo_says_that_it_is_one(demo: Gateway) -> None:
    question = [{"role": "user", "content": "What's the weather like in Beijing?"}]
    body = {"model": "gpt-3.5-turbo", "messages": question, "tools": [WEATHER], "tool_choice": "auto"}
    headers, answer = ask(demo.url, demo.client_key, "/chat/completions", body)
    message = json.loads(answer)["choices"][0]["message"]

    assert headers["x-unigate-demo"] == "true"
    assert message["tool_calls"][0]["function"] == {"name": "get_weather", "arguments": '{"location":"Beijing"}'}
    assert "demo" in message["content"]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/chat/completions", {"messages": [{"role": "user", "content": [PICTURE]}]}),
        ("/responses", {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": PIXEL}]}]}),
    ],
)
def test_a_picture_is_answered_though_the_local_model_cannot_see(demo: Gateway, path: str, shown: dict) -> None:
    headers, _ = ask(demo.url, demo.client_key, path, {"model": "gpt-4o-mini", **shown})

    assert (headers["x-unigate-demo"], headers["x-unigate-provider"]) == ("true", "script")


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(word) for word in listed.stdout.split()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_all_children_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    port = free_port()
    gateway = start_gateway(tmp_path, "--port", str(port), port=port)
    try:
        ask(gateway.url, first_key(gateway), "/v1/moderations", {"model": "any", "input": "x"})
        children = children_of(gateway.process.pid)
        assert len(children) >= 3
    finally:
        gateway.stop(signal.SIGKILL)

    end = time.monotonic() + 20
    while any(map(is_alive, children)) and time.monotonic() < end:
        time.sleep(0.05)
    assert [pid for pid in children if is_alive(pid)] == []


def test_stops_cleanly_at_sigterm_and_a_second_start_keeps_its_keys_and_prints_none(tmp_path: Path) -> None:
    port = free_port()
    first = start_gateway(tmp_path, "--port", str(port), "--show-keys", port=port)
    key = re.search(r"Bearer (sk-ug-\S+?)\"", first.output.read_text())
    assert key is not None
    children = children_of(first.process.pid)
    assert first.stop() == 0
    assert [pid for pid in children if is_alive(pid)] == []
    assert not os.path.exists(first.data / "cli.sock")
    first.output.write_text("")
    second = start_gateway(tmp_path, "--port", str(port), "--show-keys", port=port)
    try:
        assert ask(second.url, key.group(1), "/v1/moderations", {"model": "m", "input": "x"})
        assert "sk-ug-" not in second.output.read_text()
    finally:
        kill_group(second.process)


def test_two_gateways_never_share_a_folder(demo: Gateway) -> None:
    assert "already running" in refused(demo.folder, "--port", str(free_port()))


def test_a_taken_port_is_named(demo: Gateway, tmp_path: Path) -> None:
    assert f"127.0.0.1:{demo.port} is in use" in refused(tmp_path, "--port", str(demo.port))


@pytest.mark.parametrize(("option", "value"), [("--port", "70000"), ("--port", "-1"), ("--workers", "0")])
def test_a_number_out_of_range_is_named(tmp_path: Path, option: str, value: str) -> None:
    told = refused(tmp_path, "--demo", option, value)
    assert ("Traceback" in told, option.removeprefix("--") in told) == (False, True)


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    told = refused(tmp_path, "--demo", "--data", "taken/data")
    assert ("Traceback" in told, "taken/data" in told) == (False, True)


def test_a_database_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "unigate.db").write_bytes(b"nothing like it" * 100)
    told = refused(tmp_path, "--demo", "--port", "0")
    assert ("Traceback" in told, "unigate.db" in told) == (False, True)


def test_never_answers_from_a_toy_where_a_configuration_exists(tmp_path: Path) -> None:
    (tmp_path / "unigate.yaml").write_text("server: {port: 0}\n")

    assert "--demo" in refused(tmp_path)


def test_never_answers_from_a_toy_where_a_provider_was_configured_before(tmp_path: Path) -> None:
    port = free_port()
    gateway = start_gateway(tmp_path, "--port", str(port), port=port, environment={"OPENAI_API_KEY": "sk-not-used"})
    gateway.stop()

    assert "configured here before" in refused(tmp_path, "--port", str(port))


def test_never_answers_from_a_toy_beyond_this_machine(tmp_path: Path) -> None:
    assert "beyond this machine" in refused(tmp_path, "--host", "0.0.0.0", "--port", str(free_port()))


def test_says_the_same_in_chinese(tmp_path: Path) -> None:
    assert "没有配置任何模型服务" in refused(tmp_path, "--host", "0.0.0.0", "--port", "0", LANG="zh_CN.UTF-8")


def test_one_variable_makes_it_the_gateway_of_that_provider(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / ".env").write_text("DEEPSEEK_API_KEY=from-a-file\n")
    gateway = start_gateway(tmp_path, "--port", str(port), port=port, environment={"OPENAI_API_KEY": "sk-not-used"})
    try:
        assert re.search(r"Providers\s+.*openai", gateway.output.read_text())
        assert "deepseek" in gateway.output.read_text()
    finally:
        kill_group(gateway.process)
