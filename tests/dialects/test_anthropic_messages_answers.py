"""Answers of a service that speaks the Messages API, as the neutral model has them."""

from __future__ import annotations

import json

import pytest

from unigate.conversation import (
    Answer,
    Asked,
    Begin,
    Citation,
    Cited,
    Close,
    Delta,
    End,
    Event,
    Foreign,
    Open,
    Reason,
    Refused,
    Signed,
    Spent,
    Text,
    Thinking,
    ToolUse,
)
from unigate.dialects.anthropic_messages.answer_reader import MessagesReader
from unigate.dialects.anthropic_messages.meter import MessagesMeter
from unigate.errors import Fault, Kind
from unigate.usage import Usage

OWN = "anthropic.messages"
ASKED = Asked("req_0123456789ab", "m", 0)
PING = b'event: ping\ndata: {"type": "ping"}\n\n'


def event(type: str, **fields: object) -> bytes:
    """One event as the service writes it, padding and all."""
    told = json.dumps({"type": type, **fields}, separators=(",", ":"), ensure_ascii=False)
    return f"event: {type}\ndata: {told[:-1]}    }}\n\n".encode()


def start(index: int, **block: object) -> bytes:
    return event("content_block_start", index=index, content_block=block)


def delta(index: int, type: str, **fields: object) -> bytes:
    return event("content_block_delta", index=index, delta={"type": type, **fields})


def stop(index: int) -> bytes:
    return event("content_block_stop", index=index)


def message(*blocks: bytes, reason: str = "end_turn", **details: object) -> list[bytes]:
    """A stream with these events in the middle."""
    usage = {"input_tokens": 7, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1, "output_tokens": 1}
    ending = {"stop_reason": reason, "stop_sequence": None} | details
    return [
        event("message_start", message={"id": "msg_1", "model": "claude", "content": [], "usage": usage}),
        *blocks,
        event("message_delta", delta=ending, usage={"output_tokens": 5}),
        event("message_stop"),
    ]


def read(*pieces: bytes, asked: Asked = ASKED) -> list[Event]:
    reader = MessagesReader(asked)
    events = [one for piece in pieces for one in reader.feed(piece)]
    return events + reader.close()


def blocks_of(*events: bytes) -> list[Event]:
    """What was told between the beginning and the end."""
    found = read(*message(*events))
    return found[2:-2]


def whole(*content: object, **fields: object) -> Answer:
    body = {"id": "msg_1", "type": "message", "model": "claude", "content": list(content), "stop_reason": "end_turn"}
    return MessagesReader(ASKED).read(json.dumps(body | fields).encode())


TEXT = (start(0, type="text", text=""), delta(0, "text_delta", text="Snow"), stop(0))


def test_a_text_with_its_usage() -> None:
    assert read(*message(*TEXT)) == [
        Begin("msg_1", "claude"),
        Spent(Usage(10, 1, 2, None, True, 1)),
        Open(0, Text("")),
        Delta(0, "Snow"),
        Close(0),
        Spent(Usage(10, 5, 2, None, False, 1)),
        End(Reason.STOP),
    ]


def test_pings_may_come_anywhere() -> None:
    quiet = read(*message(*TEXT))

    assert read(PING, *(piece for one in message(*TEXT) for piece in (one, PING))) == quiet


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_any_cut_says_the_same(size: int) -> None:
    stream = b"".join(message(*TEXT)).replace(b"Snow", "Schnee ❄".encode())

    assert read(*(stream[at : at + size] for at in range(0, len(stream), size))) == read(stream)


