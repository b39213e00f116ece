"""What holds for every reader and writer: any cut of the bytes, whole and streamed alike, nothing lost on the way."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from dialects.judging import (
    APART,
    ASKED,
    CLIENTS,
    case,
    cut_at,
    ends_in,
    events_from,
    read_stream,
    read_whole,
    spoken_by,
)
from recordings.replay import Recording, facts, find, request_bytes, response_bytes
from unigate.conversation import Answer, Block, Citation, Event, Open, Text, Thinking, ToolUse
from unigate.dialects.collect import Collector
from unigate.dialects.dialect import Dialect
from unigate.dialects.gemini_generate.slots import UNSIGNED
from unigate.dialects.losses import Losses
from unigate.dialects.table import DIALECTS
from unigate.errors import Fault, Refusal
from unigate.secret import Secret
from unigate.target import Provider, Target
from unigate.usage import Usage
from unigate.wire.body import decode_body

SEED = 20261122
SHORT = 3000
KINDS = {str(id): str(fact["kind"]) for id, fact in facts().items()}
STREAMS = [id for id, kind in KINDS.items() if kind == "stream"]
ANSWERS = [id for id, kind in KINDS.items() if kind != "error"]
TWO_SIDED = [dialect for dialect in CLIENTS if dialect.provider is not None]
TARGET = Target(Provider(name="target", endpoints=(), key=Secret("key")), "target-model")

pytestmark = pytest.mark.usefixtures("recordings_there")


def provider_of(recording: Recording) -> Dialect:
    provider = spoken_by(recording)
    if provider is None:
        pytest.skip("its format is carried straight")
    return provider


def outcome(dialect: Dialect, pieces: list[bytes]) -> list[Event] | str:
    try:
        return read_stream(dialect, pieces)
    except Fault as fault:
        return f"{fault.kind}: {fault}"


def random_pieces(body: bytes, chance: random.Random) -> list[bytes]:
    pieces: list[bytes] = []
    start = 0
    while start < len(body):
        size = chance.choice((1, 2, 3, 7, 40, 300, 4000))
        pieces.append(body[start : start + size])
        start += size
    return pieces


def cuttings(body: bytes, ends: list[int]) -> Iterator[list[bytes]]:
    """One byte at a time, at random, and at every place of a short stream or at many of a long one."""
    chance = random.Random(SEED)
    yield [body[at : at + 1] for at in range(len(body))]
    for _ in range(5):
        yield random_pieces(body, chance)
    every = range(1, min(APART + 1, len(body)))
    for first in every if len(body) <= SHORT else chance.sample(every, 25):
        yield cut_at(body, first, ends)


@pytest.mark.parametrize("name", STREAMS)
def test_every_cut_of_a_recorded_stream_gives_the_same_events(name: str) -> None:
    recording = find(name)
    provider = provider_of(recording)
    _, _, body = response_bytes(recording)
    expected = outcome(provider, [body])

    for pieces in cuttings(body, ends_in(provider, body)):
        assert outcome(provider, pieces) == expected


@pytest.mark.parametrize("name", ANSWERS)
def test_a_written_stream_and_a_written_whole_read_alike(name: str) -> None:
    recording = find(name)
    try:
        events = events_from(provider_of(recording), recording)
    except Fault:
        return
    if any(isinstance(event, Open) and isinstance(event.block, ToolUse) and event.block.custom for event in events):
        pytest.skip("only who offered a tool that takes free text is told that it was called")

    for client in TWO_SIDED:
        with case(client.name):
            from_stream, from_whole = again(client, events)
            assert known(from_stream) == known(from_whole)


@pytest.mark.parametrize("name", ANSWERS)
def test_what_a_dialect_reads_of_its_own_writing_is_what_it_read_first(name: str) -> None:
    recording = find(name)
    dialect = provider_of(recording)
    if dialect.client is None:
        pytest.skip("no client speaks it")
    try:
        events = events_from(dialect, recording)
    except Fault:
        return
    answer = Collector(events).answer()

    assert tuple(map(known, again(dialect, events))) == (known(answer), known(answer))


def again(client: Dialect, events: list[Event]) -> tuple[Answer, Answer]:
    """What a reader of the client's format makes of a written stream, and of a written whole."""
    assert client.client is not None
    written = client.client.new_writer(ASKED).write(events)
    whole = client.client.new_writer(ASKED).whole(Collector(events).answer())
    return Collector(read_stream(client, [written])).answer(), read_whole(client, whole)


