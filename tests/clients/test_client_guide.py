"""The programs people write first, without precautions, get the whole answer."""

from __future__ import annotations

from pathlib import Path

import pytest
import toolchains
from toolchains import EXAMPLES

GUIDE = Path(__file__).parent / "guide"
ANSWER = "Hello! This is the scripted upstream: calm, exact and always of the"
WIDE = "script:chars=wide,tokens=60"
# The upstream's writes end in the middle of characters, of lines and of events.
TORN = [f"{WIDE},split={size}" for size in (1, 7, 100)]
MODELS = pytest.mark.parametrize("model", ["gpt-3.5-turbo", WIDE, f"{WIDE},merge", f"{WIDE},crlf,comments", *TORN])


def whole(done) -> None:
    """The streamed text is the unstreamed one, nothing else was complained about."""
    assert (done.err, done.status) == ("", 0)
    assert done.said("plain: ") == done.said("stream: ")
    assert len(done.said("plain: ")[0]) > 60


@pytest.mark.parametrize("version", [2, 3])
def test_openai_for_python(run, version):
    python = toolchains.python(EXAMPLES / "python-openai" / f"requirements-openai{version}.txt")

    done = run([*python, str(GUIDE / "sdk.py")])

    whole(done)
    assert done.said("plain: ") == [ANSWER]
    assert done.said("tool: ") == ["get_weather"]


@MODELS
def test_httpx(run, model):
    python = toolchains.python(EXAMPLES / "python-httpx" / "requirements.txt")

    done = run([*python, str(GUIDE / "httpx_async.py")], UNIGATE_MODEL=model)

    whole(done)
    assert done.said("batch: ") == ["5"]
    assert done.said("refused: ") == ["401"]
    assert done.said("retried: ") == ["assistant"]


@MODELS
def test_openai_for_javascript(run, node, model):
    done = run(node(GUIDE / "sdk.mjs"), UNIGATE_MODEL=model)

    whole(done)
    assert done.said("model: ")


@MODELS
def test_fetch_that_takes_each_read_for_whole_lines(run, model):
    toolchains.need("node")

    whole(run(["node", str(GUIDE / "fetch.mjs")], UNIGATE_MODEL=model))


def test_curl(run):
    toolchains.need("bash", "curl")

    done = run(["bash", str(GUIDE / "lines.sh")])

    assert (done.err, done.status) == ("", 0)
    assert '"status"' in done.out.splitlines()[0]
    assert done.said("data: ")[-1] == "[DONE]"
    assert '"get_weather"' in done.last_line


def test_go(run):
    done = run(toolchains.go_program(GUIDE / "main.go", "guide"))

    assert (done.err, done.status, done.out) == ("", 0, f"plain: {ANSWER}\n")


def test_java(run):
    done = run(["java", "-cp", toolchains.java_classes(), str(GUIDE / "PlainClient.java")])

    assert (done.err, done.status, done.out) == ("", 0, f"plain: {ANSWER}\n")