def test_thoughts_are_signed_and_some_are_hidden() -> None:
    assert blocks_of(
        start(0, type="thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="Hm."),
        delta(0, "signature_delta", signature="c2ln"),
        stop(0),
        start(1, type="redacted_thinking", data="ZGF0YQ=="),
        stop(1),
        start(2, type="thinking", thinking="", signature=""),
        delta(2, "signature_delta", signature="b25seQ=="),
        stop(2),
    ) == [
        Open(0, Thinking("", None, OWN)),
        Delta(0, "Hm."),
        Signed(0, "c2ln"),
        Close(0),
        Open(1, Thinking("", "ZGF0YQ==", OWN, redacted=True)),
        Close(1),
        Open(2, Thinking("", None, OWN)),
        Signed(2, "b25seQ=="),
        Close(2),
    ]


def test_calls_of_tools() -> None:
    assert blocks_of(
        start(0, type="tool_use", id="t1", name="look", input={}),
        delta(0, "input_json_delta", partial_json=""),
        delta(0, "input_json_delta", partial_json='{"at"'),
        delta(0, "input_json_delta", partial_json=":1}"),
        stop(0),
        start(1, type="tool_use", id="t2", name="see", input={}),
        stop(1),
        start(2, type="tool_use", id="", name="hear", input={"loud": True}),
        stop(2),
    ) == [
        Open(0, ToolUse("t1", "look", "")),
        Delta(0, '{"at"'),
        Delta(0, ":1}"),
        Close(0),
        Open(1, ToolUse("t2", "see", "")),
        Delta(1, "{}"),
        Close(1),
        Open(2, ToolUse("call_0123456789ab2", "hear", "")),
        Delta(2, '{"loud":true}'),
        Close(2),
    ]


@pytest.mark.parametrize(
    ("told", "citation"),
    [
        (
            {"type": "char_location", "cited_text": "It fell.", "document_index": 1, "document_title": "Snow",
             "start_char_index": 3, "end_char_index": 9},
            Citation(None, "Snow", "It fell.", document=1),
        ),
        (
            {"type": "page_location", "cited_text": "It fell.", "document_index": 0, "document_title": None,
             "start_page_number": 4, "end_page_number": 5},
            Citation(None, None, "It fell.", document=0, page=4),
        ),
        (
            {"type": "content_block_location", "cited_text": "x", "document_index": 0, "document_title": "Snow",
             "start_block_index": 0, "end_block_index": 1},
            Citation(None, "Snow", "x", document=0),
        ),
        (
            {"type": "web_search_result_location", "cited_text": "x", "url": "https://a.example", "title": "A",
             "encrypted_index": "e"},
            Citation("https://a.example", "A", "x"),
        ),
        (
            {"type": "search_result_location", "cited_text": "x", "source": "https://b.example", "title": "B",
             "search_result_index": 0, "start_block_index": 0, "end_block_index": 1},
            Citation("https://b.example", "B", "x"),
        ),
    ],
)  # fmt: skip
def test_every_kind_of_citation(told: dict[str, object], citation: Citation) -> None:
    streamed = blocks_of(start(0, type="text", text=""), delta(0, "citations_delta", citation=told), stop(0))

    assert streamed[1] == Cited(0, citation)
    assert whole({"type": "text", "text": "So.", "citations": [told]}).blocks == (Text("So.", citations=(citation,)),)


def test_calls_of_hosted_tools_and_their_results_are_kept_whole() -> None:
    result = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"url": "https://a.example"}]}

    found = blocks_of(
        start(0, type="server_tool_use", id="s1", name="web_search", input={}),
        delta(0, "input_json_delta", partial_json='{"query":'),
        delta(0, "input_json_delta", partial_json='"snow"}'),
        stop(0),
        start(1, **result),
        stop(1),
        start(2, type="compaction", content=None),
        delta(2, "compaction_delta", content="It was about snow."),
        stop(2),
    )

    foreign = [one.block for one in found if isinstance(one, Open) and isinstance(one.block, Foreign)]
    assert [one.index for one in found if isinstance(one, Open)] == [0, 1, 2]
    assert [(block.origin, block.kind, json.loads(bytes(block.raw))) for block in foreign] == [
        (
            OWN,
            "server_tool_use",
            {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "snow"}},
        ),
        (OWN, "web_search_tool_result", result),
        (OWN, "compaction", {"type": "compaction", "content": "It was about snow."}),
    ]


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", Reason.STOP),
        ("stop_sequence", Reason.STOP_SEQUENCE),
        ("max_tokens", Reason.LENGTH),
        ("model_context_window_exceeded", Reason.LENGTH),
        ("tool_use", Reason.TOOL_USE),
        ("pause_turn", Reason.PAUSE),
        ("refusal", Reason.REFUSAL),
        ("a_new_one", Reason.STOP),
    ],
)
def test_reasons_for_the_end(word: str, reason: Reason) -> None:
    assert read(*message(*TEXT, reason=word))[-1] == End(reason)
    assert whole({"type": "text", "text": "So."}, stop_reason=word).reason is reason


