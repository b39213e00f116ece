"""Answers as clients of the Messages API are told them."""

from __future__ import annotations

import json
from collections.abc import Iterable

import msgspec
import pytest

from unigate.conversation import (
    Answer,
    Asked,
    Begin,
    Citation,
    Cited,
    Close,
    Data,
    Delta,
    End,
    Event,
    Foreign,
    Image,
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
from unigate.dialects.anthropic_messages.answer_writer import MessagesWriter
from unigate.dialects.anthropic_messages.errors import error_body, error_event, read_fault
from unigate.dialects.anthropic_messages.meter import MessagesMeter
from unigate.dialects.collect import Collector, events_of
from unigate.dialects.signatures import wrap
from unigate.errors import Fault, Kind, Told
from unigate.usage import Usage

OWN = "anthropic.messages"
ASKED = Asked("req_1", "asked-model", 0)
BEGIN, SPENT = Begin("msg_1", "claude"), Spent(Usage(10, 5, 2, 3, cache_write_tokens=1))
USAGE = {
    "input_tokens": 7,
    "cache_creation_input_tokens": 1,
    "cache_read_input_tokens": 2,
    "output_tokens": 5,
    "output_tokens_details": {"thinking_tokens": 3},
}
NOTHING = {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0}


def told(*events: Event) -> list[dict[str, object]]:
    """The data of all events of a stream, each checked to bear its type as its name."""
    writer = MessagesWriter(ASKED)
    return parsed(b"".join(writer.write([event]) for event in events))


def parsed(stream: bytes) -> list[dict[str, object]]:
    assert stream == b"" or stream.endswith(b"\n\n")
    found: list[dict[str, object]] = []
    for event in stream.decode().split("\n\n")[:-1]:
        name, data = event.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def blocks(*events: Event) -> list[tuple[object, ...]]:
    """What is told of blocks: the index with what begins, comes or ends."""
    found = told(BEGIN, *events)[1:]
    return [(one["index"], one.get("content_block") or one.get("delta") or "stop") for one in found]


def whole(*content: object, reason: Reason = Reason.STOP) -> dict[str, object]:
    answer = Answer("msg_1", "claude", tuple(content), reason, None, SPENT.usage)
    return json.loads(MessagesWriter(ASKED).whole(answer))


def test_a_text() -> None:
    assert told(BEGIN, Open(0, Text("")), Delta(0, "Snow ❄"), Close(0), SPENT, End(Reason.STOP)) == [
        {
            "type": "message_start",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "claude",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "stop_details": None,
                "usage": NOTHING,
            },
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Snow ❄"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None, "stop_details": None},
            "usage": USAGE,
        },
        {"type": "message_stop"},
    ]


def test_the_beginning_tells_usage_that_came_with_it() -> None:
    assert parsed(MessagesWriter(ASKED).write([BEGIN, SPENT]))[0]["message"]["usage"] == USAGE


def test_the_beginning_waits_for_nothing() -> None:
    assert parsed(MessagesWriter(ASKED).write([BEGIN]))[0]["type"] == "message_start"


def test_an_answer_of_nothing() -> None:
    types = [one["type"] for one in parsed(MessagesWriter(ASKED).write([BEGIN, End(Reason.STOP)]))]

    assert types == ["message_start", "message_delta", "message_stop"]


def test_what_the_provider_did_not_tell_is_filled_in() -> None:
    (start,) = told(Begin("", ""))

    assert (start["message"]["id"], start["message"]["model"]) == ("msg_req_1", "asked-model")


def test_blocks_that_overlap_are_told_one_after_the_other() -> None:
    call = {"type": "tool_use", "id": "t1", "name": "look", "input": {}}

    assert blocks(
        Open(0, Text("")),
        Delta(0, "Let me see."),
        Open(1, ToolUse("t1", "look", "")),
        Open(2, ToolUse("t2", "look", "")),
        Delta(2, "{2"),
        Delta(1, "{1"),
        Delta(0, ".."),
        Close(0),
        Delta(2, "}"),
        Delta(1, "}"),
        Close(2),
        Close(1),
    ) == [
        (0, {"type": "text", "text": ""}),
        (0, {"type": "text_delta", "text": "Let me see."}),
        (0, {"type": "text_delta", "text": ".."}),
        (0, "stop"),
        (1, call),
        (1, {"type": "input_json_delta", "partial_json": "{1"}),
        (1, {"type": "input_json_delta", "partial_json": "}"}),
        (1, "stop"),
        (2, call | {"id": "t2"}),
        (2, {"type": "input_json_delta", "partial_json": "{2"}),
        (2, {"type": "input_json_delta", "partial_json": "}"}),
        (2, "stop"),
    ]


