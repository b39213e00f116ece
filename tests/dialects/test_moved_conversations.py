"""A conversation that moves on to a provider of the client's own format, which knows its own signatures alone."""

from __future__ import annotations

import json

import pytest

from unigate.call import Call, Caller
from unigate.dialects.crossing import Straight
from unigate.dialects.signatures import wrap
from unigate.dialects.table import DIALECTS
from unigate.secret import Secret
from unigate.target import Provider, Target
from unigate.wire.body import decode_body

OWN = "own/signature+in==their-alphabet"
FOREIGN = wrap("c2ln", "elsewhere")
PROVIDER = Provider(name="up", endpoints=(), key=Secret("key"))


def moved(dialect: str, body: object, *, model: str = "m") -> tuple[dict, tuple[str, ...]]:
    """What a provider of the client's own format is sent, and what was left out."""
    return crossed(dialect, json.dumps(body).encode(), model)


def crossed(dialect: str, content: bytes, model: str = "m") -> tuple[dict, tuple[str, ...]]:
    call = Call("1", dialect, Caller("k", "n", "client", None), {}, peer="", started_ns=0)
    call.body = decode_body(content)
    crossing = Straight(DIALECTS[dialect], shows_usage=False)
    sent = crossing.outgoing(call, Target(PROVIDER, model))
    assert FOREIGN.encode() not in sent
    return json.loads(sent), crossing.dropped


# --- Messages

QUESTION = {"role": "user", "content": "hi"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "x"}]}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": OWN}
HIDDEN = {"type": "redacted_thinking", "data": OWN}
FOREIGN_THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": FOREIGN}
FOREIGN_HIDDEN = {"type": "redacted_thinking", "data": FOREIGN}
THINKING = "messages[].content[].thinking"


def said(*blocks: object) -> dict:
    return {"role": "assistant", "content": list(blocks)}


@pytest.mark.parametrize("dialect", ["anthropic.messages", "anthropic.count_tokens"])
def test_claude_is_not_shown_what_others_thought(dialect: str) -> None:
    text = {"type": "text", "text": "It is."}
    asked = [QUESTION, said(THOUGHT, FOREIGN_THOUGHT, FOREIGN_HIDDEN, HIDDEN, text), QUESTION]

    sent, dropped = moved(dialect, {"messages": asked, "new": 1})

    assert sent == {"messages": [QUESTION, said(THOUGHT, HIDDEN, text), QUESTION], "new": 1, "model": "m"}
    assert dropped == (THINKING,)


def test_a_turn_of_foreign_thoughts_alone_is_left_out_because_claude_refuses_empty_ones() -> None:
    sent, _ = moved("anthropic.messages", {"messages": [QUESTION, said(FOREIGN_THOUGHT), QUESTION]})

    assert sent["messages"] == [QUESTION, QUESTION]


def test_a_round_of_tools_that_others_began_goes_on_without_thinking() -> None:
    body = {
        "messages": [QUESTION, said(FOREIGN_THOUGHT, CALL), RESULT],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "context_management": {"edits": [{"type": "clear_thinking_20251015"}]},
    }

    sent, dropped = moved("anthropic.messages", body)

    assert sent == {"messages": [QUESTION, said(CALL), RESULT], "thinking": {"type": "disabled"}, "model": "m"}
    assert dropped == ("context_management", THINKING, "thinking")


@pytest.mark.parametrize(
    ("turns", "thinking"),
    [
        ([said(FOREIGN_THOUGHT, CALL), RESULT], {"type": "adaptive"}),
        (
            [said(FOREIGN_THOUGHT, CALL), RESULT, said(THOUGHT, CALL), RESULT],
            {"type": "enabled", "budget_tokens": 2000},
        ),
        (
            [said(FOREIGN_THOUGHT, CALL), RESULT, said({"type": "text", "text": "It is."}), QUESTION],
            {"type": "enabled"},
        ),
        ([said(FOREIGN_THOUGHT, CALL), RESULT], 7),
    ],
)
def test_in_all_other_places_it_thinks_on(turns: list[object], thinking: object) -> None:
    sent, dropped = moved("anthropic.messages", {"messages": [QUESTION, *turns], "thinking": thinking})

    assert (sent["thinking"], dropped) == (thinking, (THINKING,))


# --- Responses

