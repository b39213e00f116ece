"""Each example runs as its reader would run it, with and without /v1, and says that all is well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import toolchains
from toolchains import EXAMPLES

ANSWER = "Hello! This is the scripted upstream: calm, exact and always of the"
# With a single provider the gateway passes any name on: here it is the upstream that does not know it.
MISSING = "script:status=404"
HERE = pytest.mark.parametrize("path", ["", "/v1"], ids=["bare", "v1"])


@HERE
@pytest.mark.parametrize("version", [2, 3])
def test_openai_for_python(run, version, path):
    folder = EXAMPLES / "python-openai"
    python = toolchains.python(folder / f"requirements-openai{version}.txt")

    done = run([*python, str(folder / "main.py")], path, UNIGATE_MISSING_MODEL=MISSING)

    assert (done.err, done.status, done.last_line) == ("", 0, "ok: 19 checks")
    assert done.said("openai ")[0].startswith(f"{version}.54.0 at http://")
    assert done.said("    Hello!") == [ANSWER.removeprefix("Hello!")] * 3, "plain, streamed and async alike"
    assert done.said("    called get_weather for ") == ["Paris"] * 2
    assert done.said("    City(")


@HERE
def test_httpx(run, path):
    folder = EXAMPLES / "python-httpx"

    done = run([*toolchains.python(folder / "requirements.txt"), str(folder / "main.py")], path)

    assert (done.err, done.status, done.last_line) == ("", 0, "ok: 10 checks")
    assert done.said("    Hello!") == [ANSWER.removeprefix("Hello!")] * 2
    assert len(done.said("    HTTP 503: a hiccup on the way; again in ")) == 3


@HERE
def test_openai_for_javascript(run, node, path):
    done = run(node(EXAMPLES / "node-openai" / "main.mjs"), path, UNIGATE_MISSING_MODEL=MISSING)

    assert (done.err, done.status, done.last_line) == ("", 0, "ok: 13 checks")
    assert done.said("    Hello!") == [ANSWER.removeprefix("Hello!")] * 2
    assert done.said("    called get_weather for ") == ["Paris"] * 2


@HERE
def test_fetch(run, path):
    toolchains.need("node")

    done = run(["node", str(EXAMPLES / "node-fetch" / "main.mjs")], path)

    assert (done.err, done.status, done.last_line) == ("", 0, "ok: 6 checks")
    assert done.said("    Hello!") == [ANSWER.removeprefix("Hello!")] * 2


@HERE
def test_curl(run, path):
    toolchains.need("bash", "curl")

    done = run([str(EXAMPLES / "curl" / "main.sh")], path)

    assert (done.err, done.status, done.last_line) == ("", 0, "ok: 9 checks")
    assert "get_weather" in done.out


@HERE
def test_go(run, path):
    done = run(toolchains.go_program(EXAMPLES / "go" / "main.go", "example"), path)

    assert (done.err, done.status, done.last_line) == ("", 0, "ok: 7 checks")
    assert done.said("    Hello!") == [ANSWER.removeprefix("Hello!")] * 2


@HERE
def test_java_with_its_offer_to_upgrade(run, path):
    done = run(["java", "-cp", toolchains.java_classes(), "Main"], path)

    assert (done.err, done.status, done.last_line) == ("", 0, "ok: 12 checks")
    assert done.said("    Hello!") == [ANSWER.removeprefix("Hello!")] * 2


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(lambda: _python("python-openai", "requirements-openai3.txt"), id="python-openai"),
        pytest.param(lambda: _python("python-httpx", "requirements.txt"), id="python-httpx"),
        pytest.param(lambda: ["node", str(EXAMPLES / "node-fetch" / "main.mjs")], id="node-fetch"),
        pytest.param(lambda: toolchains.go_program(EXAMPLES / "go" / "main.go", "example"), id="go"),
        pytest.param(lambda: ["java", "-cp", toolchains.java_classes(), "Main"], id="java"),
    ],
)
def test_an_example_says_what_failed(run, command: Callable[[], list[str]]):
    toolchains.need("node")

    done = run(command(), OPENAI_API_KEY="sk-wrong")

    assert done.status == 1
    assert done.err.startswith("failed: ")
    assert "401" in done.err
    assert "ok: " not in done.out


def _python(name: str, requirements: str) -> list[str]:
    folder: Path = EXAMPLES / name
    return [*toolchains.python(folder / requirements), str(folder / "main.py")]
