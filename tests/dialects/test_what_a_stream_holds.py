"""A translated stream holds little, however long its answer has become."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from dialects.judging import ASKED, CLIENTS, PROVIDERS
from dialects.test_scripted_streams import told
from unigate.dialects.dialect import AnswerReader, AnswerWriter, Dialect
from unigate.dialects.gemini_generate.citations import Places

STREAMS = 4
MOST_BYTES = 8000
NOISE_BYTES = 2000
PIECE = 500
# Its clients are told the whole answer once more at its end.
RESTATES = "openai.responses"


def half_way(client: Dialect, provider: Dialect, body: bytes) -> tuple[AnswerReader, AnswerWriter]:
    """A reader and a writer in the middle of a stream."""
    assert client.client is not None and provider.provider is not None
    reader, writer = provider.provider.new_reader(ASKED), client.client.new_writer(ASKED)
    for start in range(0, len(body) // 2, PIECE):
        writer.write(reader.feed(bytes(bytearray(body[start : start + PIECE]))))
    return reader, writer


def held_bytes(client: Dialect, provider: Dialect, body: bytes) -> float:
    """What one stream of many holds."""
    half_way(client, provider, body)
    gc.collect()
    tracemalloc.start()
    try:
        streams = [half_way(client, provider, body) for _ in range(STREAMS)]
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / len(streams)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("script", ["tokens={}", "think={},tokens=1"])
@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda one: one.name)
def test_a_stream_holds_little_and_no_more_for_a_longer_answer(provider: Dialect, script: str, upstream: str) -> None:
    status, short = told(upstream, provider, script.format(20), streamed=True)
    if status != 200:
        pytest.skip("the format cannot be scripted so")
    long = told(upstream, provider, script.format(200), streamed=True)[1]
    for client in CLIENTS:
        if client.name == RESTATES:
            continue
        first, later = held_bytes(client, provider, short), held_bytes(client, provider, long)
        assert (first < MOST_BYTES, later - first < NOISE_BYTES) == (True, True), (client.name, first, later)


@pytest.mark.parametrize(
    "pieces",
    [["plain"], ["Grü", "ße an alle"], ["a", "你好，", "b 世界"], ["🙂", "é🙂", "", "z"], []],
    ids=["ascii", "two bytes", "three bytes", "four bytes", "nothing"],
)
def test_every_byte_of_a_text_is_placed_without_the_text(pieces: list[str]) -> None:
    places = Places()
    for piece in pieces:
        places.add(piece)
    content = "".join(pieces).encode()
    characters = [len(content[:byte].decode(errors="ignore")) for byte in range(len(content) + 2)]
    assert [places.character(byte) for byte in range(len(content) + 2)] == characters
