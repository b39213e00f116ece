"""T56: no secret leaves: not by logs, files, answers, errors, processes, or the type that holds it."""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import logging
import pickle
import secrets
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from pprint import pformat
from urllib.parse import quote

import msgspec
import pytest
from attack import ask, chat_body, descendants, files_under, forms, leaks, say

from gateways import ADMIN_KEY, CLIENT_KEY, PATIENCE_S, Gateway, free_port, kill_group, start_gateway, wait_for
from gateways import UPSTREAM_KEY as UPSTREAM
from harness import UPSTREAM_KEY, provider, raw_upstream, read_request, start_door
from unigate.config import KeySettings, ProviderSettings, ServerSettings
from unigate.secret import Secret
from unigate.snapshot import Settings
from unigate.target import Endpoint, Provider, Target


def marker(name: str) -> str:
    """A secret without any prefix or shape that a pattern could know; its signs look different in each encoding."""
    return f"{secrets.token_hex(8)}/{name}+{secrets.token_hex(8)}="


@dataclasses.dataclass
class Told:
    """A gateway at its most talkative, the secrets it holds, and everything it answered."""

    gateway: Gateway
    secrets: dict[str, str]
    prompt: str
    answers: dict[str, bytes] = dataclasses.field(default_factory=dict)

    def keep(self, name: str, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.answers[f"answer to {name} ({status})"] = json.dumps(headers).encode() + body


CONFIG = """
server: {{port: {port}, drain: 1, max_body_mb: 1}}
providers:
  mock: {{kind: openai, base_url: "{upstream}/v1", api_key: "${{UPSTREAM_SECRET}}",
         headers: {{x-team: "${{HEADER_SECRET}}"}},
         timeouts: {{connect: 2, first_byte: 1, idle: 1, total: 5}}}}
  gone: {{kind: openai, base_url: "http://127.0.0.1:9/v1", api_key: "${{GONE_SECRET}}"}}
  wrong: {{kind: openai, base_url: "{upstream}/v1", api_key: "${{WRONG_SECRET}}"}}
keys:
  - {{name: tester, key: "${{CLIENT_SECRET}}"}}
  - {{name: operator, key: "${{ADMIN_SECRET}}", role: admin}}
"""

SCRIPTS = {
    "answered": "tokens=3",
    "bad request": "status=400,echo_key",
    "unauthorised": "status=401,echo_key",
    "forbidden": "status=403,echo_key",
    "not found": "status=404,echo_key",
    "unprocessable": "status=422,echo_key",
    "limited": "status=429,echo_key,retry_after=1",
    "broken": "status=500,echo_key",
    "overloaded": "status=503,echo_key",
    "teapot": "status=418,echo_key",
    "error in a 200": "inband,echo_key",
    "garbage": "body=notjson",
    "page": "status=502,body=html",
    "cut": "cut=mid:1",
    "silent": "stall=head",
    "redirected": "redirect=http%3A//127.0.0.1%3A9/",
    "bad gzip": "gzip_bad",
    "bad head": "head=nocolon",
}


def exercise(told: Told) -> None:
    """Everything that can go well or badly, with every secret in the place where it belongs, and in some others."""
    client, admin = told.secrets["client key"], told.secrets["admin key"]
    for name, script in SCRIPTS.items():
        for stream in (False, True):
            body = chat_body(f"mock/script:{script}", told.prompt, stream=stream)
            answer = ask(told.gateway, "POST", "/v1/chat/completions", body, key=client)
            told.keep(f"{name}, stream={stream}", answer.status, answer.body, answer.headers)
    wrong = admin[:-1] + "x"
    for name, method, path, content, key in (
        ("unreachable", "POST", "/v1/chat/completions", chat_body("gone/m", told.prompt), client),
        ("wrong key upstream", "POST", "/v1/chat/completions", chat_body("wrong/m", told.prompt), client),
        ("unknown model", "POST", "/v1/chat/completions", chat_body("nowhere-to-be-found", told.prompt), client),
        ("no model", "POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": told.prompt}]}, client),
        ("not JSON", "POST", "/v1/chat/completions", f'{{"model":"m","messages":"{told.prompt}'.encode(), client),
        ("wrong type", "POST", "/v1/chat/completions", chat_body("m", told.prompt, stream=told.prompt), client),
        ("too deep", "POST", "/v1/chat/completions", b'{"model":"m","a":' + b"[" * 5000 + b"]" * 5000 + b"}", client),
        ("too large", "POST", "/v1/chat/completions", chat_body("m", told.prompt + "x" * 1_100_000), client),
        ("wrong key", "POST", "/v1/chat/completions", chat_body("m", told.prompt), wrong),
        ("bad form", "POST", "/v1/audio/transcriptions", told.prompt.encode(), client),
        ("key in the address", "GET", f"/v1/models?key={quote(client)}", None, ""),
        ("key in the fragment", "GET", f"/v1/models#key={client}", None, ""),
        ("two keys", "GET", f"/v1/models?key={wrong}", None, client),
        ("models", "GET", "/v1/models", None, client),
        ("health", "GET", "/health", None, admin),
        ("keys", "GET", "/admin/v1/keys", None, admin),
        ("keys refused", "GET", "/admin/v1/keys", None, client),
        ("bad key request", "POST", "/admin/v1/keys", {"name": 1, "secret": told.prompt}, admin),
        ("page", "GET", "/docs", None, ""),
        ("document", "GET", "/openapi.json", None, ""),
    ):
        answer = ask(told.gateway, method, path, content, key=key)
        told.keep(name, answer.status, answer.body, answer.headers)
    head = f"GET /v1/models HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {client}\r\n"
    for name, request in {
        "bad HTTP": f"{head}no colon\r\n\r\n",
        "huge head": f"{head}x: {'y' * 40_000}\r\n\r\n",
        "not HTTP": f"{client} {admin}\r\n\r\n",
    }.items():
        answer = say(told.gateway.port, request.encode())
        told.keep(name, answer.status, answer.body, answer.headers)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("secrets")
    names = ("upstream", "header", "gone", "wrong", "client", "admin")
    keys = {name: marker(name) for name in names}
    port, mock_port = free_port(), free_port()
    (folder / "unigate.yaml").write_text(CONFIG.format(port=port, upstream=f"http://127.0.0.1:{mock_port}"))
    (folder / ".env").write_text("".join(f"{name.upper()}_SECRET='{key}'\n" for name, key in keys.items()))
    output = folder / "mock-output"
    with output.open("wb") as sink:
        arguments = ["--port", str(mock_port), "--key", keys["upstream"]]
        mock = subprocess.Popen([sys.executable, "-m", "unigate.mock", *arguments], stdout=sink, stderr=sink)
    wait_for(f"http://127.0.0.1:{mock_port}/mock/bill", mock, output)
    output.unlink()
    gateway = start_gateway(folder, port=port, environment={"LOG_LEVEL": "debug"})
    told = Told(gateway, {f"{name} key": key for name, key in keys.items()}, marker("prompt"))
    told.secrets["prompt"] = told.prompt
    try:
        exercise(told)
        yield told
    finally:
        kill_group(gateway.process)
        mock.kill()
        mock.wait(PATIENCE_S)