def test_the_sequence_that_ended_the_answer_is_told() -> None:
    assert read(*message(*TEXT, reason="stop_sequence", stop_sequence="END"))[-1] == End(Reason.STOP_SEQUENCE, "END")


def test_an_answer_that_calls_a_tool_ends_for_that() -> None:
    call = (start(0, type="tool_use", id="t", name="look", input={}), stop(0))

    assert read(*message(*call))[-1] == End(Reason.TOOL_USE)
    assert whole({"type": "tool_use", "id": "t", "name": "look", "input": {}}).reason is Reason.TOOL_USE


def test_the_words_of_a_refusal() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "Not this."}

    assert read(*message(*TEXT, reason="refusal", stop_details=details))[5:-2] == [
        Open(1, Refused("")),
        Delta(1, "Not this."),
        Close(1),
    ]
    assert whole(stop_reason="refusal", stop_details=details).blocks == (Refused("Not this."),)


def test_a_whole_answer() -> None:
    usage = {"input_tokens": 7, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 0, "output_tokens": 9}
    details = {"output_tokens_details": {"thinking_tokens": 4}}

    assert whole(
        {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZGF0YQ=="},
        {"type": "text", "text": "So.", "citations": None},
        {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}},
        usage=usage | details,
    ) == Answer(
        "msg_1",
        "claude",
        (
            Thinking("Hm.", "c2ln", OWN),
            Thinking("", "ZGF0YQ==", OWN, redacted=True),
            Text("So."),
            ToolUse("t1", "look", '{"at": 1}'),
        ),
        Reason.TOOL_USE,
        None,
        Usage(9, 9, 2, 4, False, 0),
    )


def test_texts_that_were_never_begun_and_begun_with_words() -> None:
    assert blocks_of(delta(0, "text_delta", text="So."), stop(0)) == [Open(0, Text("")), Delta(0, "So."), Close(0)]
    assert blocks_of(start(0, type="text", text="So."), stop(0)) == [Open(0, Text("")), Delta(0, "So."), Close(0)]


def test_a_thought_may_be_told_where_it_begins() -> None:
    assert blocks_of(start(0, type="thinking", thinking="Hm.", signature="c2ln"), stop(0)) == [
        Open(0, Thinking("", None, OWN)),
        Delta(0, "Hm."),
        Signed(0, "c2ln"),
        Close(0),
    ]


def test_an_answer_that_never_said_it_began() -> None:
    usage = Spent(Usage(None, 5))

    assert read(*message(*TEXT)[1:]) == [
        Begin("", ""),
        Open(0, Text("")),
        Delta(0, "Snow"),
        Close(0),
        usage,
        End(Reason.STOP),
    ]
    assert read(*message()[1:]) == [Begin("", ""), usage, End(Reason.STOP)]


def test_nothing_after_the_end_is_heard() -> None:
    assert read(*message(*TEXT), delta(0, "text_delta", text=" too late")) == read(*message(*TEXT))


def test_a_stream_without_its_end_is_cut_off() -> None:
    reader = MessagesReader(ASKED)
    for piece in message(*TEXT)[:-1]:
        reader.feed(piece)

    with pytest.raises(Fault) as caught:
        reader.close()
    assert caught.value.kind is Kind.TRUNCATED