def test_a_thousand_blocks_that_overlap_are_all_told() -> None:
    opened = [Open(index, ToolUse(f"t{index}", "look", "")) for index in range(1000)]
    closed = [Close(index) for index in range(1, 1000)]

    found = told(BEGIN, *opened, *closed, End(Reason.TOOL_USE))

    assert [one["index"] for one in found if one["type"] == "content_block_stop"] == list(range(1000))
    assert found[-1] == {"type": "message_stop"}


def test_thoughts_are_signed_in_one_piece() -> None:
    assert blocks(
        Open(0, Thinking("", None, OWN)), Delta(0, "Hm."), Signed(0, "c2"), Signed(0, "ln"), Close(0)
    ) == [
        (0, {"type": "thinking", "thinking": "", "signature": ""}),
        (0, {"type": "thinking_delta", "thinking": "Hm."}),
        (0, {"type": "signature_delta", "signature": "c2ln"}),
        (0, "stop"),
    ]  # fmt: skip


LATE = (Open(1, Thinking("", origin="gemini.generate")), Signed(1, "c2ln"), Close(1))
SNOW = (Open(0, Text("")), Delta(0, "Snow"), Close(0))
CALL = (Open(2, ToolUse("t1", "look", "")), Delta(2, "{}"), Close(2))


def test_a_signature_that_hangs_on_the_last_text_makes_no_block() -> None:
    again = tuple(msgspec.structs.replace(event, index=2) for event in LATE)

    assert told(BEGIN, *SNOW, *LATE, End(Reason.STOP)) == told(BEGIN, *SNOW, End(Reason.STOP))
    assert blocks(*SNOW, *LATE, *again) == blocks(*SNOW)
    assert whole(Text("Snow"), Thinking("", "c2ln", "gemini.generate"))["content"] == [{"type": "text", "text": "Snow"}]


def test_a_signature_before_a_call_makes_one() -> None:
    slot = {"type": "thinking", "thinking": "", "signature": wrap("c2ln", "gemini.generate")}
    signed = Thinking("", "c2ln", "gemini.generate")

    found = blocks(*SNOW, *LATE, *CALL)

    assert [index for index, _ in found] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert found[4][1] == {"type": "signature_delta", "signature": slot["signature"]}
    assert whole(Text("Snow"), signed, ToolUse("t1", "look", "{}"))["content"][1] == slot


def test_thoughts_after_a_text_that_have_words_are_told() -> None:
    late, *signed = LATE
    found = blocks(*SNOW, late, Delta(1, "Cold."), *signed)

    assert [kind for _, kind in found[4:5]] == [{"type": "thinking_delta", "thinking": "Cold."}]
    assert len(found) == 7
    assert blocks(*LATE)[0] == (0, {"type": "thinking", "thinking": "", "signature": ""})


def test_signatures_of_other_services_are_wrapped() -> None:
    origin = "gemini.generate"

    assert blocks(Open(0, Thinking("", None, origin)), Signed(0, "c2ln"), Close(0))[1] == (
        0,
        {"type": "signature_delta", "signature": wrap("c2ln", origin)},
    )
    assert blocks(Open(0, Thinking("", "x", origin, redacted=True)), Close(0)) == [
        (0, {"type": "redacted_thinking", "data": wrap("x", origin)}),
        (0, "stop"),
    ]
    assert whole(Thinking("Hm.", "c2ln", origin), Thinking("", "x", OWN, redacted=True))["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": wrap("c2ln", origin)},
        {"type": "redacted_thinking", "data": "x"},
    ]


def test_thoughts_that_others_did_not_sign_say_whose_they_are() -> None:
    mark = wrap("", "openai.chat")

    assert blocks(Open(0, Thinking("", None, "openai.chat")), Delta(0, "Hm."), Close(0))[2] == (
        0,
        {"type": "signature_delta", "signature": mark},
    )
    assert whole(Thinking("Hm.", None, "openai.chat"), Thinking("Oh.", None, OWN))["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": mark},
        {"type": "thinking", "thinking": "Oh.", "signature": ""},
    ]


