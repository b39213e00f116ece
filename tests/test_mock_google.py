"""The scripted upstream as Vertex: its paths, and the tokens that open them."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from mocking import Answer, call, upstream

TOKEN = "ya29.test"
MODEL = "/v1/projects/p/locations/us-central1/publishers/google/models/script:tokens=2"
HELLO = {"contents": [{"role": "user", "parts": [{"text": "12345678"}]}]}
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with upstream(google_token=TOKEN) as port:
        yield port


def part(told: bytes) -> str:
    return base64.urlsafe_b64encode(told).rstrip(b"=").decode()


def claim(**other: object) -> dict[str, object]:
    now = int(time.time())
    scope = "https://www.googleapis.com/auth/cloud-platform"
    return {"iss": "a@b.example", "scope": scope, "aud": "http://x/token", "iat": now, "exp": now + 3600, **other}


def ask(port: int, told: object, *, alg: str = "RS256", signature: bytes = bytes(256)) -> Answer:
    head = part(json.dumps({"alg": alg, "typ": "JWT"}).encode())
    assertion = f"{head}.{part(json.dumps(told).encode())}.{part(signature)}"
    return call(port, "/token", urlencode({"grant_type": GRANT, "assertion": assertion}).encode(), key="")


def test_a_claim_is_exchanged_for_the_token_that_opens_vertex(port: int) -> None:
    told = ask(port, claim()).json()
    assert told == {"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"}
    whole = call(port, f"{MODEL}:generateContent", HELLO, key=TOKEN).json()
    assert whole["candidates"][0]["content"]["parts"] == [{"text": "Hello! This"}]  # type: ignore
    events = call(port, f"{MODEL}:streamGenerateContent?alt=sse", HELLO, key=TOKEN).events()
    assert len(events) == 3
    refused = call(port, f"{MODEL}:generateContent", HELLO)
    assert (refused.status, refused.json()["error"]["status"]) == (401, "UNAUTHENTICATED")  # type: ignore


@pytest.mark.parametrize(
    ("told", "wrong"),
    [
        (claim(exp=int(time.time()) - 10, iat=int(time.time()) - 3000), "the claim is expired or of the future"),
        (claim(exp=int(time.time()) + 9000), "iat and exp are not in a reasonable timeframe"),
        (claim(scope="email"), "the scope lacks the cloud platform"),
        (claim(aud="https://example.com"), "the audience is not this endpoint"),
    ],
)
def test_a_wrong_claim_is_refused(port: int, told: object, wrong: str) -> None:
    answer = ask(port, told)
    told = {"error": "invalid_grant", "error_description": f"Invalid JWT: {wrong}"}
    assert (answer.status, answer.json()) == (400, told)


def test_a_claim_of_the_wrong_shape_is_refused(port: int) -> None:
    for answer in (ask(port, claim(), alg="HS256"), ask(port, claim(), signature=b"short"), ask(port, {"iss": "a@b"})):
        assert (answer.status, answer.json()["error"]) == (400, "invalid_grant")
    other = call(port, "/token", b"grant_type=password", key="")
    assert (other.status, other.json()["error"]) == (400, "unsupported_grant_type")
