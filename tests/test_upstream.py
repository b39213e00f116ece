"""The upstream's side: whatever a provider does, the client sees the truth and the record tells it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness import (
    KEY,
    LIMITED_KEY,
    OK,
    UPSTREAM_KEY,
    Answer,
    Door,
    Mock,
    answer_ok,
    chat,
    provider,
    raw_upstream,
    read_request,
    refusing_port,
    request,
    route,
    start_door,
    start_mock,
    until,
)
from unigate.accounting.record import FailedAttempt, Record
from unigate.config import ServerSettings
from unigate.target import Timeouts
from unigate.upstream.pool import Origin, Pool
from unigate.usage import Usage

SHORT = Timeouts(connect=1.0, write=1.0, first_byte=0.5, idle=0.5, total=0.9)
SLOW = Timeouts(first_byte=2.0, idle=2.0)
MIB = 1024 * 1024

FIRST_TARGETS = {
    "down": ("down", "x"),
    "429": ("mock", "script:status=429,retry_after=7,tokens=1"),
    "502": ("mock", "script:status=502,tokens=1"),
    "503": ("mock", "script:status=503,tokens=1"),
    "529": ("mock", "script:status=529,tokens=1"),
    "504": ("mock", "script:status=504,tokens=1"),
    "401": ("mock", "script:status=401,tokens=1"),
    "500": ("mock", "script:status=500,tokens=1"),
    "400": ("mock", "script:status=400,tokens=1"),
    "silence": ("mock", "script:stall=head,tokens=1"),
    # Later than a kept connection that was dead already: this one may have run the call.
    "hang-up": ("mock", "script:latency=300,cut=head,close,tokens=1"),
    "cut": ("mock", "script:cut=events:2,tokens=7"),
    "nonsense": ("mock", "script:body=html,tokens=1"),
    "slow 503": ("mock", "script:status=503,latency=300,tokens=1"),
}
ROUTES = (
    *(route(f"after-{name}", target, ("mock", "script:text=second")) for name, target in FIRST_TARGETS.items()),
    route("all-gone", ("down", "x"), ("mock", "script:status=503,tokens=2"), ("mock", "script:status=429,tokens=2")),
    route("four", *[("down", str(n)) for n in range(4)]),
)


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


@pytest.fixture(scope="module")
def door(mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with refusing_port() as nobody:
        providers = (
            provider("mock", mock.port),
            provider("short", mock.port, SHORT),
            provider("down", nobody),
            provider("kept", mock.port, Timeouts(first_byte=5.0)),
        )
        with start_door(tmp_path_factory.mktemp("door"), *providers, routes=ROUTES) as door:
            yield door


def ended_as(record: Record) -> tuple[int, str, str | None]:
    return record.status, record.end, record.error


# --- the healthy case


def test_an_answer_passes_unchanged(door: Door, mock: Mock) -> None:
    answer = door.call("mock/script:text=hello%20there,cached=1")
    call = mock.ended("script:text=hello%20there,cached=1")
    content = answer.json()
    assert (answer.text, content["id"]) == ("hello there", f"chatcmpl-{call['id']}")
    record = door.record(answer)
    usage = content["usage"]
    assert isinstance(usage, dict)
    assert record.usage == Usage(usage["prompt_tokens"], usage["completion_tokens"], 1, record.usage.reasoning_tokens)
    assert (ended_as(record), record.name, record.provider) == ((200, "ok", None), "tests", "mock")
    assert (record.upstream_request_id, record.attempts) == (call["id"], ())


def test_a_stream_passes_unchanged(door: Door) -> None:
    answer = door.call("mock/script:text=one%20two%20three", stream=True)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (answer.streamed_text, answer.events[-1], answer.cut) == ("one two three", "data: [DONE]", False)
    assert all(chunk.endswith(b"\n\n") for chunk in answer.chunks)
    record = door.record(answer)
    assert (ended_as(record), record.streamed, record.usage.output_tokens) == ((200, "ok", None), True, 3)


# --- faults before there is anything to show

BEFORE = {
    "stall=head": (504, "upstream_first_byte_timeout"),
    "stall=status": (504, "upstream_first_byte_timeout"),
    "cut=head": (502, "upstream_connection"),
    "reset=head": (502, "upstream_connection"),
    "cut=status": (502, "upstream_connection"),
    "reset=status": (502, "upstream_connection"),
    "head=garbage": (502, "upstream_protocol"),
    "head=nocolon": (502, "upstream_protocol"),
    "head=fold": (502, "upstream_protocol"),
    "head=nul": (502, "upstream_protocol"),
    "head=both": (502, "upstream_protocol"),
    "head=twolengths": (502, "upstream_protocol"),
    "head=badlength": (502, "upstream_protocol"),
    "bighead=70000": (502, "upstream_protocol"),
    "br_label": (502, "upstream_encoding"),
    "zstd_label": (502, "upstream_encoding"),
}
INSTEAD = {
    "stall=events:0": (504, "upstream_idle_timeout"),
    "stall=mid": (504, "upstream_idle_timeout"),
    "cut=mid": (502, "upstream_truncated"),
    "cut=end": (502, "upstream_truncated"),
    "reset=mid": (502, "upstream_truncated"),
    "short=9": (504, "upstream_idle_timeout"),
    "short=9,keepalive=close": (502, "upstream_truncated"),
    "badchunk,size=200000": (502, "upstream_protocol"),
    "body=html": (502, "upstream_invalid_answer"),
    "body=html,type=text/html": (502, "upstream_invalid_answer"),
    "body=empty": (502, "upstream_invalid_answer"),
    "body=null": (502, "upstream_invalid_answer"),
    "body=notjson": (502, "upstream_invalid_answer"),
    "body=array": (502, "upstream_invalid_answer"),
    "body=cut": (502, "upstream_invalid_answer"),
    "body=deep": (502, "upstream_invalid_answer"),
    "gzip_cut": (502, "upstream_truncated"),
    "gzip_cut,close": (502, "upstream_truncated"),
    "gzip_bad": (502, "upstream_encoding"),
    "gzip_label": (502, "upstream_encoding"),
    "inband": (502, "upstream_error"),
}


@pytest.mark.parametrize("script", [*BEFORE, *INSTEAD])
def test_a_fault_before_the_answer_is_an_error_of_its_own_kind(door: Door, script: str) -> None:
    status, code = {**BEFORE, **INSTEAD}[script]
    begun = time.monotonic()
    answer = door.call(f"mock/script:{script}")
    assert answer.error == (status, code, None)
    assert answer.headers["x-should-retry"] == "false"
    assert time.monotonic() - begun < 8.0  # by the deadline, on a machine with much else to do
    record = door.record(answer)
    assert (ended_as(record), [a.end for a in record.attempts][-1:]) == ((status, code, code), [code])


@pytest.mark.parametrize("script", [*BEFORE, "body=html,type=text/html", "redirect=http://127.0.0.1:1/"])
def test_a_fault_before_the_first_event_of_a_stream_is_the_same_error(door: Door, script: str) -> None:
    answer = door.call(f"mock/script:{script}", stream=True)
    known = {"body=html,type=text/html": (502, "upstream_invalid_answer")}
    assert answer.error == (*{**BEFORE, **known}.get(script, (502, "upstream_protocol")), None)


def test_an_upstream_that_is_down_is_502_and_may_be_tried_again(door: Door) -> None:
    answer = door.call("down/x")
    assert (answer.error, "x-should-retry" in answer.headers) == ((502, "upstream_unreachable", None), False)
    assert ended_as(door.record(answer)) == (502, "upstream_unreachable", "upstream_unreachable")


@pytest.mark.parametrize("fault", ["accept-reset", "accept-close"])
def test_an_upstream_that_hangs_up_on_every_connection_is_502(fault: str, tmp_path: Path) -> None:
    # Which of the two it is depends on how far the connection got.
    either = ((502, "upstream_connection"), (502, "upstream_unreachable"))
    with start_mock("--fault", fault) as bad, start_door(tmp_path, provider("bad", bad.port)) as door:
        assert door.call("bad/x").error[:2] in either
        assert door.call("bad/x", user="x" * 3 * MIB).error[:2] in either


def test_an_upstream_that_answers_before_the_body_is_heard(tmp_path: Path) -> None:
    with start_mock("--fault", "early-answer") as bad, start_door(tmp_path, provider("bad", bad.port)) as door:
        assert door.call("bad/x").error == (413, "upstream_rejected", None)
        assert door.call("bad/x", user="x" * 3 * MIB).error[0] in (413, 502)


def test_a_body_that_nobody_reads_ends_at_its_deadline(tmp_path: Path) -> None:
    times = Timeouts(connect=1.0, write=0.5, first_byte=0.7, idle=1.0, total=5.0)
    rest = threading.Event()

    def serve(connection: socket.socket) -> None:
        rest.wait(30)

    with raw_upstream(serve) as deaf, start_door(tmp_path, provider("deaf", deaf.port, times)) as door:
        assert door.call("deaf/x").error == (504, "upstream_first_byte_timeout", None)
        assert door.call("deaf/x", user="x" * 16 * MIB).error == (504, "upstream_write_timeout", None)
        rest.set()


def test_a_redirect_is_not_followed_and_the_key_not_sent_there(door: Door) -> None:
    with raw_upstream(lambda connection: connection.sendall(OK)) as canary:
        for status in (301, 302, 303, 307, 308):
            answer = door.call(f"mock/script:redirect=http%3A//127.0.0.1%3A{canary.port}/v1,status={status}")
            assert answer.error == (502, "upstream_protocol", None)
        assert canary.count == 0


# --- faults in the middle of a stream

MIDDLE = {
    "cut=events:3": "upstream_truncated",
    "reset=events:3": "upstream_truncated",
    "stall=events:3": "upstream_idle_timeout",
    "cut=mid:4": "upstream_truncated",
    "reset=mid:4": "upstream_truncated",
    "cut=events:3,close": "upstream_truncated",
    "cut=mid:4,close": "upstream_truncated",
    "cut=end": "upstream_truncated",
    "badchunk": "upstream_protocol",
    "nodone,nofinish": "upstream_truncated",
    "nodone,nofinish,close": "upstream_truncated",
    "inband=3": "upstream_error",
    "inband=3,merge": "upstream_error",
    "gzip,cut=events:3": "upstream_truncated",
}


@pytest.mark.parametrize("script", MIDDLE)
def test_a_fault_in_a_stream_is_an_error_event_and_never_an_end(door: Door, script: str) -> None:
    answer = door.call(f"mock/script:{script}", stream=True)
    assert (answer.status, answer.last_error, answer.cut) == (200, MIDDLE[script], False)
    assert b"[DONE]" not in answer.body
    assert all(chunk.endswith(b"\n\n") for chunk in answer.chunks)
    assert all("choices" in json.loads(event[6:]) for event in answer.events[:-1])
    record = door.record(answer)
    assert (ended_as(record), [a.end for a in record.attempts]) == (
        (200, MIDDLE[script], MIDDLE[script]),
        [MIDDLE[script]],
    )


def test_comments_for_ever_end_at_the_total_deadline(door: Door, mock: Mock) -> None:
    model = "script:stall=pings:2,pace=50"
    begun = time.monotonic()
    answer = door.call(f"short/{model}", stream=True)
    assert 0.8 <= time.monotonic() - begun <= 6.0
    assert (answer.last_error, b": ping" in answer.body) == ("upstream_total_timeout", True)
    assert mock.ended(model)["closed_by"] == "client"


def test_an_error_before_the_first_event_is_a_status(door: Door) -> None:
    answer = door.call("mock/script:inband=0", stream=True)
    assert answer.error == (502, "upstream_error", None)


def test_a_stream_without_done_but_finished_is_fine_and_nothing_is_invented(door: Door) -> None:
    answer = door.call("mock/script:nodone,text=all%20there", stream=True)
    assert (answer.streamed_text, answer.cut, b"[DONE]" in answer.body) == ("all there", False, False)
    assert ended_as(door.record(answer)) == (200, "ok", None)


SPELLINGS = ["crlf", "cr", "bom", "comments", "nospace", "multiline", "notail", "split=7", "split=1,tokens=3", "merge"]


@pytest.mark.parametrize("script", SPELLINGS)
def test_a_stream_is_carried_byte_for_byte_however_it_is_spelled(door: Door, mock: Mock, script: str) -> None:
    direct = mock_answer(mock, f"script:{script}", stream=True, stream_options={"include_usage": True})
    answer = door.call(f"mock/script:{script}", stream=True, stream_options={"include_usage": True})
    assert same_numbers(answer.body) == same_numbers(direct.body)
    assert ended_as(door.record(answer)) == (200, "ok", None)


def mock_answer(mock: Mock, model: str, **more: object) -> Answer:
    """What the mock says without a gateway between."""
    return Door(mock.port, mock.process, Path()).call(model, key=UPSTREAM_KEY, **more)


def same_numbers(body: bytes) -> bytes:
    """The body without the call's number, the one thing that differs between two answers."""
    at = body.find(b"mock0")
    return body.replace(body[at : at + 12], b"mock") if at >= 0 else body