@pytest.mark.parametrize(
    ("citation", "place"),
    [
        (
            Citation("https://a.example", "A", "x"),
            {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "encrypted_index": ""},
        ),
        (
            Citation(None, "Report", "x", document=1, page=4),
            {"type": "page_location", "document_index": 1, "document_title": "Report", "start_page_number": 4,
             "end_page_number": 5},
        ),
        (
            Citation(None, None, "x", document=1),
            {"type": "char_location", "document_index": 1, "document_title": None, "start_char_index": 0,
             "end_char_index": 0},
        ),
    ],
)  # fmt: skip
def test_citations(citation: Citation, place: dict[str, object]) -> None:
    cited = place | {"cited_text": "x"}

    assert blocks(Open(0, Text("")), Cited(0, citation))[1] == (0, {"type": "citations_delta", "citation": cited})
    assert whole(Text("So.", citations=(citation,)))["content"] == [
        {"type": "text", "text": "So.", "citations": [cited]}
    ]


def test_blocks_of_the_clients_own_format_are_told_as_they_are() -> None:
    searched = Foreign(OWN, "server_tool_use", msgspec.Raw(b'{"type":"server_tool_use","id":"s1"}'))

    assert blocks(Open(0, searched), Close(0)) == [(0, {"type": "server_tool_use", "id": "s1"}), (0, "stop")]


def test_blocks_without_a_form_here_are_left_out_and_leave_no_gap() -> None:
    foreign = Foreign("openai.responses", "web_search_call", msgspec.Raw(b"{}"))
    picture = Image(Data("image/png", "QUJD"))

    assert blocks(
        Open(0, foreign), Close(0), Open(1, Text("")), Open(2, picture), Delta(1, "So."), Close(2), Close(1)
    ) == [(0, {"type": "text", "text": ""}), (0, {"type": "text_delta", "text": "So."}), (0, "stop")]  # fmt: skip
    assert whole(foreign, Text("So."), picture)["content"] == [{"type": "text", "text": "So."}]


def test_the_words_of_a_refusal_come_with_the_end() -> None:
    details = {"type": "refusal", "category": None, "explanation": "Not this."}

    end = told(BEGIN, Open(0, Refused("")), Delta(0, "Not "), Delta(0, "this."), Close(0), End(Reason.STOP))[1]
    body = whole(Refused("Not this."))

    assert end["delta"] == {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}
    assert (body["content"], body["stop_reason"], body["stop_details"]) == ([], "refusal", details)


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (Reason.STOP, "end_turn"),
        (Reason.STOP_SEQUENCE, "stop_sequence"),
        (Reason.LENGTH, "max_tokens"),
        (Reason.TOOL_USE, "tool_use"),
        (Reason.FILTER, "refusal"),
        (Reason.REFUSAL, "refusal"),
        (Reason.PAUSE, "pause_turn"),
    ],
)
def test_reasons_for_the_end(reason: Reason, word: str) -> None:
    assert told(BEGIN, End(reason, "END"))[1]["delta"]["stop_reason"] == word
    assert told(BEGIN, End(reason, "END"))[1]["delta"]["stop_sequence"] == "END"
    assert whole(reason=reason)["stop_reason"] == word


def test_a_whole_answer() -> None:
    assert whole(Text("So."), ToolUse("t1", "look", '{"at":1}'), ToolUse("t2", "see", ""), reason=Reason.TOOL_USE) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [
            {"type": "text", "text": "So."},
            {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}},
            {"type": "tool_use", "id": "t2", "name": "see", "input": {}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "stop_details": None,
        "usage": USAGE,
    }


RICH = Answer(
    "msg_1",
    "claude",
    (
        Thinking("Hm.", "c2ln", OWN),
        Thinking("", "ZGF0YQ==", OWN, redacted=True),
        Text("So.", citations=(Citation("https://a.example", "A", "x"),)),
        ToolUse("t1", "look", '{"at":1}'),
        Foreign(OWN, "server_tool_use", msgspec.Raw(b'{"type":"server_tool_use","id":"s1"}')),
        Refused("Not this."),
    ),
    Reason.TOOL_USE,
    None,
    Usage(10, 5, 2, 3, False, 1),
)


def test_what_is_written_is_read_again() -> None:
    assert MessagesReader(ASKED).read(MessagesWriter(ASKED).whole(RICH)) == RICH
    assert restreamed(events_of(RICH)) == RICH


def restreamed(events: Iterable[Event]) -> Answer:
    reader = MessagesReader(ASKED)
    found = reader.feed(MessagesWriter(ASKED).write(events))
    return Collector([*found, *reader.close()]).answer()