REASONING = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": OWN}
FUNCTION = {"id": "fc_1", "type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}


def test_openai_is_not_sent_reasoning_that_others_sealed() -> None:
    asked = [QUESTION, {**REASONING, "encrypted_content": FOREIGN}, REASONING, FUNCTION]

    sent, dropped = moved("openai.responses", {"input": asked})

    assert sent["input"] == [QUESTION, REASONING, FUNCTION]
    assert dropped == ("input[].reasoning",)


# --- Chat Completions

HINT = {"type": "reasoning.text", "text": "Hm.", "signature": OWN, "index": 0}
SEALED = {"type": "reasoning.encrypted", "data": OWN, "index": 1}


def test_a_chat_service_is_not_sent_reasoning_that_others_signed() -> None:
    spoken = {"role": "assistant", "content": "It is.", "reasoning_content": "Hm."}
    details = [{**HINT, "signature": FOREIGN}, SEALED, {**SEALED, "data": FOREIGN}, HINT]
    foreign = {**spoken, "reasoning_details": [{**HINT, "signature": FOREIGN}]}

    sent, dropped = moved("openai.chat", {"messages": [{**spoken, "reasoning_details": details}, QUESTION, foreign]})

    assert sent["messages"] == [{**spoken, "reasoning_details": [SEALED, HINT]}, QUESTION, spoken]
    assert dropped == ("messages[].reasoning_details",)


# --- Gemini

LOOK = {"functionCall": {"name": "look", "args": {}}}
SIGNATURE = "contents[].parts[].thoughtSignature"


def model_says(*parts: object) -> dict:
    return {"role": "model", "parts": list(parts)}


@pytest.mark.parametrize("slot", ["thoughtSignature", "thought_signature"])
@pytest.mark.parametrize(
    ("model", "call"),
    [
        ("gemini-3-pro", {**LOOK, "thoughtSignature": "skip_thought_signature_validator"}),
        ("gemini-2.5-pro", LOOK),
    ],
)
def test_gemini_is_shown_its_own_signatures_alone(model: str, call: dict, slot: str) -> None:
    own = {"text": "I see.", slot: OWN}
    thought, empty, text = {"text": "Hm.", "thought": True}, {"text": ""}, {"text": "Look:"}
    parts = [{**one, slot: FOREIGN} for one in (thought, empty, text, LOOK)]

    sent, dropped = moved("gemini.generate", {"contents": [model_says(own, *parts)]}, model=model)

    assert sent == {"contents": [model_says(own, text, call)]}
    assert dropped == (SIGNATURE,)


def test_one_part_may_stand_where_a_list_is_meant() -> None:
    part = {"text": "Hm.", "thoughtSignature": FOREIGN}
    said_alone = {"role": "model", "parts": {"text": "", "thoughtSignature": FOREIGN}}

    sent, _ = moved("gemini.generate.array", {"contents": [{"role": "model", "parts": part}, said_alone]})

    assert sent == {"contents": [{"role": "model", "parts": {"text": "Hm."}}]}


@pytest.mark.parametrize("name", ["generateContentRequest", "generate_content_request"])
def test_a_count_of_tokens_is_asked_without_them_too(name: str) -> None:
    inner = {"contents": [model_says({"text": "Hm.", "thoughtSignature": FOREIGN})], "model": "models/m"}

    sent, dropped = moved("gemini.count_tokens", {name: inner})

    assert sent[name]["contents"] == [model_says({"text": "Hm."})]
    assert dropped == (SIGNATURE,)


# --- everything else stays as it is

UNTOUCHED = {
    "openai.chat": b'{"messages":[{"role":"assistant","reasoning_details":[ {"signature":"%b"} ]}]}',
    "anthropic.messages": b'{"messages":[{"role":"assistant", "content":[{"type":"thinking","signature":"%b"}]}]}',
    "openai.responses": b'{"input":[ {"type":"reasoning","encrypted_content":"%b"} ]}',
    "gemini.generate": b'{"contents":{"parts":[ {"text":"a","thoughtSignature":"%b"} ]}}',
}


@pytest.mark.parametrize("dialect", UNTOUCHED)
def test_own_signatures_stay_the_bytes_they_are(dialect: str) -> None:
    content = UNTOUCHED[dialect] % rb"ErUB\/own\u002bslot+dWcx=="
    call = Call("1", dialect, Caller("k", "n", "client", None), {}, peer="", started_ns=0)
    call.body = decode_body(content)

    sent = Straight(DIALECTS[dialect], shows_usage=False, names_model=False).outgoing(call, Target(PROVIDER, "m"))

    assert sent == content


@pytest.mark.parametrize(
    ("dialect", "field", "odd"),
    [
        ("openai.chat", "messages", [{"role": "user", "content": "dWcx"}, {"reasoning_details": "dWcx"}, "dWcx"]),
        ("openai.chat", "messages", [{"reasoning_details": [{"data": 7, "x": "dWcx"}, {"text": "dWcx"}]}]),
        ("anthropic.messages", "messages", '"dWcx'),
        ("anthropic.messages", "messages", {"role": "user", "content": '"dWcx'}),
        ("anthropic.messages", "messages", [{"content": [{"type": "text", "text": '"dWcx'}, "dWcx", {"type": 7}]}]),
        ("anthropic.messages", "messages", [{"contents": "dWcx"}, {"content": [{"type": 7, "data": "dWcx"}]}]),
        ("openai.responses", "input", [{"role": "user", "content": "dWcx"}, {"type": 1, "x": "dWcx"}, "dWcx"]),
        ("gemini.generate", "contents", [{"parts": [{"inlineData": {"data": "dWcx"}}, "dWcx"]}, "dWcx", {"x": "dWcx"}]),
        ("gemini.generate", "generateContentRequest", {"content": "dWcx"}),
    ],
)
def test_what_only_looks_like_one_or_makes_no_sense_is_carried(dialect: str, field: str, odd: object) -> None:
    sent, dropped = moved(dialect, {field: odd})

    assert (sent[field], dropped) == (odd, ())


def test_a_text_that_quotes_one_hides_none() -> None:
    quote = {"role": "user", "content": f'What is "{FOREIGN[:8]}?'}

    sent, _ = moved("anthropic.messages", {"messages": [quote, said(FOREIGN_THOUGHT, CALL), RESULT]})

    assert sent["messages"] == [quote, said(CALL), RESULT]