# --- encodings


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "gzip_members"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_compressed_answer_is_unpacked(door: Door, encoding: str, stream: bool) -> None:
    answer = door.call(f"mock/script:{encoding},text=un%20packed", stream=stream)
    assert (answer.streamed_text if stream else answer.text) == "un packed"
    assert "content-encoding" not in answer.headers


def test_a_bomb_stops_at_the_cap(door: Door) -> None:
    before = door.memory()
    assert door.call("kept/script:bomb=100000000").error == (502, "upstream_too_large", None)
    assert door.memory() - before < 80 * MIB


def test_large_answers_leave_their_connection_fit_for_the_next_call(door: Door) -> None:
    sizes = [300_000, 10, 2_000_000, 10, 700_000, 100_000, 10] * 3
    answers = [door.call(f"kept/script:size={size}") for size in sizes]
    assert [(a.status, len(a.text)) for a in answers] == [(200, size) for size in sizes]


# --- what a client is told of an upstream's error


def test_every_status_is_told_as_the_documentation_says(door: Door) -> None:
    told = {status: door.call(f"mock/script:status={status}").error[0] for status in range(400, 600)}
    kept = {status: status for status in (400, 404, 413, 422, 429)}
    account = dict.fromkeys((401, 402, 403), 502)
    busy = {503: 503, 529: 503, 504: 504, 524: 504}
    assert told == {status: 400 if status < 500 else 502 for status in range(400, 600)} | kept | account | busy