def test_the_search_finds_what_is_hidden() -> None:
    hidden = marker("hidden")
    around = b"before" + hidden.encode() + b"after"
    places = {f"shift {n}": base64.b64encode(b"x" * n + around) for n in range(3)} | {
        name: b"..." + form + b"..." for name, form in forms(hidden).items()
    }

    assert all(leaks({"hidden": hidden}, {place: content}) for place, content in places.items())
    assert leaks({"hidden": hidden}, {"elsewhere": marker("other").encode()}) == []


def test_no_answer_shows_a_secret(told: Told) -> None:
    assert leaks(told.secrets, told.answers) == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_process_shows_a_key_of_the_file_in_its_arguments_or_its_environment(told: Told) -> None:
    pids = [told.gateway.process.pid, *descendants(told.gateway.process.pid)]
    places = {
        f"{what} of {pid}": Path(f"/proc/{pid}/{what}").read_bytes() for pid in pids for what in ("cmdline", "environ")
    }

    assert len(pids) >= 3
    assert leaks(told.secrets, places) == []


def test_nothing_on_disk_or_on_the_terminal_shows_a_secret(told: Told) -> None:
    """The last test here: it stops the gateway, so that everything that will ever be written has been."""
    told.gateway.stop(signal.SIGTERM)
    places = files_under(told.gateway.folder)
    assert {"output", "logs/proxy.log", "data/unigate.db", "data/snapshot.json"} <= set(places)
    assert any(name.endswith(".segment") for name in places) or len(places["logs/proxy.log"]) > 10_000
    del places["unigate.yaml"], places[".env"]

    assert leaks(told.secrets, places) == []
    assert b"Traceback" not in places["output"]


def test_only_the_owner_can_read_what_is_kept(told: Told) -> None:
    folder = told.gateway.folder
    kept = [path for name in ("data", "logs") for path in (folder / name).rglob("*") if path.is_file()]
    open_to_others = [path.name for path in kept if path.stat().st_size and path.stat().st_mode & 0o077]

    assert ((folder / "data").stat().st_mode & 0o077, open_to_others) == (0, [])


