"""Providers found without a file: by the environment, by `.env`, and by servers on this machine."""

import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from unigate.config import ProviderSettings
from unigate.config_file import load_table
from unigate.discovery import find_providers, probe_local, read_dotenv
from unigate.errors import ConfigError
from unigate.routing.table import Probe, Row, build_provider
from unigate.secret import Secret

TABLE = load_table()
AWS = {"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s"}


def found(**environment: str) -> dict[str, ProviderSettings]:
    return find_providers(environment, TABLE)


# --- The environment


def test_nothing_is_found_in_an_empty_environment() -> None:
    assert found() == {}


def test_a_key_under_its_usual_name_makes_a_provider() -> None:
    assert found(OPENAI_API_KEY="sk-a", DEEPSEEK_API_KEY=" sk-b\n", PATH="/bin") == {
        "openai": ProviderSettings(api_key=Secret("sk-a")),
        "deepseek": ProviderSettings(api_key=Secret("sk-b")),
    }


def test_every_variable_of_every_row_is_found_or_kept_out_on_purpose() -> None:
    for name, row in TABLE.items():
        for variable in row.key_variables:
            needs = {need: "https://needed.example" if need == "base_url" else "needed" for need in row.needs}
            needed = {row.variables[need][0]: value for need, value in needs.items()}
            settings = found(**{variable: "sk-a"}, **needed)
            assert list(settings) == ([name] if row.discover else []), variable
            for one in settings.values():
                assert build_provider(name, one, TABLE).key == Secret("sk-a")


def test_the_first_variable_of_a_row_wins() -> None:
    assert found(GOOGLE_API_KEY="second", GEMINI_API_KEY="first")["gemini"].api_key == Secret("first")


@pytest.mark.parametrize("key", ["", "  "])
def test_an_empty_key_is_no_key(key: str) -> None:
    assert found(OPENAI_API_KEY=key) == {}


@pytest.mark.parametrize("variable", ["HF_TOKEN", "CLOUDFLARE_API_KEY", "VULTR_API_KEY"])
def test_a_variable_with_other_uses_starts_nothing(variable: str) -> None:
    assert found(**{variable: "a", "CLOUDFLARE_ACCOUNT_ID": "b"}) == {}


def test_our_own_key_is_never_sent_to_a_provider() -> None:
    assert found(OPENAI_API_KEY="sk-ug-client", OPENAI_BASE_URL="http://127.0.0.1:8000/v1") == {}


def test_a_row_waits_for_all_it_needs() -> None:
    assert found(AZURE_OPENAI_API_KEY="a") == {}
    assert found(AZURE_OPENAI_ENDPOINT="https://x.openai.azure.com") == {}
    azure = found(
        AZURE_OPENAI_API_KEY="a", AZURE_OPENAI_ENDPOINT="https://x.openai.azure.com/", OPENAI_API_VERSION="2025-01-01"
    )
    assert azure == {
        "azure": ProviderSettings(api_key=Secret("a"), base_url="https://x.openai.azure.com", api_version="2025-01-01")
    }


def test_an_access_key_is_found_as_a_whole_or_not_at_all() -> None:
    temporary = found(**AWS, AWS_SESSION_TOKEN="t")
    pair = {"access_key_id": "AKID", "secret_access_key": Secret("s")}
    assert temporary == {"bedrock": ProviderSettings(region="eu-west-1", session_token=Secret("t"), **pair)}
    assert build_provider("bedrock", temporary["bedrock"], TABLE).key == Secret("s")
    assert [found(**{name: value for name, value in AWS.items() if name != missing}) for missing in AWS] == [{}] * 3


def test_an_api_key_leaves_the_access_key_aside() -> None:
    bedrock = found(**AWS, AWS_BEARER_TOKEN_BEDROCK="k")
    assert bedrock == {"bedrock": ProviderSettings(region="eu-west-1", api_key=Secret("k"))}