def known(answer: Answer) -> Answer:
    """An answer without counts that were estimated or never told, which no format needs to repeat."""
    usage = Usage() if answer.usage.estimated or not answer.usage.input_tokens else answer.usage
    spent = Usage(usage.input_tokens, usage.output_tokens, usage.cached_tokens or 0, usage.reasoning_tokens or 0)
    # Where reasoning stands among the rest, and so where a text is parted by it, is more than Chat Completions tells.
    blocks: list[Block] = []
    told = [block for block in answer.blocks if not (isinstance(block, Thinking) and block.signature == UNSIGNED)]
    for block in sorted(told, key=lambda block: not isinstance(block, Thinking)):
        last = blocks[-1] if blocks else None
        if isinstance(block, Text) and isinstance(last, Text):
            moved = (moved_by(len(last.text), citation) for citation in block.citations)
            blocks[-1] = Text(last.text + block.text, None, (*last.citations, *moved))
        else:
            blocks.append(block)
    return replace(answer, blocks=tuple(blocks), usage=spent)


def moved_by(length: int, citation: Citation) -> Citation:
    """The citation as it stands in a text that goes before its own."""
    if citation.start is None or citation.end is None:
        return citation
    return replace(citation, start=citation.start + length, end=citation.end + length)


@pytest.mark.parametrize("name", ANSWERS)
def test_damaged_answers_raise_nothing_but_faults(name: str) -> None:
    recording = find(name)
    provider = provider_of(recording)
    _, _, body = response_bytes(recording)
    chance = random.Random(f"{SEED} {name}")

    for _ in range(60):
        damaged = damage(body, chance)
        try:
            if recording.streamed:
                read_stream(provider, [damaged])
            else:
                read_whole(provider, damaged)
        except Fault:
            pass


@pytest.mark.parametrize("name", list(KINDS))
def test_damaged_requests_raise_nothing_but_refusals(name: str) -> None:
    content = request_bytes(find(name))
    if content is None:
        pytest.skip("its request was not kept")
    for client in CLIENTS:
        chance = random.Random(f"{SEED} {name}")
        for _ in range(15):
            damaged = damage(content, chance)
            with case(client.name):
                read_and_write(client, damaged, chance)


def read_and_write(client: Dialect, content: bytes, chance: random.Random) -> None:
    assert client.client is not None
    try:
        ask = client.client.read_ask(decode_body(content), "a-model", chance.random() < 0.5)
        for dialect in DIALECTS.values():
            if dialect.provider is not None:
                dialect.provider.write_ask(ask, TARGET, Losses(client.client.fields, dialect.name))
    except Refusal as refusal:
        assert refusal.told.status in (400, 422)


def damage(content: bytes, chance: random.Random) -> bytes:
    """The content with bytes cut out, doubled or changed, or with one of its JSON values replaced by another kind."""
    if chance.random() < 0.5:
        return _other_value(content, chance)
    damaged = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        if not damaged:
            break
        at = chance.randrange(len(damaged))
        match chance.randrange(3):
            case 0:
                damaged[at] = chance.randrange(256)
            case 1:
                del damaged[at : at + chance.randint(1, 40)]
            case _:
                damaged[at:at] = damaged[at : at + chance.randint(1, 40)]
    return bytes(damaged)


VALUES = (
    b"null",
    b"true",
    b"0",
    b"-1",
    b"1e400",
    b'""',
    b'"x"',
    b"[]",
    b"{}",
    b"[null]",
    b'{"type":"x"}',
    b'"\\ud800"',
)


def _other_value(content: bytes, chance: random.Random) -> bytes:
    colons = [at for at, byte in enumerate(content) if byte == ord(":")]
    if not colons:
        return content
    at = chance.choice(colons) + 1
    rest = content[at:].decode("utf-8", "replace")
    try:
        _, length = json.JSONDecoder().raw_decode(rest.lstrip())
    except ValueError:
        return content[:at] + chance.choice(VALUES) + content[at + 1 :]
    skipped = len(rest) - len(rest.lstrip())
    end = at + len(rest[: skipped + length].encode())
    return content[:at] + chance.choice(VALUES) + content[end:]
