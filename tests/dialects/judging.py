"""Carries recorded answers through the translators, and has the careful reader judge what came out."""

from __future__ import annotations

import json
from bisect import bisect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import pairwise

import msgspec

from recordings.reader.judge import Found, format_of
from recordings.replay import Object, Recording, response_bytes
from unigate.conversation import Answer, Asked, Event
from unigate.dialects.collect import Collector, events_of
from unigate.dialects.dialect import Dialect
from unigate.dialects.table import DIALECTS
from unigate.errors import Fault

__all__ = [
    "APART",
    "APIS",
    "ASKED",
    "CLIENTS",
    "PROVIDERS",
    "as_answer",
    "case",
    "cut_at",
    "ends_in",
    "judged",
    "read_stream",
    "read_whole",
    "spoken_by",
]

ASKED = Asked("req_0123456789abcdef0123456789abcdef", "asked-model", 1_760_000_000, frozenset(), True)

# Ollama's generate holds text alone, and the careful reader has never seen it; tests of its own judge it.
CLIENTS = [dialect for dialect in DIALECTS.values() if dialect.client is not None and dialect.name != "ollama.generate"]
PROVIDERS = [dialect for dialect in DIALECTS.values() if dialect.provider is not None]
# One reading judges many cuts, farther apart than most events are long.
APART = 211
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


def ends_in(dialect: Dialect, body: bytes) -> list[int]:
    """Where events end in a stream: what comes byte by byte is heard of at its last one."""
    assert dialect.provider is not None
    reader = dialect.provider.new_reader(ASKED)
    ends: list[int] = []
    with suppress(Fault):
        ends.extend(at + 1 for at in range(len(body)) if reader.feed(body[at : at + 1]))
    return ends


def cut_at(body: bytes, first: int, ends: list[int]) -> list[bytes]:
    """A stream cut before this byte and each APART bytes on; from 1 to APART, each byte is cut at once.

    It is also cut where that event ends, or the next one, so that most cuts find nothing left over from before.
    """
    cuts = range(first, len(body), APART)
    after = (bisect(ends, cut) + cut % 2 for cut in cuts)
    places = sorted({0, *cuts, *(ends[at] for at in after if at < len(ends)), len(body)})
    return [body[start:end] for start, end in pairwise(places)]


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
