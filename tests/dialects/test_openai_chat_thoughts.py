"""Signed thoughts as clients of Chat Completions are told them, and as such clients send them back."""

from __future__ import annotations

import json

import pytest

from unigate.conversation import Asked, Begin, Close, Delta, End, Event, Open, Reason, Signed, Thinking, ToolUse
from unigate.dialects.openai_chat.answer_writer import ChatWriter
from unigate.dialects.openai_chat.request_reader import read_ask
from unigate.wire.body import decode_body

ORIGIN = "anthropic.messages"
ASKED = Asked("req_1", "m", 0)
THOUGHT = (Open(0, Thinking("", origin=ORIGIN)), Delta(0, "Hm. "), Delta(0, "Yes."), Signed(0, "c2ln"), Close(0))
HIDDEN = (Open(1, Thinking("", "ZGF0YQ==", ORIGIN, True)), Close(1))
WORDLESS = (Open(0, Thinking("", origin=ORIGIN)), Signed(0, "c2ln"), Close(0))
CALL = (Open(2, ToolUse("t", "look", "")), Delta(2, "{}"), Close(2))
WHOLE, SECRET = Thinking("Hm. Yes.", "c2ln", ORIGIN), Thinking("", "ZGF0YQ==", ORIGIN, True)


def deltas(*events: Event) -> list[dict[str, object]]:
    """What a client is told, piece by piece."""
    stream = ChatWriter(ASKED).write((Begin("x", "m"), *events, *CALL, End(Reason.TOOL_USE)))
    chunks = [json.loads(line[6:]) for line in stream.decode().splitlines() if line.startswith("data: {")]
    return [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]


def gathered(*events: Event) -> dict[str, object]:
    """The message of a client that puts all pieces together."""
    told = deltas(*events)
    details = [detail for delta in told for detail in delta.get("reasoning_details", ())]
    return {"reasoning_content": "".join(delta.get("reasoning_content", "") for delta in told), "details": details}


def overwritten(*events: Event) -> dict[str, object]:
    """The message of openai-node's `stream()`, which keeps the last piece of a field that it does not know."""
    last: dict[str, object] = {}
    for delta in deltas(*events):
        last.update(delta)
    return {"reasoning_content": last.get("reasoning_content"), "details": last["reasoning_details"]}


def read_back(message: dict[str, object]) -> tuple[object, ...]:
    """The thoughts in the request that carries this message."""
    call = {"id": "t", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    thoughts = {"reasoning_content": message["reasoning_content"], "reasoning_details": message["details"]}
    answer = {"role": "assistant", "content": None, "tool_calls": [call], **thoughts}
    body = decode_body(json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}, answer]}).encode())
    return read_ask(body, "m", False).messages[1].blocks[:-1]


@pytest.mark.parametrize(
    ("events", "thoughts"),
    [(THOUGHT, (WHOLE,)), ((*THOUGHT, *HIDDEN), (WHOLE, SECRET)), (WORDLESS, (Thinking("", "c2ln", ORIGIN),))],
)
def test_whoever_keeps_all_pieces_sends_the_same_thoughts_back(
    events: tuple[Event, ...], thoughts: tuple[Thinking, ...]
) -> None:
    assert read_back(gathered(*events)) == thoughts


def test_a_signature_whose_words_are_lost_is_known_as_such() -> None:
    assert read_back(overwritten(*THOUGHT)) == (Thinking("", "c2ln", ORIGIN, partial=True),)
    assert read_back(overwritten(*THOUGHT, *HIDDEN)) == (Thinking("", "ZGF0YQ==", ORIGIN, True, partial=True),)


def test_a_signature_that_has_no_words_lacks_none() -> None:
    assert read_back(overwritten(*WORDLESS)) == (Thinking("", "c2ln", ORIGIN),)
