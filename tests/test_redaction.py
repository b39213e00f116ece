"""Redaction: what a body must not show, however it is written or cut into pieces; and nothing else is touched."""

from __future__ import annotations

import hashlib
import json
import time

import pytest

from unigate.accounting.redaction import Redactor

PROVIDERS_KEY = "provider-key-without-any-known-form"
CLIENTS_KEY = "a-clients-own-key-0123456789"
REDACTOR = Redactor(
    lambda: frozenset({PROVIDERS_KEY}), lambda digest: digest == hashlib.sha256(CLIENTS_KEY.encode()).digest()
)


def shown(text: str) -> str:
    """A text as the one message of a request."""
    return json.loads(REDACTOR.body(json.dumps({"content": text}).encode()))["content"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Write to jane.doe+news@mail.example.co.uk.", "Write to [email]."),
        ("Schreib an jörg@bücher.example", "Schreib an [email]"),
        ("Call +49 (171) 555-12345 now", "Call [phone] now"),
        ("Call (415) 555-2671 or 415-555-2671", "Call [phone] or [phone]"),
        ("电话：138 1234 5678。", "电话：[phone]。"),
        ("Tel. 0171 5551234", "Tel. [phone]"),
        ("Card 4111 1111 1111 1111, 12/27", "Card [card], 12/27"),
        ("Card 4111111111111111", "Card [card]"),
        ("Amex 3782-822463-10005", "Amex [card]"),
        ("sk-proj-abcdefghij0123456789", "[api_key]"),
        ("AKIAIOSFODNN7EXAMPLE is a key", "[api_key] is a key"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123", "[api_key]"),
        ("curl -H 'Authorization: Bearer abcdef0123456789'", "curl -H 'Authorization: Bearer [token]'"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "[token]"),
        ("password=hunter2hunter2;", "password=[secret];"),
        (f"we use {PROVIDERS_KEY}", "we use [key]"),
        (f"I am {CLIENTS_KEY}.", "I am [key]."),
        ("-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----", "[private_key]"),
    ],
)
def test_a_secret_is_blackened_and_the_words_around_it_stay(text: str, left: str) -> None:
    assert shown(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112 fails Luhn's check",
        "order 123456789012, version 3.14.159, 2026-11-23T00:00:00Z",
        "price: 1,234,567.89 and 10.0.0.1",
        "a@b and task-sk-run",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ],
)
def test_what_only_looks_similar_stays(text: str) -> None:
    assert shown(text) == text


def test_no_escape_hides_an_address() -> None:
    assert REDACTOR.body(rb'{"a":"jane\u0040example.com"}') == b'{"a":"[email]"}'


def test_a_field_named_as_a_secret_is_emptied_whatever_it_holds() -> None:
    body = b'{"password":"x","api_key":["y"],"max_tokens":5,"token":"hello"}'
    assert json.loads(REDACTOR.body(body)) == {
        "password": "[secret]",
        "api_key": "[secret]",
        "max_tokens": 5,
        "token": "hello",
    }


def events(*texts: str, index: int = 0) -> str:
    told = [{"id": "c1", "choices": [{"index": index, "delta": {"content": text}}]} for text in texts]
    return "".join(f"data: {json.dumps(event)}\n\n" for event in told)


def texts_of(stream: bytes) -> list[str]:
    lines = [line[6:] for line in stream.decode().split("\n") if line.startswith("data: {")]
    return [json.loads(line)["choices"][0]["delta"]["content"] for line in lines]


def test_an_address_that_a_stream_cuts_into_pieces_is_blackened_whole() -> None:
    stream = events("Write to ja", "ne@", "exam", "ple.com", " soon") + "data: [DONE]\n\n"
    left = REDACTOR.body(stream.encode())

    assert texts_of(left) == ["Write to [email]", "", "", "", " soon"]
    assert left.endswith(b"\n\ndata: [DONE]\n\n")


def test_every_cut_of_a_text_into_two_events_hides_the_same(text: str = "mail jane@example.com now") -> None:
    for cut in range(len(text) + 1):
        left = texts_of(REDACTOR.body(events(text[:cut], text[cut:]).encode()))
        assert "".join(left) == "mail [email] now"


def test_two_answers_in_one_stream_are_two_texts() -> None:
    stream = events("jane@", index=0) + events("example.com", index=1)

    assert texts_of(REDACTOR.body(stream.encode())) == ["jane@", "example.com"]


def test_bare_lines_and_lists_of_events_are_streams_too() -> None:
    told = [{"message": {"content": text}} for text in ("jane@", "example.com")]
    lines = "".join(json.dumps(event) + "\n" for event in told)
    left = [{"message": {"content": text}} for text in ("[email]", "")]

    assert [json.loads(line) for line in REDACTOR.body(lines.encode()).splitlines()] == left
    assert json.loads(REDACTOR.body(json.dumps(told).encode())) == left


@pytest.mark.parametrize("cut", range(20, 90))
def test_a_body_that_was_cut_shows_no_half_of_a_secret(cut: int) -> None:
    content = b'{"messages":[{"role":"user","content":"mail jane.doe@example.com or sk-proj-abcdefghij0123456789"}]}'
    left = REDACTOR.body(content[:cut], is_cut=True)

    assert b"jane" not in left
    assert b"sk-proj" not in left


def test_a_stream_that_was_cut_shows_no_half_of_a_secret() -> None:
    stream = events("long " * 100, "jane.d", "oe@exam")

    assert b"jane" not in REDACTOR.body(stream.encode(), is_cut=True)


def test_what_is_no_text_is_left_out_whole() -> None:
    assert REDACTOR.body(b"\x89PNG\xff\xfe") == b"[binary, 6 bytes]"


@pytest.mark.parametrize(
    "piece",
    [
        *("a@", "a.", "1 ", "1", "123 ", "+1 ", "01 123", "sk-", "eyJaaaaaaaaa.", "bearer ", "password="),
        *("-----BEGIN PRIVATE KEY-----", " basic", "a@a.", "\\u0040", "4111 "),
    ],
)
def test_no_text_takes_more_than_linear_time(piece: str) -> None:
    def seconds(size: int) -> float:
        content = json.dumps({"a": piece * (size // len(piece))}).encode()
        began = time.process_time()
        REDACTOR.body(content)
        return time.process_time() - began

    small = min(seconds(16_000) for _ in range(3))
    assert any(seconds(256_000) < 16 * max(small, 0.004) * 4 for _ in range(2))
