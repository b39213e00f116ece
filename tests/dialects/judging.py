"""Carries recorded answers through the translators, and has the careful reader judge what came out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import msgspec

from recordings.reader.judge import Found, format_of
from recordings.replay import Object, Recording, response_bytes
from unigate.conversation import Answer, Asked, Event
from unigate.dialects.collect import Collector, events_of
from unigate.dialects.dialect import Dialect
from unigate.dialects.table import DIALECTS

__all__ = [
    "APIS",
    "ASKED",
    "CLIENTS",
    "PROVIDERS",
    "as_answer",
    "case",
    "judged",
    "read_stream",
    "read_whole",
    "spoken_by",
]

ASKED = Asked("req_0123456789abcdef0123456789abcdef", "asked-model", 1_760_000_000, frozenset(), True)

# Ollama's generate holds text alone, and the careful reader has never seen it; tests of its own judge it.
CLIENTS = [dialect for dialect in DIALECTS.values() if dialect.client is not None and dialect.name != "ollama.generate"]
PROVIDERS = [dialect for dialect in DIALECTS.values() if dialect.provider is not None]
APIS: Mapping[str, str] = {
    "openai.chat": "openai.chat.completions",
    "openai.responses": "openai.responses",
    "anthropic.messages": "anthropic.messages",
    "gemini.generate": "gemini.generateContent",
    "gemini.generate.array": "gemini.streamGenerateContent",
    "ollama.chat": "ollama.chat",
    "bedrock.converse": "bedrock.converse",
    "cohere.chat": "cohere.v2.chat",
    "coze.chat": "coze.v3.chat",
}


@contextmanager
def case(name: str) -> Iterator[None]:
    """One of several cases of a test: whatever goes wrong in it is told with its name."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in the case of {name}")
        raise


def spoken_by(recording: Recording) -> Dialect | None:
    """The dialect of a recorded answer, if it is one that is translated."""
    if ".invoke_stream" in recording.api:
        return None  # another format within AWS frames, which no row speaks
    dialect = DIALECTS.get(format_of(recording).name)
    return dialect if dialect is not None and dialect.provider is not None else None


def read_stream(dialect: Dialect, pieces: Iterator[bytes] | list[bytes], asked: Asked = ASKED) -> list[Event]:
    """The events of a stream that comes in these pieces."""
    assert dialect.provider is not None
    reader = dialect.provider.new_reader(asked)
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.close()


def read_whole(dialect: Dialect, content: bytes, asked: Asked = ASKED) -> Answer:
    """A whole answer."""
    assert dialect.provider is not None
    return dialect.provider.new_reader(asked).read(content)


def events_from(dialect: Dialect, recording: Recording) -> list[Event]:
    """The events of a recorded answer."""
    _, _, body = response_bytes(recording)
    if recording.streamed:
        return read_stream(dialect, [body])
    return list(events_of(read_whole(dialect, body)))


def as_answer(client: Dialect, recording: Recording, events: list[Event], *, streamed: bool) -> Recording:
    """What a client of this dialect is told, as if it had been recorded."""
    assert client.client is not None
    writer = client.client.new_writer(ASKED)
    content = writer.write(events) if streamed else writer.whole(Collector(events).answer())
    is_text = streamed and not client.client.stream_type.startswith(b"application/json")
    return replace(
        recording,
        api=APIS[client.name],
        path="",
        streamed=streamed,
        encoding="text" if is_text else "json",
        body=content.decode() if is_text else json.loads(content),
    )


def judged(recording: Recording) -> Found:
    """What the careful reader finds in an answer."""
    return format_of(recording).answer(recording)


def as_object(value: object) -> Object:
    """A fact as plain JSON."""
    return json.loads(msgspec.json.encode(value))