def test_an_address_in_the_environment_replaces_the_rows() -> None:
    openai = found(OPENAI_API_KEY="a", OPENAI_BASE_URL="http://10.0.0.5/v1")["openai"]
    assert build_provider("openai", openai, TABLE).endpoints[0].base_url == "http://10.0.0.5/v1"


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        (
            {"OPENAI_API_KEY": "a", "OPENAI_BASE_URL": "10.0.0.5/v1"},
            "environment: OPENAI_BASE_URL must begin with http:// or https:// and name a host",
        ),
        (
            {"OPENAI_API_KEY": "sk-one two"},
            "environment: OPENAI_API_KEY has a space, a line break or a character beyond ASCII; "
            "a header cannot carry it",
        ),
        (
            {**AWS, "AWS_REGION": "eu-west-1.evil.example/"},
            "environment: AWS_REGION may hold only letters, digits, '.', '_' and '-'",
        ),
        (
            {**AWS, "AWS_SECRET_ACCESS_KEY": "a b"},
            "environment: AWS_SECRET_ACCESS_KEY has a space, a line break or a character beyond ASCII; "
            "a header cannot carry it",
        ),
        ({"OLLAMA_HOST": "a host"}, "environment: OLLAMA_HOST must be an address without spaces or control characters"),
    ],
)
def test_a_variable_that_cannot_be_used_is_told_and_not_shown(environment: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        found(**environment)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("127.0.0.1:11434", "http://127.0.0.1:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("[::]:8080", "http://127.0.0.1:8080"),
        ("::", "http://127.0.0.1:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("gpu.lan", "http://gpu.lan:11434"),
        ("http://gpu.lan:8080/", "http://gpu.lan:8080"),
        ("http://0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("https://ollama.example", "https://ollama.example"),
        ("https://[::1]", "https://[::1]"),
    ],
)
def test_ollamas_own_notation_becomes_an_address(given: str, origin: str) -> None:
    assert found(OLLAMA_HOST=given) == {"ollama": ProviderSettings(origin=origin)}


# --- .env


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# keys\nexport A=file\nB='file b'\nC=${A}\nEMPTY\n", "utf-8")
    assert read_dotenv(file, {"A": "real", "D": "real"}) == {"A": "real", "B": "file b", "C": "${A}", "D": "real"}


def test_without_a_file_the_environment_is_all(tmp_path: Path) -> None:
    assert read_dotenv(tmp_path / ".env", {"A": "real"}) == {"A": "real"}


def test_a_file_that_is_not_text_is_a_problem_not_a_crash(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"A=\xff\xfe\n")
    with pytest.raises(ConfigError, match=r"\.env: the file cannot be read as UTF-8 text"):
        read_dotenv(file, {})


# --- Servers on this machine

OLLAMA = json.dumps({"models": []}).encode()
LLAMACPP = json.dumps({"object": "list", "data": [{"id": "m", "owned_by": "llamacpp"}]}).encode()


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@contextmanager
def server(*writes: bytes, pause_s: float = 0.0, stays: bool = False) -> Iterator[tuple[int, list[bytes]]]:
    """A server that writes these bytes to whoever connects; yields its port and what it was asked."""
    asked: list[bytes] = []
    done = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(connection.recv(4096))
            for write in writes:
                connection.sendall(write)
                done.wait(pause_s)
            if stays:
                done.wait(20)

    def serve_quietly() -> None:
        try:
            serve()
        except OSError:
            return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve_quietly, daemon=True)
        thread.start()
        yield listener.getsockname()[1], asked
        done.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(20)


def row(port: int, *has: str, owned_by: str | None = None) -> Row:
    return Row(title="T", speaks=("openai.chat",), local=True, probe=Probe(port, "/api/x", has, owned_by))


def test_a_server_that_answers_as_itself_is_found() -> None:
    with server(answer(OLLAMA)) as (one, asked), server(answer(LLAMACPP)) as (two, _):
        table = {"a": row(one, "models"), "b": row(two, "object", "data", owned_by="llamacpp"), "c": TABLE["openai"]}
        assert probe_local(table) == {"a": ProviderSettings(), "b": ProviderSettings()}
    assert asked[0].startswith(b"GET /api/x HTTP/1.0\r\n")
    assert b"authorization" not in asked[0].lower()


@pytest.mark.parametrize(
    "writes",
    [
        [answer(OLLAMA)[:25], answer(OLLAMA)[25:]],
        [b"HTTP/1.0 200 OK\r\n\r\n" + OLLAMA],
    ],
    ids=["in pieces", "without a length"],
)
def test_an_answer_may_come_as_http_allows(writes: list[bytes]) -> None:
    with server(*writes) as (port, _):
        assert list(probe_local({"a": row(port, "models")}, 2.0)) == ["a"]


def test_an_answer_whose_connection_stays_open_is_complete_by_its_length() -> None:
    with server(answer(OLLAMA), stays=True) as (port, _):
        assert list(probe_local({"a": row(port, "models")}, 2.0)) == ["a"]


@pytest.mark.parametrize(
    "write",
    [
        answer(OLLAMA, "404 Not Found"),
        answer(OLLAMA, "302 Found", "location: http://127.0.0.1:1/"),
        answer(b'{"other": 1}'),
        answer(b"[1]"),
        answer(b"<html>models</html>"),
        answer(b'{"models": '),
        answer(b'{"\xff": 1, "models": []}'),
        answer(b'{"models":' + b"[" * 5000 + b"]" * 5000 + b"}"),
        answer(b'{"models": "' + b"x" * (1024 * 1024) + b'"}'),
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"",
    ],
    ids=["404", "redirect", "keys", "list", "html", "cut", "bytes", "deep", "large", "not http", "nothing"],
)
def test_an_answer_of_another_shape_is_somebody_else(write: bytes) -> None:
    with server(write) as (port, _):
        assert probe_local({"a": row(port, "models")}, 2.0) == {}


@pytest.mark.parametrize("data", [[], [{"id": "m"}], [{"owned_by": "vllm"}], {}, "x", [1]])
def test_another_owner_is_somebody_else(data: object) -> None:
    with server(answer(json.dumps({"object": "list", "data": data}).encode())) as (port, _):
        assert probe_local({"a": row(port, "object", "data", owned_by="llamacpp")}, 2.0) == {}


def test_a_closed_port_is_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert probe_local({"a": row(port, "models")}) == {}


def test_servers_that_hang_or_drip_cost_a_quarter_of_a_second_together() -> None:
    hung = server(b"", stays=True)
    dripping = server(*[b"HTTP/1.1 200 OK\r\n", *[b"x: y\r\n"] * 100], pause_s=0.05)
    with hung as (one, _), dripping as (two, _), server(answer(OLLAMA)) as (three, _):
        started = time.monotonic()
        table = {"a": row(one, "models"), "b": row(two, "models"), "c": row(three, "models")}
        assert list(probe_local(table)) == ["c"]
        assert time.monotonic() - started < 3.0  # the drip takes five seconds, the hung one for ever


def test_a_real_http_server_is_understood() -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(OLLAMA)

        log_message: Callable[..., None] = lambda *_: None

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as real:
        thread = threading.Thread(target=real.serve_forever, daemon=True)
        thread.start()
        found_there = probe_local({"a": row(real.server_port, "models")}, 2.0)
        real.shutdown()
    assert list(found_there) == ["a"]
