"""Every recorded error reaches every client with its meaning: status, words, and when to come back."""

from __future__ import annotations

import json

import pytest

from dialects.judging import CLIENTS, spoken_by
from recordings.reader.errors import error_fact
from recordings.reader.look import text_fact
from recordings.replay import Object, facts, find, response_bytes
from unigate.dialects.dialect import Dialect
from unigate.errors import Fault, Kind

pytestmark = pytest.mark.usefixtures("recordings_there")

ERRORS = {str(id): fact for id, fact in facts().items() if fact["kind"] == "error"}
# A key that is not valid is our account's trouble, whatever status a provider has for it.
BAD_KEYS = {"gemini.generateContent__error_400__44dc85cf", "gemini.streamGenerateContent__error_400__7584fa1a"}
EMPTY_PURSES = {"openai.responses__error_429__454c43fd"}
MEANINGS = {
    401: (Kind.ACCOUNT, 502),
    403: (Kind.ACCOUNT, 502),
    429: (Kind.LIMITED, 429),
    503: (Kind.OVERLOADED, 503),
    529: (Kind.OVERLOADED, 503),
}


@pytest.mark.parametrize("name", ERRORS)
def test_a_recorded_error_becomes_the_fault_that_it_is(name: str) -> None:
    error = error_of(name)
    status = int(str(error["status"]))
    kind, told_status = MEANINGS.get(status, (Kind.REJECTED, status))
    if name in BAD_KEYS | EMPTY_PURSES:
        kind, told_status = Kind.ACCOUNT, 502

    fault = read(name)

    assert (fault.kind, fault.told.status) == (kind, told_status)
    if kind in (Kind.REJECTED, Kind.LIMITED):
        assert text_fact(fault.told.message) == error["message"]
        assert fault.told.retry_after == error["retry_after"]


@pytest.mark.parametrize("client", CLIENTS, ids=lambda one: one.name)
@pytest.mark.parametrize("name", ERRORS)
def test_a_recorded_error_says_the_same_in_every_shape(name: str, client: Dialect) -> None:
    told = read(name).told

    fact = error_fact(told.status, {}, json.loads(client.errors.body(told)))

    assert fact["message"] == text_fact(told.message)


def error_of(name: str) -> Object:
    answer = ERRORS[name]["answer"]
    assert isinstance(answer, dict) and isinstance(answer["error"], dict)
    return answer["error"]


def read(name: str) -> Fault:
    recording = find(name)
    dialect = spoken_by(recording)
    if dialect is None:
        pytest.skip("its format is carried straight")
    status, headers, body = response_bytes(recording)
    return dialect.fault(status, {key.encode(): value.encode() for key, value in headers.items()}, body)
