"""T61: whatever a client or an upstream writes, one call is one line of the log and one line of the terminal."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Iterator

import pytest
from attack import ask, chat_body, say

from gateways import ADMIN_KEY, CLIENT_KEY, CONFIG, UPSTREAM_KEY, Gateway, free_port, kill_group, start_gateway
from unigate.accounting.record import FailedAttempt, Record
from unigate.logs import clean
from unigate.sinks import log_line, terminal_line

NASTY = {
    "CR LF": 'x\r\n{"level":"info","event":"call.finished","status":200}\r\n',
    "NUL": "a\x00b",
    "NEL": "a\x85b",
    "line separator": "a\u2028b\u2029c",
    "ANSI": "\x1b[2J\x1b]0;owned\x07\x1b[31mred",
    "C1": "\x9b31m\x90\x9d",
    "bidi": "safe\u202eevil\u2066",
    "tab and backspace": "a\t\x08\x08b\x0b\x0c\x7f",
    "JSON in JSON": '","status":200,"error":null,"x":"{\\"a\\":\\"b\\"}\\\\',
    "surrogate-like": "\ufffe\uffff\U0010ffff",
    "percent": "%s %d %(asctime)s {0} {name} ${jndi:ldap://x}",
    "long": "A" * 1_000_000,
    "long and wide": "\u2028" * 100_000,
}
SIGNS = 'abc\r\n\t\x00\x1b\x7f\x85\x9b\u200f\u2028\u2029\u202e\u2066\ufeff"\\{}%'


@pytest.fixture(scope="module")
def gateway(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose log has nothing but what is done here."""
    folder = tmp_path_factory.mktemp("logs")
    port = free_port()
    (folder / "unigate.yaml").write_text(CONFIG.format(port=port, upstream=upstream))
    environment = {"UPSTREAM_KEY": UPSTREAM_KEY, "CLIENT_KEY": CLIENT_KEY, "ADMIN_KEY": ADMIN_KEY, "LOG_LEVEL": "debug"}
    gateway = start_gateway(folder, port=port, environment=environment)
    try:
        yield gateway
    finally:
        kill_group(gateway.process)


def so_far(gateway: Gateway) -> bytes:
    """The whole log; it is not there before its first line."""
    path = gateway.folder / "logs" / "proxy.log"
    return path.read_bytes() if path.exists() else b""


def written(gateway: Gateway, before: bytes, until_id: str) -> list[dict[str, object]]:
    """The log's new lines, up to the one of the last call."""
    end = time.monotonic() + 60
    while until_id.encode() not in (content := so_far(gateway)):
        assert time.monotonic() < end, f"{until_id} is not in proxy.log"
        time.sleep(0.05)
    assert content.startswith(before)
    lines = content[len(before) :].decode("ascii").split("\n")
    assert lines.pop() == ""
    assert all(line.isprintable() for line in lines)
    return [json.loads(line) for line in lines]


def nasty_calls(gateway: Gateway, text: str) -> list[str]:
    """Sends `text` in every place that is written down; the ids of the calls."""
    quoted = urllib.parse.quote(text, safe="")
    in_header = text.encode("utf-8", "replace").translate(None, bytes(range(32)) + b"\x7f").decode("latin-1")[:9000]
    echoed = [f"x-request-id: {in_header}"]
    message = urllib.parse.quote(quoted[:90], safe="")
    calls = [
        ask(gateway, "POST", "/v1/chat/completions", chat_body(text), key=CLIENT_KEY),
        ask(gateway, "POST", "/v1/chat/completions", chat_body(f"mock/{text}"), key=CLIENT_KEY),
        ask(gateway, "POST", "/v1/audio/speech", {"model": text, "input": "x"}, key=CLIENT_KEY),
        ask(gateway, "POST", "/v1/chat/completions", chat_body(), key=CLIENT_KEY, headers=echoed),
        ask(gateway, "GET", f"/{quoted[:9000]}"),
        ask(gateway, "POST", f"/openai/deployments/{quoted[:9000]}/chat/completions", chat_body(), key=CLIENT_KEY),
        ask(
            gateway,
            "POST",
            "/v1/chat/completions",
            chat_body(f"script:status=400,message={message},headers=x-request-id%3A{message[:500]}"),
            key=CLIENT_KEY,
        ),
    ]
    form = f'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\n{text}\r\n--b--\r\n'.encode("utf-8", "replace")
    head = f"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {CLIENT_KEY}\r\n"
    head += f"content-type: multipart/form-data; boundary=b\r\ncontent-length: {len(form)}\r\nconnection: close\r\n\r\n"
    calls.append(say(gateway.port, head.encode() + form))
    return [call.headers["x-request-id"] for call in calls]