# --- errors, and the meter of what is carried straight


@pytest.mark.parametrize(
    ("status", "type"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (402, "billing_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
        (529, "overloaded_error"),
    ],
)
def test_errors_in_the_words_of_this_format(status: int, type: str) -> None:
    body = error_body(Told(status=status, code="x", message="No."))

    assert json.loads(body) == {"type": "error", "error": {"type": type, "message": "No."}}
    assert error_event(Told(status=status, code="x", message="No.")) == b"event: error\ndata: " + body + b"\n\n"


@pytest.mark.parametrize(
    ("status", "type", "message", "kind", "told"),
    [
        (400, "invalid_request_error", "messages: too long", Kind.REJECTED, 400),
        (400, "invalid_request_error", "Your credit balance is too low to go on.", Kind.ACCOUNT, 502),
        (401, "authentication_error", "invalid x-api-key", Kind.ACCOUNT, 502),
        (404, "not_found_error", "model: x", Kind.REJECTED, 404),
        (413, "request_too_large", "too large", Kind.REJECTED, 413),
        (429, "rate_limit_error", "slow down", Kind.LIMITED, 429),
        (500, "api_error", "oops", Kind.FAILED, 502),
        (529, "overloaded_error", "Overloaded", Kind.OVERLOADED, 503),
    ],
)
def test_errors_of_the_service(status: int, type: str, message: str, kind: Kind, told: int) -> None:
    content = json.dumps({"type": "error", "error": {"type": type, "message": message}}).encode()

    fault = read_fault(status, {b"retry-after": b"7"}, content)

    assert (fault.kind, fault.told.status) == (kind, told)
    assert (message in fault.told.message) is (kind is not Kind.ACCOUNT)
    assert fault.told.retry_after == ("7" if status in (429, 500, 529) else None)


def watched(*pieces: bytes) -> tuple[MessagesMeter, bytes, bytes]:
    meter = MessagesMeter(False)
    found = [meter.watch(piece) for piece in pieces]
    return meter, b"".join(now for now, _ in found), b"".join(last for _, last in found)


def test_a_meter_passes_everything_on_and_keeps_back_the_end() -> None:
    stream = MessagesWriter(ASKED).write(events_of(RICH))

    meter, now, last = watched(stream)

    assert now + last == stream
    assert last == b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    assert (meter.ended, meter.usage) == (True, Usage(10, 5, 2, 3, False, 1))


def test_a_meter_counts_what_summaries_of_the_conversation_took() -> None:
    passes = [
        {"type": "compaction", "input_tokens": 100, "output_tokens": 20, "cache_read_input_tokens": 50},
        {"type": "message", "input_tokens": 9, "output_tokens": 5},
    ]
    usage = {"input_tokens": 9, "output_tokens": 5, "iterations": passes}
    data = json.dumps({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}).encode()

    meter, _, _ = watched(b"event: message_delta\ndata: " + data + b"\n\n")

    assert meter.usage == Usage(159, 25, 50, None, False, 0)


def test_a_meter_reads_a_whole_answer() -> None:
    meter = MessagesMeter(False)
    meter.read(MessagesWriter(ASKED).whole(RICH))

    assert meter.usage == Usage(10, 5, 2, 3, False, 1)
    with pytest.raises(Fault, match="Busy"):
        meter.read(b'{"type":"error","error":{"type":"overloaded_error","message":"Busy."}}')
    with pytest.raises(Fault):
        meter.read(b"<html>")


def test_a_meter_ends_a_stream_with_the_error_in_it() -> None:
    error = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Busy."}}\n\n'
    begin = MessagesWriter(ASKED).write([BEGIN])

    with pytest.raises(Fault) as caught:
        watched(error)
    meter, now, last = watched(begin + error)

    assert caught.value.kind is Kind.OVERLOADED
    assert (now, last) == (begin, b"")
    assert meter.fault is not None
    assert meter.fault.kind is Kind.OVERLOADED


def test_a_meter_is_not_misled_by_what_a_model_says() -> None:
    words = 'He said: event: message_stop data: {"type":"message_stop"} "usage" "error"'
    stream = MessagesWriter(ASKED).write([BEGIN, Open(0, Text("")), Delta(0, words)])

    meter, now, last = watched(stream)

    assert (now, last, meter.ended, meter.fault) == (stream, b"", False, None)
