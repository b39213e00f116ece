"""What is noticed of a Responses answer that is carried straight: its usage, its end, and every kind of failure."""

from __future__ import annotations

import json

import pytest

from unigate.dialects.crossing import Straight
from unigate.dialects.openai_responses.meter import ResponsesMeter
from unigate.dialects.table import DIALECTS
from unigate.errors import Fault, Kind
from unigate.usage import Usage

USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 14,
}


def event(type: str, **fields: object) -> bytes:
    return f"event: {type}\ndata: {json.dumps({'type': type, **fields})}\n\n".encode()


CREATED = event("response.created", response={"id": "resp_1", "status": "in_progress", "error": None, "usage": None})
DELTA = event("response.output_text.delta", delta='He said "error" and "response.failed"', output_index=0)
COMPLETED = event("response.completed", response={"status": "completed", "error": None, "usage": USAGE})
LIMITED = event(
    "response.failed",
    response={"status": "failed", "error": {"code": "rate_limit_exceeded", "message": "Slow down."}, "usage": USAGE},
)


def carried(*pieces: bytes) -> tuple[bytes, Kind | None, Usage]:
    """What a client is sent, the fault the answer ends with, and what is recorded as used."""
    crossing = Straight(DIALECTS["openai.responses"], shows_usage=False)
    crossing.begin(b"text/event-stream")
    sent = b""
    try:
        for piece in pieces:
            sent += crossing.feed(piece)
        sent += crossing.close()
    except Fault as fault:
        return sent, fault.kind, crossing.usage
    return sent, None, crossing.usage


def test_a_whole_stream_passes_unchanged_and_tells_its_usage() -> None:
    stream = CREATED + DELTA + COMPLETED
    assert carried(stream) == (stream, None, Usage(9, 5, 4, 2))


def test_a_type_far_into_an_event_is_still_the_end() -> None:
    response = {"instructions": "Be brief. " * 100, "status": "completed", "usage": USAGE}
    completed = b"data: " + json.dumps({"response": response, "type": "response.completed"}).encode() + b"\n\n"
    assert carried(DELTA, completed) == (DELTA + completed, None, Usage(9, 5, 4, 2))


def test_an_event_may_be_named_by_its_line_alone() -> None:
    completed = b'event: response.completed\ndata: {"response":{"usage":null}}\n\n'
    assert carried(DELTA, completed) == (DELTA + completed, None, Usage(output_tokens=2, estimated=True))


def test_what_follows_the_end_stays_behind_it() -> None:
    stream = DELTA + COMPLETED + b"data: [DONE]\n\n"
    assert carried(stream) == (stream, None, Usage(9, 5, 4, 2))


def test_a_cut_stream_is_no_end() -> None:
    assert carried(CREATED, DELTA)[1] is Kind.TRUNCATED


def test_incomplete_is_an_end() -> None:
    stream = DELTA + event("response.incomplete", response={"status": "incomplete", "usage": USAGE})
    assert carried(stream) == (stream, None, Usage(9, 5, 4, 2))


def test_a_call_that_fails_right_after_it_was_accepted_can_go_elsewhere() -> None:
    stream = CREATED + LIMITED
    assert carried(stream)[:2] == (b"", Kind.LIMITED)
    for at in range(1, len(stream)):
        assert carried(stream[:at], stream[at:])[:2] == (b"", Kind.LIMITED)


def test_a_failure_later_ends_the_answer_as_a_fault() -> None:
    assert carried(CREATED, DELTA + LIMITED) == (CREATED + DELTA, Kind.LIMITED, Usage(9, 5, 4, 2))


def test_the_record_of_a_failed_response_has_its_message() -> None:
    meter = ResponsesMeter(False)
    meter.watch(DELTA)
    meter.watch(LIMITED)
    assert meter.fault is not None
    assert meter.fault.told.message == "Slow down."


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": "rate_limit_exceeded", "message": "m"}, Kind.LIMITED),
        ({"code": "server_error", "message": "m"}, Kind.FAILED),
        ({"code": "server_is_overloaded", "message": "m"}, Kind.OVERLOADED),
        ({"code": "insufficient_quota", "message": "m"}, Kind.ACCOUNT),
        ({"code": "context_length_exceeded", "message": "m"}, Kind.REJECTED),
        ({"code": "invalid_prompt", "message": "m"}, Kind.REJECTED),
        ({"code": None, "type": "invalid_request_error", "message": "m"}, Kind.REJECTED),
        ({"code": 429, "message": "m"}, Kind.LIMITED),
        ({"message": "m"}, Kind.FAILED),
    ],
)
def test_an_error_event_is_a_fault_of_its_kind(error: dict[str, object], kind: Kind) -> None:
    nested = event("error", error=error, sequence_number=2)
    flat = b"event: error\ndata: " + json.dumps({"type": "error", **error}).encode() + b"\n\n"

    assert carried(nested)[1] is kind
    assert carried(flat)[1] is kind or "type" in error


def test_an_error_event_may_carry_the_type_of_its_error() -> None:
    flat = b'event: error\ndata: {"type":"server_error","code":"server_error","message":"Sorry."}\n\n'
    assert carried(CREATED, flat)[1] is Kind.FAILED


def test_a_whole_answer_that_failed_is_a_fault() -> None:
    meter = ResponsesMeter(False)
    with pytest.raises(Fault) as raised:
        meter.read(json.dumps({"status": "failed", "error": {"code": "rate_limit_exceeded"}, "usage": USAGE}).encode())
    assert (raised.value.kind, meter.usage) == (Kind.LIMITED, Usage(9, 5, 4, 2))


def test_a_whole_answer_tells_its_usage() -> None:
    meter = ResponsesMeter(False)
    meter.read(json.dumps({"status": "completed", "error": None, "usage": USAGE}).encode())
    assert meter.usage == Usage(9, 5, 4, 2)


def test_nonsense_in_the_usage_is_rejected() -> None:
    meter = ResponsesMeter(False)
    meter.read(b'{"status":"completed","usage":{"input_tokens":-1}}')
    assert meter.usage == Usage(estimated=True, rejected=True)