def test_usage_of_a_stream_that_was_left_is_an_estimate() -> None:
    reader, meter = MessagesReader(ASKED), MessagesMeter(False)
    words = [delta(0, "text_delta", text="x")] * 4
    for piece in [message()[0], TEXT[0], *words]:
        reader.feed(piece)
        meter.watch(piece)

    assert reader.usage == Usage(10, 4, 2, None, True, 1)
    assert meter.usage == Usage(10, 6, 2, None, True, 1)


def test_usage_that_nobody_told_is_an_estimate() -> None:
    reader = MessagesReader(ASKED)
    for piece in TEXT:
        reader.feed(piece)

    assert reader.usage == Usage(None, 1, estimated=True)


@pytest.mark.parametrize("told", [{"input_tokens": "many"}, {"output_tokens": -1}, []])
def test_usage_that_makes_no_sense_is_rejected(told: object) -> None:
    assert whole({"type": "text", "text": "So."}, usage=told).usage == Usage(None, 1, estimated=True, rejected=True)
    assert whole({"type": "text", "text": "So."}, usage=None).usage == Usage(None, 1, estimated=True)


def test_what_the_cache_keeps_for_an_hour_is_told_apart() -> None:
    told = {"input_tokens": 1, "output_tokens": 2, "cache_creation_input_tokens": 9}
    usage = whole(
        {"type": "text", "text": "So."}, usage={**told, "cache_creation": {"ephemeral_1h_input_tokens": 4}}
    ).usage

    assert usage == Usage(10, 2, None, cache_write_tokens=9, cache_write_hour_tokens=4)


@pytest.mark.parametrize(
    ("type", "kind", "status"),
    [
        ("overloaded_error", Kind.OVERLOADED, 503),
        ("rate_limit_error", Kind.LIMITED, 429),
        ("invalid_request_error", Kind.REJECTED, 400),
        ("authentication_error", Kind.ACCOUNT, 502),
        ("billing_error", Kind.ACCOUNT, 502),
        ("permission_error", Kind.ACCOUNT, 502),
        ("not_found_error", Kind.REJECTED, 404),
        ("request_too_large", Kind.REJECTED, 413),
        ("api_error", Kind.FAILED, 502),
        ("timeout_error", Kind.SLOW, 504),
    ],
)
def test_an_error_within_an_answer(type: str, kind: Kind, status: int) -> None:
    told = {"type": "error", "error": {"type": type, "message": "No."}}
    reader = MessagesReader(ASKED)

    with pytest.raises(Fault) as streamed:
        reader.feed(message()[0] + event("error", error=told["error"]))
    with pytest.raises(Fault) as plain:
        MessagesReader(ASKED).read(json.dumps(told).encode())

    assert [(one.value.kind, one.value.told.status) for one in (streamed, plain)] == [(kind, status)] * 2


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"id":"x"}', b'{"content":[5]}'])
def test_what_is_no_message_is_a_fault(content: bytes) -> None:
    with pytest.raises(Fault) as caught:
        MessagesReader(ASKED).read(content)
    assert caught.value.kind is Kind.INVALID


@pytest.mark.parametrize(
    "piece",
    [
        b"event: content_block_delta\ndata: nonsense\n\n",
        delta(3, "input_json_delta", partial_json="{"),
        event("content_block_start", index=0, content_block=5),
    ],
)
def test_events_that_make_no_sense_are_a_fault(piece: bytes) -> None:
    with pytest.raises(Fault) as caught:
        MessagesReader(ASKED).feed(piece)
    assert caught.value.kind is Kind.INVALID


def test_an_error_told_as_plain_json_in_a_stream() -> None:
    with pytest.raises(Fault) as caught:
        MessagesReader(ASKED).feed(b'{"type":"error","error":{"type":"overloaded_error","message":"Busy."}}\n\n')
    assert caught.value.kind is Kind.OVERLOADED
