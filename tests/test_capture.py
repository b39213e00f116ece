"""What is kept of calls' bodies: by each key's policy, up to a cap, and never at the cost of a record."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateways import Gateway, free_port, kill_group, start_gateway
from harness import (
    UPSTREAM_KEY,
    Answer,
    Door,
    Mock,
    Wire,
    chat,
    key_entry,
    listening,
    provider,
    request,
    spawn_door,
    start_mock,
    until,
)
from unigate.accounting.record import Body
from unigate.config import CaptureSettings, JournalSettings, ServerSettings
from unigate.secret import Secret
from unigate.side_files import read_side_file, remove_side_file
from unigate.snapshot import Settings
from unigate.storage.calls import KeptBody, one_call
from unigate.storage.opening import open_database
from unigate.target import Endpoint, Provider
from unigate.tenancy import Capture

NOTHING, FACTS, BLACKENED, ALL = (f"sk-ug-{kind}-0123456789" for kind in ("none", "metadata", "redacted", "full"))
POLICIES = {NOTHING: Capture.NONE, FACTS: Capture.METADATA, BLACKENED: Capture.REDACTED, ALL: Capture.FULL}
KEYS = tuple(replace(key_entry(key, str(kind)), capture=kind) for key, kind in POLICIES.items())
KB = 1024


@contextmanager
def keeping(
    data: Path, *providers: Provider, max_kb: int = 256, journal: JournalSettings | None = None
) -> Generator[Door]:
    """A door with a key for each policy."""
    data.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        server=ServerSettings(),
        providers=providers,
        keys=KEYS,
        data=str(data),
        capture=CaptureSettings(max_kb),
        journal=journal or JournalSettings(),
    )
    door = spawn_door(settings, listening())
    try:
        yield door
    finally:
        assert door.process.stdin is not None
        door.process.stdin.close()
        door.process.terminate()
        door.process.wait(20)
    assert "Traceback" not in door.log(), door.log()


@pytest.fixture(scope="module")
def upstream() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


@pytest.fixture(scope="module")
def door(upstream: Mock, tmp_path_factory: pytest.TempPathFactory) -> Generator[Door]:
    claude = Provider(
        name="claude",
        endpoints=(Endpoint(base_url=f"http://127.0.0.1:{upstream.port}/v1", speaks=("anthropic.messages",)),),
        key=Secret(UPSTREAM_KEY),
    )
    edited = replace(provider("edited", upstream.port), drop=frozenset({"user"}))
    with keeping(tmp_path_factory.mktemp("capture"), provider("mock", upstream.port), claude, edited) as door:
        yield door


def life_of(door: Door) -> Path:
    (life,) = (door.data / "journal").iterdir()
    return life


def bodies(door: Door, answer: Answer) -> dict[str, Body]:
    """What is in the journal of one call's bodies."""
    call = answer.headers["x-request-id"]
    return {entry.kind: entry for entry in door.entries() if isinstance(entry, Body) and entry.call == call}


def test_a_key_that_keeps_all_has_the_bytes_of_both_sides_of_the_client(door: Door) -> None:
    content = chat("mock/script:text=kept")
    answer = door.ask(request(content, key=ALL))
    kept = bodies(door, answer)

    assert {kind: body.content for kind, body in kept.items()} == {"request": content, "answer": answer.body}
    assert [(body.redact, body.size) for body in kept.values()] == [(False, len(content)), (False, len(answer.body))]


def test_a_streamed_answer_is_kept_as_the_client_read_it(door: Door) -> None:
    answer = door.ask(request(chat("mock/script:tokens=5", stream=True), key=ALL))

    assert bodies(door, answer)["answer"].content == answer.body


@pytest.mark.parametrize("key", [NOTHING, FACTS])
def test_other_keys_keep_no_bodies(door: Door, key: str) -> None:
    assert bodies(door, door.ask(request(chat("mock/script:text=gone"), key=key))) == {}


def test_a_translated_call_has_the_providers_side_too(door: Door) -> None:
    answer = door.ask(request(chat("claude/script:text=kept"), key=ALL))
    kept = {kind: json.loads(body.content) for kind, body in bodies(door, answer).items()}

    assert sorted(kept) == ["answer", "received", "request", "sent"]
    assert (kept["sent"]["max_tokens"], kept["received"]["type"], kept["answer"]["object"]) == (
        8192,
        "message",
        "chat.completion",
    )


def test_what_a_row_changes_is_kept_as_it_was_sent(door: Door) -> None:
    answer = door.ask(request(chat("edited/script:text=kept", user="jane"), key=ALL))
    kept = bodies(door, answer)

    assert sorted(kept) == ["answer", "request", "sent"]
    assert (b"jane" in kept["request"].content, b"jane" in kept["sent"].content) == (True, False)


def test_an_error_is_kept_as_the_client_read_it_and_as_the_provider_said_it(door: Door) -> None:
    answer = door.ask(request(chat("mock/script:status=400"), key=ALL))
    kept = bodies(door, answer)

    assert sorted(kept) == ["answer", "received", "request"]
    assert kept["answer"].content == answer.body != kept["received"].content


def test_a_stream_that_broke_off_is_kept_with_its_error(door: Door) -> None:
    answer = door.ask(request(chat("mock/script:tokens=9,cut=events:3", stream=True), key=ALL))

    assert bodies(door, answer)["answer"].content == answer.body
    assert b'"error"' in answer.body


def test_credentials_are_in_no_body(door: Door) -> None:
    answer = door.ask(request(chat("claude/script:text=kept"), key=ALL, headers="x-tag: sk-tag-0123456789\r\n"))
    content = b"".join(body.content for body in bodies(door, answer).values())

    assert [secret for secret in (ALL, UPSTREAM_KEY, "sk-tag") if secret.encode() in content] == []