@pytest.mark.parametrize("status", [302, 400, 401, 404, 429, 500, 503])
def test_an_error_that_repeats_our_key_everywhere_tells_the_client_nothing(tmp_path: Path, status: int) -> None:
    key = UPSTREAM_KEY.encode()
    detail = b'{"message":"%b","type":"%b","code":"%b","param":"%b"}' % (key, key, key, key)
    body = b'{"error":' + detail + b"}"
    named = (
        b"x-request-id",
        b"request-id",
        b"retry-after",
        b"content-type",
        b"set-cookie",
        b"www-authenticate",
        b"x-key",
    )
    lines = b"".join(b"%b: Bearer %b\r\n" % (name, key) for name in named)

    def repeat(connection: socket.socket) -> None:
        while read_request(connection):
            connection.sendall(
                b"HTTP/1.1 %d %b\r\n%bcontent-length: %d\r\n\r\n%b" % (status, key, lines, len(body), body)
            )

    with raw_upstream(repeat) as upstream, start_door(tmp_path / "data", provider("one", upstream.port)) as door:
        answers = [door.call("m"), door.call("m", stream=True)]
    places = {f"answer {n}": json.dumps(one.headers).encode() + one.body for n, one in enumerate(answers)}

    assert leaks({"the upstream's key": UPSTREAM_KEY}, places | files_under(tmp_path)) == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_key_in_the_operators_environment_is_in_no_childs(gateway: Gateway) -> None:
    held = {"client": CLIENT_KEY, "admin": ADMIN_KEY, "upstream": UPSTREAM}
    own = Path(f"/proc/{gateway.process.pid}/environ").read_bytes()
    children = {str(pid): Path(f"/proc/{pid}/environ").read_bytes() for pid in descendants(gateway.process.pid)}

    assert len(leaks(held, {"the supervisor": own})) >= 3, "this gateway was given its keys by variables"
    assert leaks(held, children) == []


# --- the type


TEXT = "7f3a9c-a-secret-text-51be"


class Holder(msgspec.Struct):
    """A struct with a secret in it, in a list, in a mapping."""

    key: Secret
    more: dict[str, list[Secret]]


@dataclasses.dataclass
class Plain:
    key: Secret


def held() -> list[object]:
    secret = Secret(TEXT)
    provider = Provider(name="p", endpoints=(Endpoint(base_url="http://x", speaks=frozenset()),), key=secret)
    return [
        secret,
        [secret],
        {"key": secret},
        (secret, {secret}),
        Holder(secret, {"inner": [secret]}),
        Plain(secret),
        provider,
        Target(provider, "m"),
        Settings(server=ServerSettings(), providers=(provider,)),
        ProviderSettings(api_key=secret),
        KeySettings(name="n", key=secret),
    ]


SHOWS: dict[str, Callable[[object], object]] = {
    "repr": repr,
    "str": str,
    "format": lambda one: f"{one} {one!r} {one!s} {one!a} {one:}",
    "bytes": lambda one: b"%a" % (one,),
    "pformat": pformat,
    "log record": lambda one: logging.LogRecord("n", 10, "f", 1, "%s %r", (one, one), None).getMessage(),
    "exception": lambda one: "".join(traceback.format_exception(ValueError(one, f"{one}"))),
    "rich rich_repr": lambda one: getattr(one, "__rich_repr__", lambda: "")(),
    "dir": dir,
}
REFUSES: dict[str, Callable[[object], object]] = {
    "json": json.dumps,
    "msgspec json": msgspec.json.encode,
    "msgspec msgpack": msgspec.msgpack.encode,
    "pickle": pickle.dumps,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("way", SHOWS)
def test_a_secret_shows_nothing_wherever_it_is_held(way: str) -> None:
    assert [one for one in held() if TEXT[:6] in str(SHOWS[way](one))] == []


@pytest.mark.parametrize("way", REFUSES)
def test_a_secret_is_not_encoded_wherever_it_is_held(way: str) -> None:
    for one in held():
        with pytest.raises((TypeError, AttributeError)) as refused:
            REFUSES[way](one)
        assert TEXT[:6] not in str(refused.value)


def test_a_traceback_with_locals_shows_no_secret() -> None:
    def fail(key: Secret) -> None:
        provider = held()
        raise ValueError(f"{provider}")

    try:
        fail(Secret(TEXT))
    except ValueError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())

    assert "Secret(…)" in shown
    assert TEXT[:6] not in shown.replace("TEXT", "")


def test_a_secret_is_equal_to_itself_only_and_hides_its_length() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert repr(Secret("a")) == repr(Secret("a" * 100))
    assert (bool(Secret("")), bool(Secret("x"))) == (False, True)