@pytest.mark.parametrize("name", NASTY)
def test_one_call_is_one_line_of_the_log(gateway: Gateway, name: str) -> None:
    before = so_far(gateway)
    ids = nasty_calls(gateway, NASTY[name])
    last = ask(gateway, "POST", "/v1/chat/completions", chat_body(), key=CLIENT_KEY).headers["x-request-id"]
    lines = written(gateway, before, last)

    assert [line["request_id"] for line in lines] == [*ids, last]
    assert {line["event"] for line in lines} == {"call.finished"}
    assert max(len(json.dumps(line)) for line in lines) < 16_384


@pytest.mark.parametrize("name", NASTY)
def test_a_keys_name_is_one_line_too(gateway: Gateway, name: str) -> None:
    text = NASTY[name][:180]
    made = ask(gateway, "POST", "/admin/v1/keys", {"name": f"n{text}n"}, key=ADMIN_KEY)
    if made.status != 201:
        assert made.status == 400
        return
    key = str(made.json()["key"])
    end = time.monotonic() + 20
    while (answer := ask(gateway, "POST", "/v1/chat/completions", chat_body(), key=key)).status == 401:
        assert time.monotonic() < end
    before = so_far(gateway)
    answer = ask(gateway, "POST", "/v1/chat/completions", chat_body(), key=key)
    line = written(gateway, before, answer.headers["x-request-id"])[-1]

    assert line["name"] == f"n{text}n"


def test_the_terminal_saw_no_control_byte(gateway: Gateway) -> None:
    """Runs after the calls above: all that the gateway's processes have printed meanwhile."""
    nasty_calls(gateway, NASTY["ANSI"])
    last = ask(gateway, "POST", "/v1/chat/completions", chat_body(), key=CLIENT_KEY).headers["x-request-id"]
    end = time.monotonic() + 60
    while last not in (printed := gateway.output.read_bytes().decode("utf-8")):
        assert time.monotonic() < end, f"{last} is not on the terminal"
        time.sleep(0.05)
    lines = printed.split("\n")

    assert [line for line in lines if not set(line).isdisjoint(CONTROLS)] == []
    assert sum(last in line for line in lines) == 1
    assert "Traceback" not in printed


CONTROLS = {chr(code) for code in (*range(32), *range(127, 160), *range(0x2028, 0x202F), *range(0x2066, 0x206A))}


def test_no_field_of_a_record_breaks_a_line() -> None:
    """Every text of a record at once, each with every sign that means something to a terminal or a log reader."""
    texts = dict.fromkeys(("operation", "end", "key", "name", "model", "provider", "target", "error", "peer"), SIGNS)
    more = {
        "client_request_id": SIGNS,
        "upstream_request_id": SIGNS,
        "attempts": (FailedAttempt(SIGNS, SIGNS, SIGNS, 1),),
    }
    record = Record(id=SIGNS, at_ns=0, status=200, total_us=0, **texts, **more)  # type: ignore[arg-type]
    line = log_line(record)
    shown = terminal_line(record, with_attempts=True)

    assert (line.count(b"\n"), line[:-1].decode("ascii").isprintable()) == (1, True)
    assert {name: json.loads(line)[name] for name in texts} == texts
    assert set(shown[:-1]).isdisjoint(CONTROLS)
    assert shown.endswith("\n")


def test_what_the_processes_say_themselves_is_cleaned_as_well() -> None:
    assert set(clean(SIGNS)).isdisjoint(CONTROLS)
    assert clean("plain text, 中文, emoji 🔑") == "plain text, 中文, emoji 🔑"
