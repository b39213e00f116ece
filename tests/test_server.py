"""The client's side of HTTP: what a door promises to whoever speaks to it, however badly."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import (
    ADMIN_KEY,
    CHAT,
    KEY,
    LIMITED_KEY,
    UPSTREAM_KEY,
    Answer,
    Door,
    Mock,
    Wire,
    chat,
    provider,
    request,
    start_door,
    start_mock,
    until,
)
from unigate.config import ServerSettings
from unigate.reply import Outlet, Reply
from unigate.target import Timeouts

SERVER = ServerSettings(
    max_body_mb=1,
    header_timeout=0.5,
    body_timeout=0.9,
    keep_alive=0.8,
    write_timeout=1.0,
    drain=5.0,
    cors_origins=("https://app.example",),
)
PATIENT = Timeouts(connect=5.0, write=5.0, first_byte=10.0, idle=10.0, total=30.0)
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


@pytest.fixture(scope="module")
def door(mock: Mock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    data = tmp_path_factory.mktemp("door")
    everything = provider("mock", mock.port, PATIENT)
    one_at_a_time = provider("narrow", mock.port, PATIENT, max_connections=1)
    # A small send buffer, so that what a client leaves unread stays in the door and not in the kernel.
    with start_door(data, everything, one_at_a_time, server=SERVER, send_buffer=8192) as door:
        yield door


def ok(text: str, **more: object) -> bytes:
    """A call that is answered with this text."""
    return request(chat(f"mock/script:text={text}", **more))


def get(path: str, *, key: str = KEY, headers: str = "") -> bytes:
    return request(path=path, method="GET", key=key, headers=headers)


# --- one connection, many requests


def test_pipelined_requests_are_answered_in_order(door: Door) -> None:
    with door.wire() as wire:
        wire.send(request(chat("mock/script:text=slow,latency=300")) + ok("second") + get("/health") + ok("fourth"))
        answers = [wire.answer() for _ in range(4)]
    assert [answers[0].text, answers[1].text, answers[2].json(), answers[3].text] == [
        "slow",
        "second",
        {"status": "ok"},
        "fourth",
    ]


def test_forty_pipelined_requests_are_all_answered_in_order(door: Door) -> None:
    with door.wire() as wire:
        wire.send(request(chat("mock/script:text=w0,latency=200")) + b"".join(ok(f"w{n}") for n in range(1, 40)))
        assert [wire.answer().text for _ in range(40)] == [f"w{n}" for n in range(40)]


def test_pipelined_requests_cut_into_single_bytes_are_the_same_requests(door: Door) -> None:
    with door.wire() as wire:
        for byte in ok("one") + ok("two"):
            wire.send(bytes([byte]))
        assert [wire.answer().text, wire.answer().text] == ["one", "two"]


def test_requests_that_repeat_a_head_are_judged_anew(door: Door) -> None:
    with door.wire() as wire:
        answers = [wire.send(ok(text)).answer() for text in ("one", "two", "three", "and one of another length")]
        assert [answer.text for answer in answers] == ["one", "two", "three", "and one of another length"]
        assert wire.send(ok("four").replace(KEY.encode(), KEY.encode()[::-1])).answer().status == 401


def test_a_repeated_head_with_a_body_in_pieces_or_a_second_length_is_no_other_request(door: Door) -> None:
    with door.wire() as wire:
        for _ in range(3):
            assert wire.send(ok("same")).answer().text == "same"
        wire.send(ok("same")[:-5])
        assert wire.send(ok("same")[-5:] + ok("same")).answer().text == "same"
        assert wire.answer().text == "same"
        assert wire.send(ok("same").replace(b"\r\n\r\n", b"\r\ncontent-length: 1\r\n\r\n")).answer().status == 400


def test_a_slow_answer_outlives_the_body_deadline_of_the_request_behind_it(door: Door) -> None:
    with door.wire() as wire:
        wire.send(request(chat("mock/script:text=slow,latency=1300")) + ok("second"))
        assert [wire.answer().text, wire.answer().text] == ["slow", "second"]


def test_an_idle_connection_is_kept_and_then_closed(door: Door) -> None:
    with door.wire() as wire:
        assert wire.send(ok("one")).answer().text == "one"
        answered = time.monotonic()
        assert wire.is_closed()
        assert 0.7 <= time.monotonic() - answered <= 6.0


def test_connection_close_is_obeyed_and_what_follows_it_ignored(door: Door, mock: Mock) -> None:
    with door.wire() as wire:
        last = request(chat("mock/script:text=last"), headers="connection: close\r\n")
        answer = wire.send(last + request(chat("mock/ignored"))).answer()
        assert (answer.text, answer.headers["connection"], wire.is_closed()) == ("last", "close", True)
    assert mock.calls("ignored") == []


# --- old clients


def old(body: bytes, headers: str = "") -> bytes:
    return request(body, headers=headers).replace(b"HTTP/1.1", b"HTTP/1.0", 1)


def test_http_10_gets_one_answer_and_a_close(door: Door) -> None:
    with door.wire() as wire:
        answer = wire.send(old(chat("mock/script:text=old"))).answer()
        assert (answer.text, answer.headers["connection"], wire.is_closed()) == ("old", "close", True)


def test_http_10_keeps_the_connection_if_asked(door: Door) -> None:
    ask = get("/health", headers="connection: keep-alive\r\n").replace(b"HTTP/1.1", b"HTTP/1.0")
    with door.wire() as wire:
        answers = [wire.send(ask).answer(), wire.send(ask).answer()]
    assert [(a.json(), a.headers["connection"]) for a in answers] == [({"status": "ok"}, "keep-alive")] * 2


def test_http_10_stream_ends_by_close_without_chunks(door: Door) -> None:
    with door.wire() as wire:
        answer = wire.send(old(chat("mock/script:text=old%20stream", stream=True))).answer()
    assert "transfer-encoding" not in answer.headers
    assert (answer.streamed_text, answer.events[-1]) == ("old stream", "data: [DONE]")


# --- methods and targets


def test_head_has_the_headers_of_get_and_no_body(door: Door) -> None:
    ask = request(path="/v1/models", method="HEAD")
    with door.wire() as wire:
        full = wire.send(get("/v1/models")).answer()
        bare = wire.send(ask).answer(to_head=True)
        assert wire.send(get("/health")).answer().json() == {"status": "ok"}
    assert (bare.status, bare.headers["content-length"]) == (200, str(len(full.body)))


def test_an_absolute_target_counts_by_its_path(door: Door) -> None:
    body = chat("mock/script:text=absolute")
    ask = request(body).replace(b"POST /v1", b"POST http://somewhere.example/v1", 1)
    assert door.ask(ask).text == "absolute"


def test_connect_is_not_a_tunnel(door: Door) -> None:
    with door.wire() as wire:
        answer = wire.send(b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: x\r\n\r\nSSH-2.0-x\r\n").answer()
        assert answer.error == (404, "not_found", None)
        assert wire.is_closed()


def test_an_unknown_path_is_404(door: Door) -> None:
    assert door.ask(get("/v1/nonsense")).error == (404, "not_found", None)


@pytest.mark.parametrize("path", ["//v1/chat/completions", "/v1/../health", "/V1/CHAT/COMPLETIONS", "/%76%31/models"])
def test_another_spelling_of_a_path_is_another_path(door: Door, path: str) -> None:
    assert door.ask(request(chat("mock/x"), path=path, key="")).error == (404, "not_found", None)


def test_a_wrong_method_is_405_and_names_the_right_one(door: Door) -> None:
    answer = door.ask(get(CHAT))
    assert (answer.error, answer.headers["allow"]) == ((405, "method_not_allowed", None), "POST")


# --- expectations and upgrades


def test_continue_is_said_once_the_key_is_accepted(door: Door) -> None:
    head, _, body = request(chat("mock/script:text=go"), headers="expect: 100-continue\r\n").partition(b"\r\n\r\n")
    with door.wire() as wire:
        wire.send(head + b"\r\n\r\n")
        assert wire.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert wire.send(body).answer().text == "go"


def test_continue_is_not_said_to_a_stranger(door: Door) -> None:
    head = request(chat("mock/x"), key="sk-wrong", headers="expect: 100-continue\r\n").partition(b"\r\n\r\n")[0]
    with door.wire() as wire:
        assert wire.send(head + b"\r\n\r\n").answer().error == (401, "invalid_api_key", None)


# Java's HttpClient offers HTTP/2 in this way on each first request.
H2C = "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAAB\r\n"


def test_an_upgrade_offer_with_its_body_in_one_packet_is_served_as_http_11(door: Door) -> None:
    with door.wire() as wire:
        assert wire.send(request(chat("mock/script:text=java"), headers=H2C)).answer().text == "java"


def test_an_upgrade_offer_with_its_body_in_later_packets_is_served_as_http_11(door: Door) -> None:
    head, _, body = request(chat("mock/script:text=java"), headers=H2C).partition(b"\r\n\r\n")
    with door.wire() as wire:
        assert wire.send(head + b"\r\n\r\n", body[:10], body[10:]).answer().text == "java"


def test_an_upgrade_offer_byte_by_byte_is_served_as_http_11(door: Door) -> None:
    with door.wire() as wire:
        wire.send(*(bytes([byte]) for byte in request(chat("mock/script:text=java"), headers=H2C)))
        assert wire.answer().text == "java"


def test_an_upgrade_offer_with_a_chunked_body_is_served_as_http_11(door: Door) -> None:
    body = chat("mock/script:text=java")
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n{H2C}transfer-encoding: chunked\r\n\r\n"
    chunks = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (5, body[:5], len(body) - 5, body[5:])
    with door.wire() as wire:
        assert wire.send(head.encode() + chunks[:9], chunks[9:] + ok("next")).answer().text == "java"
        assert wire.answer().text == "next"


def test_an_upgrade_offer_without_a_body_is_served_as_http_11(door: Door) -> None:
    with door.wire() as wire:
        wire.send(get("/health", headers=H2C) + ok("next"))
        assert (wire.answer().json(), wire.answer().text) == ({"status": "ok"}, "next")


def test_requests_after_an_upgrade_offer_are_served_on_the_same_connection(door: Door) -> None:
    java = request(chat("mock/script:text=java"), headers=H2C)
    with door.wire() as wire:
        assert [wire.send(java + ok("a")).answer().text, wire.answer().text] == ["java", "a"]
        assert [wire.send(ok("b")).answer().text, wire.send(java).answer().text] == ["b", "java"]


def test_an_upgrade_offer_that_also_says_close_is_closed(door: Door) -> None:
    lines = "connection: close, Upgrade\r\nupgrade: h2c\r\n"
    with door.wire() as wire:
        answer = wire.send(request(chat("mock/script:text=bye"), headers=lines)).answer()
        assert (answer.text, answer.headers["connection"], wire.is_closed()) == ("bye", "close", True)


def test_a_websocket_offer_is_served_as_http_11(door: Door) -> None:
    offer = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    assert door.ask(get("/health", headers=offer)).json() == {"status": "ok"}


def test_an_upgrade_offer_of_a_stranger_is_refused_before_its_body(door: Door) -> None:
    head = request(chat("mock/x"), key="sk-wrong", headers=H2C).partition(b"\r\n\r\n")[0]
    with door.wire() as wire:
        assert wire.send(head + b"\r\n\r\n").answer().error == (401, "invalid_api_key", None)


# --- deadlines


def test_a_slow_head_is_closed_at_its_deadline(door: Door) -> None:
    with door.wire() as wire:
        begun = time.monotonic()
        wire.send(b"POST /v1/chat/completions HT")
        assert not wire.is_closed(0.3)
        wire.send(b"TP/1.1\r\nx: ")
        while not wire.is_closed(0.2):  # each byte does not begin the time anew
            wire.send(b"x")
            assert time.monotonic() - begun < 6.0
        assert time.monotonic() - begun >= 0.4


def test_a_connection_that_says_nothing_is_closed(door: Door) -> None:
    with door.wire() as wire:
        assert wire.is_closed()


def test_a_slow_body_is_408(door: Door, mock: Mock) -> None:
    with door.wire() as wire:
        begun = time.monotonic()
        answer = wire.send(request(chat("mock/slow-body"))[:-1]).answer()
        assert answer.error == (408, "body_timeout", None)
        assert 0.8 <= time.monotonic() - begun <= 6.0
        assert wire.is_closed()
    assert mock.calls("slow-body") == []


# --- sizes


def test_a_body_said_to_be_too_large_is_413_at_once(door: Door) -> None:
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: {MIB + 1}\r\n\r\n"
    with door.wire() as wire:
        assert wire.send(head.encode()).answer().error == (413, "body_too_large", None)


def test_a_body_of_exactly_the_cap_is_taken(door: Door) -> None:
    frame = chat("mock/script:text=full", user="")
    body = frame.replace(b'"user": ""', b'"user": "%b"' % (b"x" * (MIB - len(frame))))
    assert (len(body), door.ask(request(body)).text) == (MIB, "full")


def test_413_is_seen_as_an_answer_while_five_megabytes_are_being_sent(door: Door) -> None:
    with door.wire() as wire:
        answer = wire.send(request(b"x" * (5 * MIB))).answer()
        assert (answer.error, answer.headers["connection"]) == ((413, "body_too_large", None), "close")
        assert wire.is_closed()


def test_a_chunked_body_over_the_cap_is_413_while_it_is_being_sent(door: Door) -> None:
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n%b\r\n" % (b"x" * 65536)
    with door.wire() as wire:
        assert wire.send(head.encode(), *[chunk] * 80).answer().error == (413, "body_too_large", None)


def test_more_than_a_hundred_header_lines_are_431(door: Door) -> None:
    assert door.ask(get("/health", headers="x-a: b\r\n" * 101)).error == (431, "headers_too_large", None)


def test_a_hundred_header_lines_are_fine(door: Door) -> None:
    assert door.ask(get("/health", headers="x-a: b\r\n" * 98)).status == 200


@pytest.mark.parametrize("lines", ["x-a: " + "b" * 33_000 + "\r\n", ("x-a: " + "b" * 990 + "\r\n") * 34])
def test_a_head_of_more_than_32_kilobytes_is_431(door: Door, lines: str) -> None:
    assert door.ask(get("/health", headers=lines)).error == (431, "headers_too_large", None)


def test_a_target_of_more_than_32_kilobytes_is_431(door: Door) -> None:
    assert door.ask(get("/" + "x" * 33_000)).error == (431, "headers_too_large", None)


def test_a_target_without_an_end_is_431_at_once(door: Door) -> None:
    with door.wire() as wire:
        assert wire.send(b"GET /" + b"x" * 33_000).answer().error == (431, "headers_too_large", None)


# --- who is calling

STRANGERS = {
    "nobody": ("", "no_api_key"),
    "a wrong key": ("authorization: Bearer sk-wrong\r\n", "invalid_api_key"),
    "another scheme": ("authorization: Basic c2stdWc6eA==\r\n", "no_api_key"),
    "two different keys": (f"authorization: Bearer {KEY}\r\nx-api-key: {ADMIN_KEY}\r\n", "two_api_keys"),
    "a key and a wrong one": (f"authorization: Bearer {KEY}\r\napi-key: sk-wrong\r\n", "two_api_keys"),
    "the header twice": (f"authorization: Bearer {KEY}\r\nauthorization: Bearer {ADMIN_KEY}\r\n", "invalid_api_key"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_a_stranger_is_refused_before_the_body_is_read(door: Door, name: str) -> None:
    lines, code = STRANGERS[name]
    with door.wire() as wire:
        wire.send(request(chat("mock/stranger"), key="", headers=lines)[:-5])
        answer = wire.answer()
        assert (answer.error, answer.headers["www-authenticate"]) == ((401, code, None), "Bearer")


@pytest.mark.parametrize(
    "line",
    [
        f"authorization: Bearer {KEY}",
        f"Authorization: bearer {KEY}",
        f"x-api-key: {KEY}",
        f"api-key: {KEY}",
        f"x-goog-api-key: {KEY}",
        f"authorization: Bearer {KEY}\r\nx-api-key: {KEY}",
    ],
)
def test_each_form_of_the_key_is_taken(door: Door, line: str) -> None:
    assert door.ask(request(chat("mock/script:text=in"), key="", headers=line + "\r\n")).text == "in"


def test_a_key_in_the_query_is_taken_and_goes_no_further(door: Door, mock: Mock) -> None:
    answer = door.call("mock/script:text=in,first=7", path=f"{CHAT}?key={KEY}", key="")
    assert answer.text == "in"
    assert mock.ended("script:text=in,first=7")["path"] == CHAT
    assert KEY not in door.log()
    assert KEY.encode() not in b"".join(p.read_bytes() for p in door.data.rglob("*.segment"))


def test_a_key_may_be_kept_to_its_models(door: Door) -> None:
    assert door.call("mock/other", key=LIMITED_KEY).error == (403, "model_not_allowed", "model")


@pytest.mark.parametrize("field", ["models", "fallbacks", "preset"])
def test_no_other_model_answers_for_one_that_a_key_may_call(door: Door, field: str) -> None:
    others = {field: ["mock/other"]}
    assert door.ask(request(chat("only-this", **others), key=LIMITED_KEY)).error == (403, "model_not_allowed", field)
    assert door.ask(request(chat("mock/script:text=in", **others))).text == "in"


def test_admin_pages_are_for_admins(door: Door) -> None:
    assert door.ask(get("/admin/v1/keys")).error == (403, "not_allowed", None)


def test_health_says_more_to_an_admin_alone(door: Door) -> None:
    answers = [door.ask(get("/health", key=key)).json() for key in ("", "sk-wrong", KEY, ADMIN_KEY)]
    assert answers[:3] == [{"status": "ok"}] * 3
    assert answers[3] == {"status": "ok", "version": "0.1.0", "providers": ["mock", "narrow"]}


# --- what is not HTTP

LENGTH = "content-length: 5\r\n"
AMBIGUOUS = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "no version": b"GET /health\r\n\r\n",
    "length and chunks": (
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\n{LENGTH}transfer-encoding: chunked\r\n\r\n0\r\n\r\n".encode()
    ),
    "two lengths": f"POST {CHAT} HTTP/1.1\r\nhost: x\r\n{LENGTH}content-length: 6\r\n\r\nhello!".encode(),
    "a list of lengths": f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 5, 5\r\n\r\nhello".encode(),
    "a signed length": f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: +5\r\n\r\nhello".encode(),
    "a hexadecimal length": f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: 0x5\r\n\r\nhello".encode(),
    "chunked twice": (
        f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n".encode()
    ),
    "a folded line": b"GET /health HTTP/1.1\r\nhost: x\r\nx-a: b\r\n c\r\n\r\n",
    "space before colon": b"GET /health HTTP/1.1\r\nhost : x\r\n\r\n",
    "bare line feeds": b"GET /health HTTP/1.1\nhost: x\n\n",
    "bare carriage return": b"GET /health HTTP/1.1\r\nx-a: b\rc\r\n\r\n",
    "nul in a value": b"GET /health HTTP/1.1\r\nx-a: b\0c\r\n\r\n",
    "a line without a colon": b"GET /health HTTP/1.1\r\nxyz\r\n\r\n",
    "version 2": b"GET /health HTTP/2.0\r\n\r\n",
    "version 9": b"GET /health HTTP/9.1\r\n\r\n",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_an_ambiguous_request_is_400_and_the_connection_ends(door: Door, mock: Mock, name: str) -> None:
    smuggled = request(chat(f"mock/smuggled {name}"))
    keyed = AMBIGUOUS[name].replace(b"host: x\r\n", b"host: x\r\nauthorization: Bearer %b\r\n" % KEY.encode(), 1)
    with door.wire() as wire:
        answer = wire.send(keyed + smuggled).answer()
        assert answer.error == (400, "invalid_http", None)
        assert wire.is_closed()
    assert mock.calls(f"smuggled {name}") == []


def test_bad_chunks_are_400_and_never_a_call(door: Door, mock: Mock) -> None:
    body = chat("mock/bad-chunk")
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ntransfer-encoding: chunked\r\n\r\n"
    with door.wire() as wire:
        wire.send(head.encode() + b"%x\r\n%b\r\nzz\r\n\r\n" % (len(body), body))
        assert wire.answer().error == (400, "invalid_http", None)
        assert wire.is_closed()
    assert mock.calls("bad-chunk") == []


def test_answers_that_are_owed_come_before_the_end_of_a_broken_connection(door: Door) -> None:
    with door.wire() as wire:
        wire.send(request(chat("mock/script:text=owed,latency=100")) + b"\x16\x03\x01 nonsense\r\n\r\n")
        assert (wire.answer().text, wire.is_closed()) == ("owed", True)


def test_trailers_are_not_headers(door: Door, mock: Mock) -> None:
    body = chat("mock/trailing")
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ntransfer-encoding: chunked\r\n\r\n"
    chunks = b"%x\r\n%b\r\n0\r\nopenai-beta: sneaked-in\r\nx-request-id: mine\r\n\r\n" % (len(body), body)
    answer = door.ask(head.encode() + chunks)
    assert answer.status == 200
    assert "sneaked-in" not in json.dumps(mock.ended("trailing"))
    assert door.record(answer).client_request_id is None


# --- what is not a call


def test_a_bomb_of_depth_is_400_and_the_door_lives_on(door: Door) -> None:
    bomb = b'{"model":"mock/x","messages":' + b"[" * 400_000 + b"]" * 400_000 + b"}"
    assert door.ask(request(bomb)).error == (400, "json_too_deep", None)
    assert door.ask(ok("alive")).text == "alive"


WRONG = {
    b"not json": ("invalid_json", None),
    b"": ("invalid_json", None),
    b'["model"]': ("invalid_json", None),
    b"null": ("invalid_json", None),
    b'{"messages":[]}': ("missing_model", "model"),
    b'{"model":""}': ("missing_model", "model"),
    b'{"model":5}': ("invalid_type", "model"),
    b'{"model":["a"]}': ("invalid_type", "model"),
    b'{"model":"mock/x","stream":"yes"}': ("invalid_type", "stream"),
    b'{"model":"mock/x","stream":true,"stream_options":7}': ("invalid_type", "stream_options"),
    b'{"model":"mock/\xff\xfe"}': ("invalid_type", "model"),
}


@pytest.mark.parametrize("body", WRONG)
def test_a_body_that_is_no_call_is_400_and_names_what_is_wrong(door: Door, body: bytes) -> None:
    code, param = WRONG[body]
    answer = door.ask(request(body))
    assert answer.error == (400, code, param)
    assert (door.record(answer).end, door.record(answer).status) == ("refused", 400)


def test_of_a_key_given_twice_the_last_is_judged_and_sent(door: Door, mock: Mock) -> None:
    answer = door.ask(request(b'{"model":"mock/first","model":"mock/script:text=last,nofinish","messages":[]}'))
    assert answer.text == "last"
    assert mock.calls("first") == []


def test_an_unknown_model_is_404(door: Door) -> None:
    assert door.call("nonsense").error == (404, "model_not_found", "model")


# --- slow readers


def test_a_client_that_stops_reading_stops_the_upstream_and_is_then_closed(door: Door, mock: Mock) -> None:
    model = "script:tokens=20000,bigevent=5000,usage=zero"
    before = door.memory()
    with door.wire(receive_buffer=4096) as wire:
        wire.send(request(chat(f"mock/{model}", stream=True)))
        wire.until(b"data: ")
        sent = until(lambda: _stands_still(mock, model), "the standstill")
        assert sent < 20 * MIB
        assert door.memory() - before < 2 * MIB
        record = door.record_of(f"mock/{model}")
        assert (record.status, record.end) == (200, "client_left")
        assert 0.9e6 <= record.total_us <= 3e6
    assert mock.ended(model)["closed_by"] == "client"


def _stands_still(mock: Mock, model: str) -> int | None:
    """How much the mock has sent, once that has not grown for a while."""
    before = mock.begun(model)["bytes_sent"]
    time.sleep(0.1)
    after = mock.begun(model)["bytes_sent"]
    assert isinstance(after, int)
    return after if before == after else None


def test_a_client_that_never_reads_the_last_bytes_is_closed(door: Door) -> None:
    # Less than the high-water mark is left over, so nothing else would ever look at this connection again.
    with door.wire(receive_buffer=4096) as wire:
        wire.send(request(chat("mock/script:size=60000"), headers="connection: close\r\n"))
        until(lambda: [r for r in door.records() if r.model == "mock/script:size=60000"], "the record")
        assert until(lambda: _connections(door, wire) == 0, "the close")


def _connections(door: Door, wire: Wire) -> int:
    """How many sockets of the door lead to this client."""
    port = f":{wire.socket.getsockname()[1]:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    mine = [line.split() for line in lines]
    return sum(1 for parts in mine if parts[2].endswith(port) and parts[9] != "0")


def test_a_slow_reader_gets_a_stream_to_its_end(door: Door) -> None:
    with door.wire(receive_buffer=4096) as wire:
        answer = wire.send(request(chat("mock/script:text=a%20b%20c,bigevent=200000", stream=True))).answer()
    assert (answer.streamed_text, answer.events[-1], answer.cut) == ("a b c", "data: [DONE]", False)


def test_a_slow_reader_of_a_large_answer_may_take_longer_than_the_write_timeout(door: Door) -> None:
    with door.wire(receive_buffer=4096) as wire:
        wire.send(request(chat("mock/script:size=2000000")))
        wire.until(b"\r\n\r\n")
        begun, seen = time.monotonic(), 0
        while seen < 1_900_000:
            piece = wire.socket.recv(4096)
            assert piece, f"cut off after {seen} bytes"
            seen += len(piece)
            behind = seen / 1_000_000 - (time.monotonic() - begun)
            time.sleep(max(behind, 0))
        assert time.monotonic() - begun > 1.5


# --- leaving

LEAVING = {
    "before the head": ("script:latency=9000", False, 0),
    "before the head of a stream": ("script:latency=9001", True, 0),
    "in the middle of a stream": ("script:tokens=100,pace=100", True, 2),
    "in a silence of the stream": ("script:stall=events:2,tokens=8", True, 2),
}


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("phase", LEAVING)
def test_a_client_that_leaves_ends_the_upstream_call(door: Door, mock: Mock, phase: str, reset: bool) -> None:
    script, stream, events = LEAVING[phase]
    model = f"{script},think={int(reset)}"
    wire = door.wire()
    wire.send(request(chat(f"mock/{model}", stream=stream)))
    mock.begun(model)
    for _ in range(events):
        wire.until(b"data: ")
    left = time.time()
    wire.leave(reset=reset)
    call = mock.ended(model)
    assert call["closed_by"] == "client"
    assert call["ended"] - left <= 1.0
    record = door.record_of(f"mock/{model}")
    assert (record.end, record.usage.estimated) == ("client_left", True)


def test_a_client_that_leaves_the_queue_never_reaches_the_upstream(door: Door, mock: Mock) -> None:
    holding, waiting = "script:latency=1500,text=holding", "script:text=waiting"
    with door.wire() as first, door.wire() as second:
        first.send(request(chat(f"narrow/{holding}")))
        mock.begun(holding)
        second.send(request(chat(f"narrow/{waiting}")))
        second.leave()
        assert door.record_of(f"narrow/{waiting}").end == "client_left"
        assert first.answer().text == "holding"
    assert door.call("narrow/script:text=next").text == "next"
    assert mock.calls(waiting) == []


# --- pages of other origins

APP = "origin: https://app.example\r\n"


def test_an_allowed_origin_may_read_the_answer_and_the_refusal(door: Door) -> None:
    answers = [door.ask(get("/v1/models", headers=APP)), door.ask(get("/v1/models", key="", headers=APP))]
    assert [a.status for a in answers] == [200, 401]
    assert [a.headers["access-control-allow-origin"] for a in answers] == ["https://app.example"] * 2


def test_a_preflight_of_an_allowed_origin_needs_no_key(door: Door) -> None:
    lines = APP + "access-control-request-method: POST\r\naccess-control-request-headers: authorization\r\n"
    with door.wire() as wire:
        answer = wire.send(request(path=CHAT, method="OPTIONS", key="", headers=lines)).answer()
        assert wire.send(get("/health")).answer().status == 200
    told = {name: value for name, value in answer.headers.items() if name.startswith(("access", "vary"))}
    assert (answer.status, told) == (
        204,
        {
            "access-control-allow-origin": "https://app.example",
            "access-control-allow-methods": "GET, POST",
            "access-control-allow-headers": (
                "authorization, content-type, x-api-key, api-key, x-goog-api-key, x-goog-api-client, openai-beta,"
                " openai-organization, openai-project, anthropic-version, anthropic-beta,"
                " anthropic-dangerous-direct-browser-access"
            ),
            "access-control-expose-headers": "x-request-id, request-id, retry-after, x-should-retry, x-unigate-model,"
            " x-unigate-provider, x-unigate-dropped",
            "access-control-max-age": "600",
            "vary": "origin",
        },
    )


def test_another_origin_is_told_nothing(door: Door) -> None:
    lines = "origin: https://evil.example\r\n"
    answers = [
        door.ask(request(path=CHAT, method="OPTIONS", key="", headers=lines)),
        door.ask(get("/v1/models", headers=lines)),
    ]
    assert [a.status for a in answers] == [401, 200]
    assert [name for a in answers for name in a.headers if name.startswith("access-control")] == []


# --- the end of a door


@pytest.fixture
def mortal(mock: Mock, tmp_path: Path) -> Iterator[Door]:
    """A door of its own, to be stopped."""
    server = ServerSettings(drain=2.0)
    with start_door(tmp_path, provider("mock", mock.port, PATIENT), server=server) as door:
        yield door


def begun_stream(door: Door, script: str) -> Wire:
    wire = door.wire()
    wire.send(request(chat(f"mock/script:{script}", stream=True)))
    wire.socket.recv(1)  # the head is there
    return wire


def rest_of_stream(wire: Wire) -> Answer:
    top = wire.until(b"\r\n\r\n")
    assert top.startswith(b"TTP/1.1 200")
    return wire._chunked(200, {})  # the head was read byte by byte above


def test_sigterm_lets_a_running_stream_finish_and_takes_no_new_call(mortal: Door) -> None:
    idle = mortal.wire()
    wire = begun_stream(mortal, "text=one%20two%20three,pace=60")
    mortal.process.send_signal(signal.SIGTERM)
    assert idle.is_closed(1.5)
    with pytest.raises(ConnectionRefusedError):
        mortal.wire()
    answer = rest_of_stream(wire)
    assert (answer.streamed_text, answer.events[-1], answer.cut) == ("one two three", "data: [DONE]", False)
    assert mortal.process.wait(20) == 0
    assert [(r.status, r.end) for r in mortal.records()] == [(200, "ok")]


def test_a_stream_longer_than_the_drain_ends_with_an_error_and_no_done(mortal: Door, mock: Mock) -> None:
    wire = begun_stream(mortal, "tokens=200,pace=50,twice")
    begun = time.monotonic()
    mortal.process.send_signal(signal.SIGTERM)
    answer = rest_of_stream(wire)
    assert answer.last_error == "server_shutting_down"
    assert b"[DONE]" not in answer.body
    assert mortal.process.wait(20) == 0
    assert 1.8 <= time.monotonic() - begun <= 8.0
    assert [(r.status, r.end, r.error) for r in mortal.records()] == [(200, "drained", "server_shutting_down")]
    assert mock.ended("script:tokens=200,pace=50,twice")["closed_by"] == "client"


def test_a_call_longer_than_the_drain_is_503(mortal: Door) -> None:
    with mortal.wire() as wire:
        wire.send(request(chat("mock/script:latency=9000,text=late")))
        until(lambda: mortal.entries(), "the intent")
        mortal.process.send_signal(signal.SIGTERM)
        assert wire.answer().error == (503, "server_shutting_down", None)
    assert mortal.process.wait(20) == 0


ORPHAN = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from harness import listening, provider, spawn_door, KEYS
from unigate.config import ServerSettings
from unigate.reply import Outlet, Reply
from unigate.snapshot import Settings
settings = Settings(server=ServerSettings(), providers=(provider("mock", {port}),), keys=KEYS, data={data!r})
door = spawn_door(settings, listening())
print(door.process.pid, door.port, flush=True)
time.sleep(60)
"""


