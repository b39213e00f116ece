"""The meter of Chat Completions: events that are like those before are judged as if each were the first."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from unigate.dialects.alike import Alike
from unigate.dialects.openai_meters import ChatMeter
from unigate.errors import Fault

WORDS = st.sampled_from(["one", " two", "", "\n\n", 'a "word"', "\\", "\\\\", '\\"', "你好", "[DONE]", "null"])
REASONS = st.sampled_from([None, None, None, None, "stop", "", "null"])
COUNTS = {"prompt_tokens": 3, "completion_tokens": 9}
EXTRAS: list[dict[str, object]] = [{}, {"usage": None}, {"usage": COUNTS}, {"error": None}, {"error": {"code": "x"}}]


@st.composite
def chunks(draw: st.DrawFn) -> bytes:
    """One event of a stream; most are alike but for their words."""
    words = draw(WORDS)
    key = draw(st.sampled_from(["content", "content", "content", "reasoning", "finish_reason", "error", "usage"]))
    delta = draw(st.sampled_from([{key: words}, {key: words}, {}]))
    choice = {"index": 0, "delta": delta, "finish_reason": draw(REASONS)}
    extra = draw(st.sampled_from([*EXTRAS[:2], *EXTRAS[:2], *EXTRAS]))
    padding = draw(st.sampled_from([{}, {"obfuscation": words[::-1]}, {"obfuscation": "a1"}]))
    whole = {"id": "x", "choices": draw(st.sampled_from([[choice], [choice], [choice], []])), **extra, **padding}
    spaces = draw(st.sampled_from([(",", ":"), (",", ":"), (", ", ": ")]))
    return b"data: %b\n\n" % json.dumps(whole, separators=spaces, ensure_ascii=False).encode()


STREAMS = st.lists(chunks() | st.sampled_from([b": ping\n\n", b"data: [DONE]\n\n"]), max_size=12)


def judged(blocks: list[bytes], *, shows_usage: bool) -> object:
    """All that a meter says of a stream that comes in these blocks."""
    meter = ChatMeter(shows_usage)
    now = last = b""
    try:
        for block in blocks:
            passed, kept = meter.watch(block)
            now, last = (now, last + passed + kept) if last else (now + passed, kept)
            if meter.fault is not None:
                return now, last, meter.fault.told, meter.ended
    except Fault as fault:
        return fault.told
    return now, last, meter.usage, meter.ended


def of(words: str, reason: str = "null") -> bytes:
    return b'data: {"choices":[{"delta":{"content":"%b"},"finish_reason":%b}]}\n\n' % (words.encode(), reason.encode())


def with_usage(words: bytes, tokens: bytes) -> bytes:
    return b'data: {"choices":[0],"text":"%b","usage":%b}\n\n' % (words, tokens)


TWO, SIX = (b'{"prompt_tokens":1,"completion_tokens":%d}' % tokens for tokens in (2, 6))


@given(STREAMS, st.booleans())
@example([with_usage(b"a", TWO), with_usage(b"b", TWO), with_usage(b"c", SIX), with_usage(b"d", TWO)], True)
@example([with_usage(b"a\nb", SIX), with_usage(b"c\nd", SIX), with_usage(b"c", SIX)], True)
@example([b'data: {"delta":{},"x":"%d"}\n\n' % number for number in range(3)], True)
@example([b'data: {"delta":{},"usage":null,"x":"%d"}\n\n' % number for number in range(3)], True)
@example([of("a", '""'), of("a", '"null"'), of("a", '"stop"')], False)
@example([of("a"), of("b"), of("c\\"), of('"},"usage":{"prompt_tokens":1},"x":{"y":"')], False)
def test_a_stream_is_judged_the_same_event_by_event_and_whole(events: list[bytes], shows_usage: bool) -> None:
    whole = judged([b"".join(events)] if events else [], shows_usage=shows_usage)
    assert judged(events, shows_usage=shows_usage) == whole
    paired = [b"".join(events[at : at + 2]) for at in range(0, len(events), 2)]
    assert judged(paired, shows_usage=shows_usage) == whole


@pytest.mark.parametrize("words", ["", "\\", 'x" ', 'x":{'])
def test_words_that_may_be_more_than_words_are_not_alike(words: str) -> None:
    alike = learnt(of("one"), of("two"))
    assert alike.end_of(of("three"), 0) == len(of("three"))
    assert alike.end_of(of(words), 0) == 0


def test_words_and_padding_may_both_differ() -> None:
    event = b'data: {"d":"%b","i":1,"o":"%b"}\n\n'
    alike = learnt(event % (b"a", b"x"), event % (b"b", b"y"))
    block = event % (b"see", b"1") + event % (b"dee", b"22")
    assert alike.end_of(block, 0) == len(event % (b"see", b"1"))
    assert alike.end_of(block, alike.end_of(block, 0)) == len(block)
    assert alike.end_of(event.replace(b"1", b"2") % (b"see", b"1"), 0) == 0


@pytest.mark.parametrize(
    ("one", "other", "third"),
    [
        pytest.param(b'{"a":"x"}', b'{"b":"x"}', b'{"error":"x"}', id="a name differs"),
        pytest.param(b'{"a" :"x"}', b'{"b" :"x"}', b'{"error" :"x"}', id="a name before a blank differs"),
        pytest.param(b'{"a":1}', b'{"a":2}', b'{"a":3}', id="a number differs"),
        pytest.param(b'{"a":"x"}', b'{"a":"y","b":"z"}', b'{"a":"z"}', id="one says more"),
        pytest.param(b'{"a":"x\\""}', b'{"a":"y\\""}', b'{"a":"z\\""}', id="a quote within the words"),
        pytest.param(b'["a","b","c"]', b'["1","2","3"]', b'["x","y","z"]', id="three strings differ"),
    ],
)
def test_what_differs_in_more_than_words_teaches_nothing(one: bytes, other: bytes, third: bytes) -> None:
    assert learnt(one, other).end_of(third, 0) == 0


def learnt(*events: bytes) -> Alike:
    alike = Alike()
    for event in events:
        alike.learn(event)
    return alike