def test_an_error_is_rebuilt_from_the_allow_list(door: Door) -> None:
    answer = door.call("mock/script:status=422,error=odd_type/odd_code,message=Mind%20the%20gap,retry_after=9")
    detail = answer.json()["error"]
    assert detail == {
        "message": "Mind the gap",
        "type": "invalid_request_error",
        "param": None,
        "code": "odd_code",
    }


def test_a_limit_is_passed_on_with_its_retry_after(door: Door) -> None:
    answer = door.call("mock/script:status=429,retry_after=7,error=requests/rate_limit_exceeded")
    assert (answer.error, answer.headers["retry-after"]) == ((429, "rate_limit_exceeded", None), "7")
    assert "x-should-retry" not in answer.headers


def test_our_own_empty_account_is_not_the_clients_limit(door: Door) -> None:
    answer = door.call("mock/script:status=429,error=insufficient_quota/insufficient_quota,message=Pay%20us")
    assert answer.error == (502, "upstream_account", None)
    assert b"Pay us" not in answer.body


@pytest.mark.parametrize(
    ("script", "stream"), [("status=400", False), ("status=500", True), ("inband", False), ("inband=2", True)]
)
def test_an_echoed_credential_goes_no_further(door: Door, script: str, stream: bool) -> None:
    answer = door.call(f"mock/script:{script},echo_key", stream=stream)
    assert b"The credential was" in answer.body
    assert UPSTREAM_KEY.encode() not in answer.body
    assert UPSTREAM_KEY not in door.log()


def test_a_redirect_or_error_with_a_huge_body_is_still_an_error(door: Door) -> None:
    assert door.call("mock/script:status=400,body=deep").error == (400, "upstream_rejected", None)