def test_the_record_of_a_key_that_keeps_nothing_says_nothing_of_the_client(door: Door) -> None:
    ask = request(chat("mock/script:text=gone"), key=NOTHING, headers="x-request-id: theirs\r\n")
    record = door.record(door.ask(ask))

    assert (record.peer, record.client_request_id, record.usage.output_tokens is not None) == (None, None, True)


def test_the_record_of_a_usual_key_has_the_facts(door: Door) -> None:
    ask = request(chat("mock/script:text=facts"), key=FACTS, headers="x-request-id: theirs\r\n")
    record = door.record(door.ask(ask))

    assert (record.peer is None, record.client_request_id) == (False, "theirs")


# --- size


def test_a_body_over_the_cap_keeps_its_beginning(upstream: Mock, tmp_path: Path) -> None:
    content = chat("mock/script:text=cut", padding="x" * 5000)
    with keeping(tmp_path, provider("mock", upstream.port), max_kb=1) as door:
        answer = door.ask(request(content, key=ALL))
        kept = bodies(door, answer)["request"]

    assert (kept.content, kept.size) == (content[:1024], len(content))


def test_a_large_body_stands_beside_the_journal(door: Door) -> None:
    content = chat("mock/script:text=large", padding="x" * (100 * KB))
    answer = door.ask(request(content, key=ALL))
    kept = until(lambda: bodies(door, answer).get("request"), "the entry of the side file")
    read = read_side_file(life_of(door), kept)
    remove_side_file(life_of(door), kept)

    assert (kept.content, kept.size, read) == (b"", len(content), content)
    assert read_side_file(life_of(door), kept) is None


def test_bodies_give_way_when_the_disk_has_little_room_and_the_record_says_so(upstream: Mock, tmp_path: Path) -> None:
    elsewhere = tmp_path / "journal" / "door-9-0"  # another life has filled half of what the journal may take
    elsewhere.mkdir(parents=True)
    with (elsewhere / "00000001.segment").open("wb") as file:
        file.truncate(60 * KB * KB)
    with keeping(tmp_path, provider("mock", upstream.port), journal=JournalSettings(max_gb=0.1)) as door:
        flags = until(lambda: flags_of(door), "a record whose bodies were dropped")

    assert flags == ("body_dropped",)


def flags_of(door: Door) -> tuple[str, ...]:
    answer = door.ask(request(chat("mock/script:text=dropped"), key=ALL))
    assert answer.status == 200
    return door.record(answer).flags


# --- through the whole gateway

CONFIG = """
server: {{port: {port}}}
providers:
  mock: {{kind: openai, base_url: "{upstream}/v1", api_key: "${{UPSTREAM_KEY}}", speaks: [openai.chat]}}
models: {{m: "mock/script:echo"}}
keys:
  - {{name: blackened, key: "{blackened}", capture: redacted}}
  - {{name: all, key: "{all}", capture: full}}
"""


@pytest.fixture(scope="module")
def whole(upstream: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("whole")
    port = free_port()
    config = CONFIG.format(port=port, upstream=f"http://127.0.0.1:{upstream.port}", blackened=BLACKENED, all=ALL)
    (folder / "unigate.yaml").write_text(config)
    gateway = start_gateway(folder, port=port, environment={"UPSTREAM_KEY": UPSTREAM_KEY})
    try:
        yield gateway
    finally:
        kill_group(gateway.process)


def told(gateway: Gateway, key: str, text: str, *, stream: bool = False) -> dict[str, KeptBody]:
    """Says a text, which the provider repeats; what the database then has of the call's bodies."""
    with Wire(int(gateway.url.rpartition(":")[2])) as wire:
        answer = wire.send(request(said(text, stream=stream), key=key)).answer()
    assert answer.status == 200
    database = open_database(None, gateway.data)

    def kept() -> dict[str, KeptBody] | None:
        call = one_call(database, answer.headers["x-request-id"])
        found = {body.kind: body for body in call.bodies} if call is not None else {}
        return found if {"request", "answer"} <= found.keys() else None

    try:
        return until(kept, "the bodies in the database")
    finally:
        database.close()


def said(text: str, *, stream: bool) -> bytes:
    body = {"model": "m", "messages": [{"role": "user", "content": text}], "stream": stream}
    return json.dumps(body).encode()


SECRETS = f"Write jane.doe@example.com or +49 171 5551234; {UPSTREAM_KEY} and {ALL} are keys. "
SHOWN = "Write [email] or [phone]; [key] and [key] are keys. "


@pytest.mark.parametrize("stream", [False, True])
def test_the_database_has_redacted_bodies_blackened(whole: Gateway, stream: bool) -> None:
    kept = told(whole, BLACKENED, SECRETS, stream=stream)
    content = b"".join(body.content for body in kept.values())

    assert json.loads(kept["request"].content)["messages"][0]["content"] == SHOWN
    assert [secret for secret in ("jane", "5551234", UPSTREAM_KEY, ALL) if secret.encode() in content] == []
    assert content.count(b"[email]") == 2


def test_the_database_has_full_bodies_as_they_were_also_large_ones(whole: Gateway) -> None:
    text = SECRETS * 1000
    kept = told(whole, ALL, text)

    assert kept["request"].content == said(text, stream=False)
    assert json.loads(kept["answer"].content)["choices"][0]["message"]["content"] == text
    until(lambda: not list((whole.data / "journal").glob("*/*.body")), "the end of the side files")
