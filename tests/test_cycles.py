"""A call leaves no circle of objects behind: a door hardly ever looks for one, and keeps what it does not find."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateways import (
    CLIENT_KEY,
    PATIENCE_S,
    UPSTREAM_KEY,
    Gateway,
    free_port,
    kill_group,
    start_gateway,
    wait_for_models,
)
from harness import until
from ledger.stage import children

CONFIG = """
server: {{port: {port}, drain: 2}}
providers:
  chat: {{kind: openai, base_url: "{upstream}/v1", api_key: "${{UPSTREAM_KEY}}", speaks: [openai.chat]}}
  hasty: {{kind: openai, base_url: "{upstream}/v1", api_key: "${{UPSTREAM_KEY}}", speaks: [openai.chat],
          timeouts: {{connect: 2, first_byte: 0.2, idle: 0.2, total: 60}}}}
  claude: {{kind: anthropic, base_url: "{upstream}/v1", api_key: "${{UPSTREAM_KEY}}", speaks: [anthropic.messages]}}
  down: {{kind: openai, base_url: "http://127.0.0.1:9/v1", api_key: unused-key, speaks: [openai.chat]}}
models:
  fallback:
    targets:
      - {{provider: down, model: never}}
      - {{provider: chat, model: "script:tokens=3"}}
prices:
  "chat/*": {{input: 1.0, output: 3.0, context: 20000, max_output: 1000}}
  "hasty/*": {{input: 1.0, output: 3.0, context: 20000, max_output: 1000}}
  "claude/*": {{input: 1.0, output: 3.0, context: 20000, max_output: 1000}}
  "down/*": {{input: 1.0, output: 3.0, context: 20000, max_output: 1000}}
keys:
  - {{name: free, key: "${{CLIENT_KEY}}"}}
  - {{name: limited, key: "${{LIMITED_KEY}}", limits: {{budget_usd_per_day: 1000, requests_per_minute: 10}}}}
"""
LIMITED_KEY = "sk-ug-limited-8sKq2LwXv9TzB4nR"
CALLS = 40
# A door does not live by calls alone; of one call's objects, such circles as there were had two dozen.
STRAY = CALLS * 5
WATCH = """
import gc, os, signal, sys

def count(*_):
    found = gc.collect()
    gc.disable()
    with open(os.path.join(os.path.dirname(__file__), "found"), "a") as file:
        print(found, file=file)

if "door" in sys.orig_argv:
    signal.signal(signal.SIGUSR1, count)
"""


class Watched:
    """A gateway whose door tells how many objects were in circles since it was asked before."""

    def __init__(self, gateway: Gateway, folder: Path) -> None:
        self.gateway = gateway
        self._found = folder / "found"
        self._found.touch()

    def circles(self) -> int:
        """Objects in circles that nobody could reach."""
        before = self._told()
        os.kill(children(self.gateway.process.pid)["door-0"], signal.SIGUSR1)
        until(lambda: len(self._told()) > len(before), "the door's count", PATIENCE_S)
        return int(self._told()[-1])

    def _told(self) -> list[str]:
        return self._found.read_text().split()


@pytest.fixture(scope="module")
def watched(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder, port = tmp_path_factory.mktemp("cycles"), free_port()
    (folder / "unigate.yaml").write_text(CONFIG.format(port=port, upstream=upstream))
    (folder / "sitecustomize.py").write_text(WATCH)
    given = {"UPSTREAM_KEY": UPSTREAM_KEY, "CLIENT_KEY": CLIENT_KEY, "LIMITED_KEY": LIMITED_KEY}
    path = os.pathsep.join((str(folder), *filter(None, [os.environ.get("PYTHONPATH")])))
    gateway = start_gateway(folder, port=port, environment={**given, "PYTHONPATH": path})
    try:
        wait_for_models(gateway)
        yield Watched(gateway, folder)
    finally:
        kill_group(gateway.process)


def call(port: int, key: str, model: str, *, streamed: bool, leaves: bool) -> int:
    """One call on a connection of its own; its status."""
    asked = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": streamed}
    body = json.dumps(asked).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {key}\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as line, line.makefile("rb") as answer:
        line.sendall(f"{head}connection: close\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        status = int(answer.readline().split()[1])
        if not leaves:
            answer.read()
        return status


@pytest.mark.parametrize("leaves", [False, True], ids=["", "left"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("model", "statuses"),
    [
        ("chat/script:tokens=20", {200}),
        ("claude/script:tokens=20", {200}),
        ("chat/script:tokens=20,pace=5", {200}),
        ("fallback", {200}),
        ("nobody-knows-it", {404}),
        ("chat/script:status=500", {500, 502}),
        ("claude/script:status=500", {500, 502}),
        ("chat/script:cut=head", {502}),
        ("chat/script:reset=mid:2", {200, 502}),
        ("chat/script:body=notjson", {200, 502}),
        ("hasty/script:stall=head", {504}),
        ("hasty/script:stall=mid:2", {200, 504}),
    ],
)
def test_a_call_leaves_no_circle(
    watched: Watched, model: str, statuses: set[int], *, streamed: bool, leaves: bool
) -> None:
    def one(key: str) -> int:
        return call(watched.gateway.port, key, model, streamed=streamed, leaves=leaves)

    def circles_of_calls() -> int:
        watched.circles()
        with ThreadPoolExecutor(8) as clients:
            assert set(clients.map(one, [CLIENT_KEY] * CALLS)) <= statuses
            # Most of these are refused by their limit.
            assert set(clients.map(one, [LIMITED_KEY] * CALLS)) <= statuses | {429}
        return watched.circles()

    # Something else may leave some, such as a list of models that was read anew; not each time, as a call would.
    assert any(circles_of_calls() < STRAY for _ in range(3))