# --- usage


def test_the_usage_chunk_is_withheld_from_a_client_that_did_not_ask(door: Door) -> None:
    answer = door.call("mock/script:text=a%20b%20c", stream=True)
    assert b'"usage"' not in answer.body
    assert door.record(answer).usage == Usage(1, 3, 0, 0)


@pytest.mark.parametrize("options", [b'{"include_usage":true}', b'{ "include_usage" :\n\ttrue }'])
def test_the_usage_chunk_is_shown_to_a_client_that_asked(door: Door, options: bytes) -> None:
    body = chat("mock/script:text=a%20b%20c", stream=True, stream_options="OPTIONS").replace(b'"OPTIONS"', options)
    answer = door.ask(request(body))
    last = json.loads(answer.events[-2][6:])
    assert (last["choices"], last["usage"]["completion_tokens"], answer.events[-1]) == ([], 3, "data: [DONE]")
    assert door.record(answer).usage == Usage(1, 3, 0, 0)


@pytest.mark.parametrize("lie", ["none", "negative", "huge", "string", "null"])
def test_a_stream_without_sane_usage_is_estimated_and_shows_no_chunk_without_choices(door: Door, lie: str) -> None:
    answer = door.call(f"mock/script:usage={lie},tokens=5", stream=True)
    chunks = [json.loads(event[6:]) for event in answer.events[:-1]]
    assert [chunk for chunk in chunks if not chunk["choices"]] == []
    usage = door.record(answer).usage
    assert (usage.input_tokens, usage.estimated, 5 <= (usage.output_tokens or 0) <= 7) == (None, True, True)


@pytest.mark.parametrize("lie", ["none", "negative", "huge", "string", "null"])
def test_usage_that_is_not_sane_is_unknown_and_never_zero(door: Door, lie: str) -> None:
    usage = door.record(door.call(f"mock/script:usage={lie},tokens=5")).usage
    assert (usage.input_tokens, usage.output_tokens) == (None, None)


def test_cumulative_usage_counts_once(door: Door) -> None:
    answer = door.call("mock/script:usage=repeated,tokens=5", stream=True)
    assert door.record(answer).usage.output_tokens == 5


# --- heartbeats


