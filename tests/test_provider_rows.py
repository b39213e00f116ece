"""A row's address, path and credential are what the service accepts: proved against the scripted upstream."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from harness import Mock, start_mock
from unigate.config import ProviderSettings
from unigate.config_file import load_table
from unigate.errors import Fault
from unigate.routing.table import build_provider
from unigate.secret import Secret
from unigate.target import Provider, Target
from unigate.upstream.client import Upstream
from unigate.wire.eventstream import Frames

TABLE = load_table()
ACCESS, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG", "ya29.test"


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    flags = ("--aws-access-key", ACCESS, "--aws-secret-key", SECRET, "--google-token", TOKEN)
    with start_mock(*flags) as mock:
        yield mock


def row(name: str, base_url: str, **given: str | Secret) -> Provider:
    return build_provider(name, ProviderSettings(base_url=base_url, **given), TABLE)  # type: ignore[arg-type]


def asked(provider: Provider, dialect: str, operation: str, model: str, body: object) -> tuple[int, bytes]:
    """The answer to one call."""

    async def run() -> tuple[int, bytes]:
        upstream = Upstream()
        try:
            content = json.dumps(body).encode()
            async with upstream.send(Target(provider, model), dialect, operation, {}, content) as answer:
                return answer.status, await answer.read_all(1_000_000)
        finally:
            upstream.close()

    return asyncio.run(run())


CONVERSE = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}
MODEL = "script:text=signed%20and%20sealed"
ARN = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0"


@pytest.mark.parametrize("model", [MODEL, ARN, "us.amazon.nova-lite-v1:0", "ä b"])
def test_bedrock_accepts_the_signature_whatever_the_model_is_called(mock: Mock, model: str) -> None:
    given = {"access_key_id": ACCESS, "secret_access_key": Secret(SECRET)}
    bedrock = row("bedrock", f"http://127.0.0.1:{mock.port}", region="eu-west-1", **given)
    status, content = asked(bedrock, "bedrock.converse", "/model/{model}/converse", model, CONVERSE)
    assert (status, json.loads(content)["output"]["message"]["role"]) == (200, "assistant")


def test_bedrock_streams_frames(mock: Mock) -> None:
    given = {"access_key_id": ACCESS, "secret_access_key": Secret(SECRET), "session_token": Secret("t")}
    bedrock = row("bedrock", f"http://127.0.0.1:{mock.port}", region="eu-west-1", **given)
    operation = "/model/{model}/converse-stream"
    status, content = asked(bedrock, "bedrock.converse.stream", operation, MODEL, CONVERSE)
    frames = Frames()
    kinds = [frame.headers[":event-type"] for frame in frames.feed(content)]
    frames.close()
    assert (status, kinds[0], kinds[-1]) == (200, "messageStart", "metadata")


def test_bedrock_refuses_another_secret(mock: Mock) -> None:
    given = {"access_key_id": ACCESS, "secret_access_key": Secret("wrong")}
    bedrock = row("bedrock", f"http://127.0.0.1:{mock.port}", region="eu-west-1", **given)
    assert asked(bedrock, "bedrock.converse", "/model/{model}/converse", MODEL, CONVERSE)[0] == 403


@pytest.fixture(scope="module")
def credentials_file(mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    account = {
        "type": "service_account",
        "client_email": "a@b.iam.gserviceaccount.com",
        "private_key": pem.decode(),
        "token_uri": f"http://127.0.0.1:{mock.port}/token",
    }
    file = tmp_path_factory.mktemp("google") / "sa.json"
    file.write_text(json.dumps(account), "utf-8")
    return file


GENERATE = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}


def test_vertex_is_asked_with_a_token_for_the_file(mock: Mock, credentials_file: Path) -> None:
    vertex = row("vertex", f"http://127.0.0.1:{mock.port}/v1", project="p", credentials_file=str(credentials_file))
    status, content = asked(vertex, "gemini.generate", "/models/{model}:generateContent", MODEL, GENERATE)
    parts = json.loads(content)["candidates"][0]["content"]["parts"]
    assert (status, parts[0]["text"]) == (200, "signed and sealed")


def test_vertex_streams_events_with_a_token_of_ones_own(mock: Mock) -> None:
    vertex = row("vertex", f"http://127.0.0.1:{mock.port}/v1", project="p", access_token=Secret(TOKEN))
    operation = "/models/{model}:streamGenerateContent?alt=sse"
    status, content = asked(vertex, "gemini.generate.stream", operation, MODEL, GENERATE)
    assert (status, content.startswith(b"data: {")) == (200, True)


def test_vertex_refuses_another_token(mock: Mock) -> None:
    vertex = row("vertex", f"http://127.0.0.1:{mock.port}/v1", project="p", access_token=Secret("other"))
    assert asked(vertex, "gemini.generate", "/models/{model}:generateContent", MODEL, GENERATE)[0] >= 400


@pytest.mark.parametrize(
    ("word", "streamed", "begins"),
    [("anthropic.messages", False, b"{"), ("anthropic.messages.stream", True, b"event: message_start")],
)
def test_claude_on_vertex_has_a_path_for_whole_answers_and_one_for_streams(
    mock: Mock, word: str, streamed: bool, begins: bytes
) -> None:
    claude = row("vertex-anthropic", f"http://127.0.0.1:{mock.port}/v1", project="p", access_token=Secret(TOKEN))
    body = {
        "anthropic_version": "vertex-2023-10-16",
        "max_tokens": 99,
        "messages": [{"role": "user", "content": "hello"}],
        "stream": streamed,
    }
    status, content = asked(claude, word, "/messages", MODEL, body)
    assert (status, content[: len(begins)]) == (200, begins)


def test_a_file_for_another_service_fails_the_call_before_it_is_sent(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text('{"type": "external_account"}', "utf-8")
    vertex = row("vertex", "http://127.0.0.1:1/v1", project="p", credentials_file=str(file))
    with pytest.raises(Fault, match="neither a service account's nor a user's"):
        asked(vertex, "gemini.generate", "/models/{model}:generateContent", MODEL, GENERATE)
