"""What stands beside the words in Chat Completions: sources of an answer, and marks for the prompt cache."""

from __future__ import annotations

import json

import pytest

from unigate.conversation import Asked, Begin, Citation, Cited, Close, Delta, End, Open, Reason, Text
from unigate.dialects.openai_chat.answer_writer import ChatWriter
from unigate.dialects.openai_chat.request_reader import read_ask
from unigate.wire.body import decode_body

HERE, THERE = Citation("https://a.example", "A", start=0, end=2), Citation("https://b.example", "B", start=3, end=6)
CITING = (Open(0, Text("")), Delta(0, "Hi you."), Cited(0, HERE), Cited(0, THERE), Close(0))


def test_all_sources_come_in_one_piece_of_the_stream() -> None:
    stream = ChatWriter(Asked("req_1", "m", 0)).write((Begin("x", "m"), *CITING, End(Reason.STOP)))
    chunks = [json.loads(line[6:]) for line in stream.decode().splitlines() if line.startswith("data: {")]
    told = [chunk["choices"][0]["delta"].get("annotations") for chunk in chunks]
    places = [
        {"url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2},
        {"url": "https://b.example", "title": "B", "start_index": 3, "end_index": 6},
    ]
    assert [one for one in told if one] == [[{"type": "url_citation", "url_citation": place} for place in places]]


@pytest.mark.parametrize(
    ("mark", "cache"),
    [
        ({"prompt_cache_breakpoint": {"mode": "explicit"}}, ""),
        ({"prompt_cache_breakpoint": {"mode": "explicit", "ttl": "1h"}}, "1h"),
        ({"cache_control": {"type": "ephemeral", "ttl": "5m"}}, "5m"),
        ({}, None),
    ],
)
def test_a_mark_for_the_cache_is_read_in_both_spellings(mark: dict[str, object], cache: str | None) -> None:
    part = {"type": "text", "text": "A long text.", **mark}
    asked = {"model": "m", "messages": [{"role": "user", "content": [part]}]}
    ask = read_ask(decode_body(json.dumps(asked).encode()), "m", False)
    assert (ask.messages[0].blocks, ask.unknown) == ((Text("A long text.", cache),), ())