@pytest.fixture(scope="module")
def beating(mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A door that says something after 0.2 s of silence."""
    settings = ServerSettings(heartbeat=0.2)
    slow = Timeouts(first_byte=0.9, idle=0.9, total=5.0)
    with start_door(tmp_path_factory.mktemp("beating"), provider("mock", mock.port, slow), server=settings) as door:
        yield door


def test_a_waiting_stream_is_told_that_it_still_waits(beating: Door) -> None:
    begun = time.monotonic()
    answer = beating.call("mock/script:latency=700,text=at%20last", stream=True)
    assert answer.events[0] == ": still waiting"
    assert 2 <= answer.events.count(": still waiting") <= (time.monotonic() - begun) / 0.2
    assert (answer.streamed_text, answer.events[-1]) == ("at last", "data: [DONE]")


def test_a_silent_stream_is_told_that_it_still_waits(beating: Door) -> None:
    answer = beating.call("mock/script:pace=300,text=a%20b", stream=True)
    assert answer.events.count(": still waiting") >= 3
    assert answer.streamed_text == "a b"


def test_heartbeats_do_not_set_back_the_upstreams_clock(beating: Door) -> None:
    begun = time.monotonic()
    answer = beating.call("mock/script:stall=head,text=never", stream=True)
    assert 0.8 <= time.monotonic() - begun <= 6.0
    assert (answer.status, answer.last_error) == (200, "upstream_first_byte_timeout")
    assert answer.events[:-1] == [": still waiting"] * len(answer.events[:-1])


def test_an_unstreamed_call_gets_no_heartbeat(beating: Door) -> None:
    answer = beating.call("mock/script:latency=500,text=whole")
    assert (answer.text, b"still waiting" in answer.body) == ("whole", False)


@pytest.mark.parametrize("late", ["head", "body"])
def test_an_answer_in_one_piece_is_never_mixed_with_comments(tmp_path: Path, late: str) -> None:
    head, _, body = OK.partition(b"\r\n\r\n")

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        if late == "body":
            connection.sendall(head + b"\r\n\r\n")
        time.sleep(0.5)
        connection.sendall(OK if late == "head" else body)

    with raw_upstream(serve) as upstream:
        told = provider("raw", upstream.port, SLOW)
        with start_door(tmp_path, told, server=ServerSettings(heartbeat=0.1)) as door:
            answer = door.call("raw/x", stream=True)
            record = door.record(answer)
    if late == "body":
        assert (answer.body, answer.headers["content-type"]) == (body, "application/json")
        assert ended_as(record) == (200, "ok", None)
    else:
        assert answer.events[0] == ": still waiting"
        assert (answer.last_error, answer.headers["content-type"]) == (
            "upstream_invalid_answer",
            "text/event-stream; charset=utf-8",
        )
        assert ended_as(record) == (200, "upstream_invalid_answer", "upstream_invalid_answer")


# --- the next target


@pytest.mark.parametrize("name", ["down", "429", "502", "503", "529", "504", "401"])
@pytest.mark.parametrize("stream", [False, True])
def test_falls_over_before_the_first_byte(door: Door, name: str, stream: bool) -> None:
    ends = {
        "down": "upstream_unreachable",
        "429": "upstream_rate_limited",
        "502": "upstream_bad_gateway",
        "503": "upstream_overloaded",
        "529": "upstream_overloaded",
        "504": "upstream_gateway_timeout",
        "401": "upstream_account",
    }
    answer = door.call(f"after-{name}", stream=stream)
    assert (answer.streamed_text if stream else answer.text) == "second"
    record = door.record(answer)
    provider_name, model = FIRST_TARGETS[name]
    (failed,) = record.attempts
    assert failed == FailedAttempt(provider_name, model, ends[name], failed.us)
    assert (ended_as(record), record.provider, record.target) == ((200, "ok", None), "mock", "script:text=second")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("500", (502, "upstream_error", None)),
        ("400", (400, "upstream_rejected", None)),
        ("silence", (504, "upstream_first_byte_timeout", None)),
        ("hang-up", (502, "upstream_connection", None)),
        ("nonsense", (502, "upstream_invalid_answer", None)),
    ],
)
def test_never_falls_over_where_the_call_may_have_run(
    door: Door, name: str, error: tuple[int, str, str | None]
) -> None:
    answer = door.call(f"after-{name}")
    assert (answer.error[0], len(door.record(answer).attempts)) == (error[0], 1)
    assert door.record(answer).target == FIRST_TARGETS[name][1]


def test_never_falls_over_after_the_first_byte(door: Door) -> None:
    answer = door.call("after-cut", stream=True)
    assert (answer.last_error, b"second" in answer.body) == ("upstream_truncated", False)


def test_waiting_for_a_target_that_failed_is_not_our_own_time(door: Door) -> None:
    answer = door.call("after-slow 503")
    record = door.record(answer)
    assert record.overhead_us is not None
    assert 0 < record.overhead_us <= record.total_us - 300_000
    assert 0 < float(answer.headers["x-unigate-overhead-ms"]) <= record.total_us / 1000 - 300


def test_a_fault_that_would_allow_another_target_does_not_after_the_first_byte(mock: Mock, tmp_path: Path) -> None:
    quota = b'data: {"error":{"message":"Pay","code":"insufficient_quota"}}\n\n'
    events = b'data: {"choices":[{"index":0,"delta":{"content":"one"}}]}\n\n' + quota

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + events)

    with raw_upstream(serve) as first:
        providers = provider("first", first.port), provider("mock", mock.port)
        second = route("both", ("first", "x"), ("mock", "script:text=second"))
        with start_door(tmp_path, *providers, routes=(second,)) as door:
            answer = door.call("both", stream=True)
            assert (answer.streamed_text, answer.last_error) == ("one", "upstream_account")
            assert [a.end for a in door.record(answer).attempts] == ["upstream_account"]


def test_the_last_targets_fault_is_told(door: Door) -> None:
    answer = door.call("all-gone")
    assert answer.error[0] == 429
    assert [a.end for a in door.record(answer).attempts] == [
        "upstream_unreachable",
        "upstream_overloaded",
        "upstream_rate_limited",
    ]


def test_no_more_than_three_attempts_are_made(door: Door) -> None:
    assert len(door.record(door.call("four")).attempts) == 3


# --- kept connections


@pytest.mark.parametrize("how", ["close", "silent", "silent:1", "reset:1", "garbage:1", "idle:3"])
def test_a_connection_the_upstream_closed_costs_no_error_and_no_second_execution(
    door: Door, mock: Mock, how: str
) -> None:
    model = f"script:keepalive={how},text=kept"
    seed = int.from_bytes(hashlib.sha256(how.encode()).digest()[:4], "big")
    print(f"seed {seed}")
    chance = random.Random(seed)
    answers: list[Answer] = []
    for _ in range(60):
        answers.append(door.call(f"kept/{model}"))
        time.sleep(chance.uniform(0, 0.004))
    assert [a.status for a in answers] == [200] * 60
    assert len(mock.calls(model)) == 60


def test_a_connection_that_dies_as_it_is_used_again_is_replaced_once(tmp_path: Path) -> None:
    heard: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        heard.append(read_request(connection))
        connection.sendall(OK)
        connection.recv(1)  # the second request begins, and the connection dies

    with raw_upstream(serve) as upstream, start_door(tmp_path, provider("raw", upstream.port)) as door:
        answers = [door.call("raw/x") for _ in range(3)]
        assert [a.status for a in answers] == [200] * 3
        assert [[a.end for a in door.record(answer).attempts] for answer in answers] == [
            [],
            ["upstream_stale_connection"],
            ["upstream_stale_connection"],
        ]
        assert (len(heard), upstream.count) == (3, 3)


def test_a_second_answer_to_one_request_is_nobodys(tmp_path: Path) -> None:
    other = OK.replace(b"200 OK", b"299 Odd").replace(b"[]", b"77")

    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(OK + other)
        read_request(connection)

    with raw_upstream(serve) as upstream, start_door(tmp_path, provider("raw", upstream.port)) as door:
        answers = [door.call("raw/x"), door.call("raw/x")]
        assert [(a.status, a.body) for a in answers] == [(200, b'{"choices":[]}')] * 2
        assert upstream.count == 2


def test_extra_bytes_after_an_answer_are_nobodys(door: Door) -> None:
    answers = [door.call("mock/script:long=50,text=exact"), door.call("mock/script:text=next")]
    assert [a.text for a in answers] == ["exact", "next"]


def test_a_slow_client_may_use_the_whole_of_a_calls_time(mock: Mock, tmp_path: Path) -> None:
    times = Timeouts(first_byte=1.0, idle=0.5, total=2.0)
    slow = provider("mock", mock.port, times)
    with start_door(tmp_path, slow, send_buffer=8192) as door, door.wire(receive_buffer=4096) as wire:
        wire.send(request(chat("mock/script:tokens=100,bigevent=5000", stream=True)))
        time.sleep(1.6)  # the clock has looked three times by now; the fourth time is the end
        answer = wire.answer()
        assert (answer.events[-1], answer.cut) == ("data: [DONE]", False)


def test_a_kept_connection_that_answers_408_is_replaced_once(tmp_path: Path) -> None:
    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(OK)
        read_request(connection)
        connection.sendall(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    with raw_upstream(serve) as upstream, start_door(tmp_path, provider("raw", upstream.port)) as door:
        assert [door.call("raw/x").status for _ in range(3)] == [200] * 3
        assert upstream.count == 3


@pytest.mark.parametrize(
    ("last", "error"),
    [
        (b"", (502, "upstream_connection", None)),
        (b"HTTP/1.1 408 Slow\r\ncontent-length: 0\r\n\r\n", (400, "upstream_rejected", None)),
    ],
)
def test_a_kept_connection_that_ends_late_may_have_begun_and_is_not_repeated(
    tmp_path: Path, last: bytes, error: tuple[int, str, str | None]
) -> None:
    heard: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        heard.append(read_request(connection))
        connection.sendall(OK)
        heard.append(read_request(connection))
        time.sleep(0.4)  # longer than a connection that was dead before would take
        connection.sendall(last)

    with raw_upstream(serve) as upstream, start_door(tmp_path, provider("raw", upstream.port, SLOW)) as door:
        assert door.call("raw/x").status == 200
        answer = door.call("raw/x")
        assert (answer.error, len(heard), upstream.count) == (error, 2, 1)


# --- TLS


@dataclass
class Certificates:
    """A certificate authority of the tests, and what it made."""

    folder: Path

    def openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def make(self, name: str, host: str, *, issuer: str | None = "ca", days: int = 2) -> None:
        """A key and a certificate for the host; signed by itself without an issuer."""
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key")
        if issuer is None:
            self.openssl("req", "-x509", *key, "-out", f"{name}.pem", "-subj", f"/CN={host}", "-days", str(days))
            return
        (self.folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{host}\n")
        self.openssl("req", *key, "-out", f"{name}.csr", "-subj", f"/CN={host}")
        signed = ("-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial", "-days", str(days))
        self.openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-extfile", f"{name}.ext", "-out", f"{name}.pem")

    def context(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return context


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates of this test")
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.make("ca", "tests", issuer=None)
    made.make("good", "localhost")
    made.make("other", "other.example")
    made.make("expired", "localhost", days=-1)
    made.make("selfmade", "localhost", issuer=None)
    return made


def test_a_good_certificate_is_trusted(certificates: Certificates, tmp_path: Path) -> None:
    heard: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        heard.append(read_request(connection))
        connection.sendall(OK)

    trusted = {"SSL_CERT_FILE": str(certificates.folder / "ca.pem")}
    with raw_upstream(serve, certificates.context("good")) as upstream:
        tls = provider("tls", upstream.port, scheme="https", host="localhost")
        with start_door(tmp_path, tls, environment=trusted) as door:
            assert door.call("tls/x").status == 200
    assert UPSTREAM_KEY.encode() in heard[0]


@pytest.mark.parametrize("name", ["other", "expired", "selfmade"])
def test_a_bad_certificate_is_refused_before_the_key_is_sent(
    certificates: Certificates, tmp_path: Path, name: str
) -> None:
    heard: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        heard.append(connection.recv(65536))

    trusted = {"SSL_CERT_FILE": str(certificates.folder / "ca.pem")}
    with raw_upstream(serve, certificates.context(name)) as upstream:
        tls = provider("tls", upstream.port, scheme="https", host="localhost")
        with start_door(tmp_path, tls, environment=trusted) as door:
            assert door.call("tls/x").error == (502, "upstream_unreachable", None)
        assert upstream.count >= 1
    assert b"".join(heard) == b""


# --- proxies


@dataclass
class Tunnel:
    """A proxy that opens tunnels and remembers what it was asked."""

    heads: list[bytes] = field(default_factory=list)
    refuse: bool = False

    def serve(self, connection: socket.socket) -> None:
        head = read_request(connection)
        self.heads.append(head)
        if self.refuse:
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
            return
        host, _, port = head.split()[1].decode().rpartition(":")
        with socket.create_connection((host, int(port))) as far:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_copy, args=(far, connection), daemon=True)
            back.start()
            _copy(connection, far)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def test_the_environments_proxy_is_used_and_its_exceptions_respected(
    mock: Mock, certificates: Certificates, tmp_path: Path
) -> None:
    tunnel = Tunnel()
    with (
        raw_upstream(tunnel.serve) as proxy,
        raw_upstream(answer_ok, certificates.context("good")) as tls,
    ):
        environment = {
            "HTTP_PROXY": f"http://user:p%40ss@127.0.0.1:{proxy.port}",
            "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}",
            "NO_PROXY": "127.0.0.2",
            "SSL_CERT_FILE": str(certificates.folder / "ca.pem"),
        }
        providers = (
            provider("through", mock.port),
            provider("around", mock.port, host="127.0.0.2"),
            provider("secure", tls.port, scheme="https", host="localhost"),
        )
        with start_door(tmp_path, *providers, environment=environment) as door:
            assert door.call("around/x").error[0] in (502, 504)  # nobody listens there, and the proxy is not asked
            assert tunnel.heads == []
            assert door.call("through/script:text=tunnelled").text == "tunnelled"
            assert door.call("secure/x").status == 200
            first, second = tunnel.heads
            assert first.startswith(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n" % mock.port)
            assert b"proxy-authorization: Basic dXNlcjpwQHNz\r\n" in first
            assert second.startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % tls.port)
            assert b"proxy-authorization" not in second
            assert UPSTREAM_KEY.encode() not in first + second
            assert mock.ended("script:text=tunnelled")["status"] == 200


def test_a_proxy_that_refuses_is_an_unreachable_upstream(mock: Mock, tmp_path: Path) -> None:
    with raw_upstream(Tunnel(refuse=True).serve) as proxy:
        environment = {"http_proxy": f"http://127.0.0.1:{proxy.port}"}
        with start_door(tmp_path, provider("mock", mock.port), environment=environment) as door:
            assert door.call("mock/x").error == (502, "upstream_unreachable", None)


# --- headers


def test_only_listed_headers_go_up_with_one_credential(door: Door, mock: Mock) -> None:
    lines = (
        f"cookie: a=b\r\nx-forwarded-for: 1.2.3.4\r\nforwarded: for=1.2.3.4\r\nx-real-ip: 1.2.3.4\r\nte: trailers\r\n"
        f"x-api-key: {KEY}\r\napi-key: {KEY}\r\nproxy-authorization: Basic eA==\r\nx-unigate-provider: evil\r\n"
        f"connection: authorization, keep-alive\r\nopenai-organization: mine\r\nopenai-beta: assistants=v2\r\n"
        f"x-request-id: my-own\r\nuser-agent: client/1\r\nreferer: http://x/\r\n"
    )
    answer = door.call("mock/script:text=headers", headers=lines)
    sent = {name.lower(): value for name, value in mock.ended("script:text=headers")["headers"]}
    length = sent.pop("content-length")
    assert sent == {
        "host": f"127.0.0.1:{mock.port}",
        "user-agent": "unigate",
        "accept": "*/*",
        "accept-encoding": "identity",
        "authorization": f"Bearer {hashlib.sha256(UPSTREAM_KEY.encode()).hexdigest()[:8]}",
        "openai-beta": "assistants=v2",
        "content-type": "application/json",
    }
    assert length.isdigit()
    assert door.record(answer).client_request_id == "my-own"
    assert answer.headers["x-request-id"] != "my-own"


def test_only_listed_headers_come_down(door: Door) -> None:
    lines = "set-cookie%3A%20a=b;x-powered-by%3A%20x;x-api-key%3A%20leak;connection%3A%20x-a;x-unigate-model%3A%20evil"
    answer = door.call(f"mock/script:headers={lines},text=down")
    assert (answer.text, answer.headers["x-unigate-provider"]) == ("down", "mock")
    assert set(answer.headers) == {
        "content-type",
        "content-length",
        "date",
        "x-request-id",
        "x-unigate-model",
        "x-unigate-provider",
        "x-unigate-upstream-request-id",
        "x-unigate-overhead-ms",
    }
    assert "evil" not in answer.headers["x-unigate-model"].replace("x-unigate-model%3A%20evil", "")


# --- what a row leaves out


@pytest.mark.parametrize("stream", [False, True])
def test_what_a_row_leaves_out_is_told_to_client_and_operator(mock: Mock, tmp_path: Path, stream: bool) -> None:
    row = provider("row", mock.port, drop=frozenset({"store", "seed", "absent"}), rename={"max_output": "max_tokens"})
    plain = provider("plain", mock.port)
    with start_door(tmp_path, row, plain) as door:
        asked = {"store": True, "seed": 1, "max_output": 3, "max_tokens": 4}
        answer = door.call("row/script:text=less", stream=stream, **asked)
        assert answer.headers["x-unigate-dropped"] == "max_output, seed, store"
        assert door.record(answer).dropped == ("max_output", "seed", "store")
        other = door.call("plain/script:text=all", stream=stream, store=True)
        assert ("x-unigate-dropped" in other.headers, door.record(other).dropped) == (False, ())


def test_a_provider_that_refuses_hints_is_not_asked_without_one(mock: Mock, tmp_path: Path) -> None:
    with start_door(tmp_path, provider("row", mock.port, drop=frozenset({"store"}), refuses_hints=True)) as door:
        refused = door.call("row/script:text=strict", store=True)
        assert (refused.status, refused.json()["error"]["param"]) == (422, "store")
        assert door.call("row/script:text=strict").status == 200
    assert len(mock.calls("script:text=strict")) == 1


# --- what is carried without being looked into


def form(model: str) -> bytes:
    return (
        b'--edge\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        + bytes(range(256)) * 300
        + b'\r\n--edge\r\ncontent-disposition: form-data; name="model"\r\n\r\n'
        + model.encode()
        + b'\r\n--edge\r\ncontent-disposition: form-data; name="language"\r\n\r\nfr\r\n--edge--\r\n'
    )


@pytest.mark.parametrize("path", ["/v1/audio/transcriptions", "/audio/translations"])
def test_a_form_goes_up_byte_for_byte_but_for_the_model(door: Door, mock: Mock, path: str) -> None:
    model = f"script:text=heard,tokens={len(path)}"
    told = request(form(f"mock/{model}"), path=path).replace(b"application/json", b"multipart/form-data; boundary=edge")
    answer = door.ask(told)
    assert answer.json()["text"] == "heard"
    assert mock.ended(model)["body_sha256"] == hashlib.sha256(form(model)).hexdigest()


def test_the_deployment_in_the_path_replaces_the_model_of_the_form(door: Door, mock: Mock) -> None:
    path = "/openai/deployments/mock%2Fscript%3Atext=by-path/audio/transcriptions?api-version=1"
    told = request(form("another"), path=path)
    answer = door.ask(told.replace(b"application/json", b"multipart/form-data; boundary=edge"))
    assert (answer.json()["text"], mock.calls("another")) == ("by-path", [])


def test_a_form_whose_path_names_the_model_needs_no_model_of_its_own(door: Door, mock: Mock) -> None:
    path = "/openai/deployments/mock%2Fscript%3Atext=pathonly/audio/transcriptions"
    told = request(form("x").replace(b'name="model"', b'name="user"'), path=path)
    answer = door.ask(told.replace(b"application/json", b"multipart/form-data; boundary=edge"))
    assert (answer.json()["text"], len(mock.calls("script:text=pathonly"))) == ("pathonly", 1)


def test_a_key_kept_to_its_models_cannot_name_another_one_in_a_form(door: Door, mock: Mock) -> None:
    second = b'--edge\r\ncontent-disposition: form-data; name="model"\r\n\r\nx\r\n'
    two = form("only-this").replace(b"--edge--", second + b"--edge--")
    told = request(two, path="/v1/audio/transcriptions", key=LIMITED_KEY)
    answer = door.ask(told.replace(b"application/json", b"multipart/form-data; boundary=edge"))
    assert answer.error == (400, "invalid_form", "model")


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_speech_comes_down_byte_for_byte(door: Door, mock: Mock, size: int) -> None:
    def ask(model: str, key: str) -> bytes:
        return request(
            json.dumps({"model": model, "input": "hi", "voice": "x"}).encode(), path="/v1/audio/speech", key=key
        )

    direct = Door(mock.port, mock.process, Path()).ask(ask(f"script:size={size}", UPSTREAM_KEY))
    answer = door.ask(ask(f"mock/script:size={size}", KEY))
    assert (answer.status, answer.headers["content-type"]) == (200, direct.headers["content-type"])
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(direct.body).digest()


def test_speech_that_is_cut_is_seen_to_be_cut(door: Door) -> None:
    body = json.dumps({"model": "mock/script:size=1000000,cut=mid", "input": "hi", "voice": "x"}).encode()
    answer = door.ask(request(body, path="/v1/audio/speech"))
    assert (answer.status, answer.cut) == (200, True)
    assert ended_as(door.record(answer)) == (200, "upstream_truncated", "upstream_truncated")


@pytest.mark.parametrize(
    "path", ["/v1/embeddings", "/v1/moderations", "/v1/rerank", "/v1/completions", "/v1/responses"]
)
def test_every_operation_is_carried(door: Door, mock: Mock, path: str) -> None:
    more = {"input": "hi", "prompt": "hi", "query": "hi", "documents": ["hi"]}
    model = f"script:tokens={len(path)}"
    answer = door.ask(request(json.dumps({"model": f"mock/{model}", **more}).encode(), path=path))
    direct = Door(mock.port, mock.process, Path()).ask(
        request(json.dumps({"model": model, **more}).encode(), path=path, key=UPSTREAM_KEY)
    )
    assert (answer.status, same_numbers(answer.body)) == (200, same_numbers(direct.body))


def test_a_responses_stream_passes_and_its_usage_is_known(door: Door) -> None:
    body = json.dumps({"model": "mock/script:text=a%20b%20c", "input": "hi", "stream": True}).encode()
    answer = door.ask(request(body, path="/v1/responses"))
    assert answer.events[-1].startswith("event: response.completed")
    assert door.record(answer).usage.output_tokens == 3


def test_a_responses_stream_that_is_cut_is_an_error(door: Door) -> None:
    body = json.dumps({"model": "mock/script:cut=events:4", "input": "hi", "stream": True}).encode()
    answer = door.ask(request(body, path="/v1/responses"))
    assert b"event: error" in answer.body and b"upstream_truncated" in answer.body
    assert b"response.completed" not in answer.body


def test_after_all_this_no_call_is_open(door: Door, mock: Mock) -> None:
    def is_quiet() -> bool:
        return not [c for c in mock.calls() if not c["ended"]]

    assert until(is_quiet, "the end of all calls")
    entries = door.entries()
    records = [entry for entry in entries if isinstance(entry, Record)]
    assert len({record.id for record in records}) == len(records)
    assert {entry.id for entry in entries} == {record.id for record in records}


def test_a_place_in_the_queue_given_to_a_client_that_just_left_is_given_on() -> None:
    async def play(port: int) -> bool:
        pool = Pool(Origin("127.0.0.1", port), 1)
        holder = await pool.acquire(1.0)
        leaving = asyncio.ensure_future(pool.acquire(1.0))
        waiting = asyncio.ensure_future(pool.acquire(1.0))
        await asyncio.sleep(0.01)
        pool.give_back(holder)  # wakes the first in the queue,
        leaving.cancel()  # who leaves in the same moment
        given = await waiting
        pool.give_back(given)
        return leaving.cancelled()

    with raw_upstream(answer_ok) as upstream:
        assert asyncio.run(play(upstream.port))