def test_a_door_ends_with_its_parent_even_if_that_is_killed(mock: Mock, tmp_path: Path) -> None:
    script = ORPHAN.format(tests=str(Path(__file__).parent), port=mock.port, data=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, port = map(int, parent.stdout.readline().split())
        with Wire(port) as wire:
            assert wire.send(get("/health")).answer().status == 200
        parent.kill()
        parent.wait()
        assert until(lambda: not _lives(pid), "the end of the door")
        with pytest.raises(ConnectionRefusedError):
            Wire(port)


def _lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_no_secret_of_the_upstream_reaches_log_or_journal(door: Door) -> None:
    written = b"".join(path.read_bytes() for path in door.data.rglob("*") if path.is_file())
    assert UPSTREAM_KEY.encode() not in written
    assert os.path.getsize(door.data / "door.log") < 10_000
    assert isinstance(door.wire().socket, socket.socket)


# --- what no client can see


def test_a_heartbeat_dies_with_its_client() -> None:
    async def beats() -> int:
        client, heard = Outlet(), asyncio.Event()
        told: list[bytes] = []

        def leave(data: bytes) -> None:
            told.append(data)
            client.is_gone = True
            heard.set()

        client.write = leave
        reply = Reply(client, b"req_1", with_body=True, http_10=False, keep_alive=True)
        reply.beat(0.05)
        await heard.wait()
        await asyncio.sleep(0.25)
        client.is_gone = False  # whatever still beats is heard again
        await asyncio.sleep(0.35)
        return len(told)

    assert asyncio.run(beats()) == 1
