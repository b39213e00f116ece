"""Errors as Google's APIs tell them, read from providers and written for clients."""

from __future__ import annotations

import json

import pytest

from unigate.dialects.gemini_generate.errors import error_body, error_event, error_item, fault_in, read_fault
from unigate.errors import Fault, Kind, Told


def fault(status: int, *details: object, message: str = "No.", word: str = "SOME_STATUS") -> Fault:
    error = {"code": status, "message": message, "status": word, "details": list(details)}
    return read_fault(status, {}, json.dumps({"error": error}).encode())


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (400, Kind.REJECTED, 400),
        (404, Kind.REJECTED, 404),
        (409, Kind.REJECTED, 400),
        (401, Kind.ACCOUNT, 502),
        (403, Kind.ACCOUNT, 502),
        (429, Kind.LIMITED, 429),
        (500, Kind.FAILED, 502),
        (503, Kind.OVERLOADED, 503),
        (504, Kind.SLOW, 504),
    ],
)
def test_what_each_status_means(status: int, kind: Kind, told: int) -> None:
    found = fault(status)

    assert (found.kind, found.told.status) == (kind, told)


def test_a_bad_key_is_the_gateways_own_account_and_never_told() -> None:
    found = fault(
        400, {"@type": "ErrorInfo", "reason": "API_KEY_INVALID"}, message="API key AIzaSyXXXXXXXXXXXX not valid."
    )

    assert found.kind is Kind.ACCOUNT
    assert "AIza" not in str(found)


def test_a_refused_request_keeps_message_status_and_field() -> None:
    found = fault(400, {"fieldViolations": [{"field": "contents[0].role"}]}, word="INVALID_ARGUMENT")

    assert (found.told.message, found.told.code, found.told.param) == ("No.", "INVALID_ARGUMENT", "contents[0].role")


def test_when_to_come_again_is_in_the_details_or_in_the_header() -> None:
    assert fault(429, {"retryDelay": "48.9s"}).told.retry_after == "49"
    assert fault(429, {"retryDelay": "soon"}).told.retry_after is None
    assert read_fault(429, {b"retry-after": b"7"}, b"").told.retry_after == "7"


def test_what_looks_like_a_key_is_scrubbed() -> None:
    assert str(fault(404, message="Key AIzaSyA1234567890 has no such model.")) == "Key [redacted] has no such model."


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"error":5}', b'{"error":{"code":"x"}}', b"\xff"])
def test_an_error_of_another_shape_is_told_by_its_status(content: bytes) -> None:
    assert str(read_fault(404, {}, content)) == "The upstream answered HTTP 404."


def test_details_of_another_shape_leave_the_message() -> None:
    assert str(fault(404, 5)) == "No."


def test_an_error_in_an_answer_has_its_status_within() -> None:
    assert fault_in(b'[{"error":{"code":429,"message":"No."}}]').kind is Kind.LIMITED
    assert fault_in(b'{"error":{"message":"No."}}').kind is Kind.FAILED


def test_a_client_is_told_in_googles_words() -> None:
    told = Told(status=429, code="rate_limited", message="Slow down.", param="model", retry_after="7")

    assert json.loads(error_body(told)) == {
        "error": {
            "code": 429,
            "message": "Slow down.",
            "status": "RESOURCE_EXHAUSTED",
            "details": [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": "RATE_LIMITED",
                    "domain": "unigate",
                    "metadata": {},
                },
                {
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [{"field": "model", "description": "Slow down."}],
                },
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"},
            ],
        }
    }


@pytest.mark.parametrize(
    ("status", "word"),
    [(400, "INVALID_ARGUMENT"), (418, "INVALID_ARGUMENT"), (404, "NOT_FOUND"), (502, "UNAVAILABLE"), (599, "INTERNAL")],
)
def test_every_status_has_a_word(status: int, word: str) -> None:
    assert json.loads(error_body(Told(status=status, code="c", message="m")))["error"]["status"] == word


def test_a_stream_ends_with_its_error_in_the_streams_own_frame() -> None:
    told = Told(status=503, code="c", message="m")
    body = error_body(told)

    assert body.startswith(b'{"error":')  # how the Python SDK knows an error in a stream
    assert error_event(told) == b"data: " + body + b"\r\n\r\n"
    assert json.loads(b"[{}" + error_item(told)) == [{}, json.loads(body)]
