"""A head that was read before: whatever repeats it is read the same, and everything else goes to the parser."""

from __future__ import annotations

import pytest

from unigate.http.known_head import KnownHead
from unigate.http.request import Request, Verdict

HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\ncontent-Length: %b\r\nauthorization: Bearer one\r\n\r\n"


def said(length: bytes, body: bytes) -> bytes:
    """A request whose head tells this length."""
    return HEAD % length + body


def read(size: int, **more: bytes) -> Request:
    """The request as the parser reads it."""
    headers = {b"host": b"x", b"content-length": b"%d" % size, b"authorization": b"Bearer one"}
    headers |= {name.encode().replace(b"_", b"-"): value for name, value in more.items()}
    request = Request(b"POST", b"/v1/chat/completions", b"", headers, Verdict())
    request.size = size
    return request


@pytest.fixture
def known() -> KnownHead:
    known = KnownHead()
    known.learn(said(b"5", b"first"), read(5))
    return known


@pytest.mark.parametrize("body", [b"again", b"", b"a", b"a longer body\r\n\r\n", b"x" * 70_000])
def test_the_same_words_with_another_body_are_the_same_request(known: KnownHead, body: bytes) -> None:
    request = known.request_in(said(b"%d" % len(body), body))
    assert request is not None
    assert (request.method, request.path, request.size) == (b"POST", b"/v1/chat/completions", len(body))
    assert (request.headers, request.take_body()) == (read(len(body)).headers, body)


@pytest.mark.parametrize(
    "data",
    [
        said(b"5", b"firs"),
        said(b"5", b"first!"),
        said(b"5", b"first" + said(b"5", b"again")),
        said(b"05", b"first"),
        said(b"+5", b"first"),
        said(b" 5", b"first"),
        said(b"5 ", b"first"),
        said(b"5\r\ncontent-length: 5", b"first"),
        said(b"1_0", b"0123456789"),
        said(b"-1", b""),
        said(b"", b"first"),
        said(b"5", b"first").replace(b"one", b"two"),
        said(b"5", b"first").replace(b"chat", b"Chat"),
        said(b"5", b"first")[:60],
        b"\r\n" + said(b"5", b"first"),
        b"",
    ],
)
def test_whatever_differs_goes_to_the_parser(known: KnownHead, data: bytes) -> None:
    assert known.request_in(data) is None


@pytest.mark.parametrize("data", [b"", b"\0", b"\0" * 3, b"\0001\0", said(b"5", b"first")])
def test_at_first_no_head_is_known(data: bytes) -> None:
    assert KnownHead().request_in(data) is None


@pytest.mark.parametrize("name", ["transfer_encoding", "expect", "upgrade"])
def test_a_head_that_changes_how_its_message_is_read_is_not_remembered(name: str) -> None:
    known = KnownHead()
    known.learn(said(b"5", b"first"), read(5, **{name: b"x"}))
    assert known.request_in(said(b"5", b"first")) is None


def test_a_head_that_ends_its_connection_is_not_remembered() -> None:
    known, request = KnownHead(), read(5)
    request.keep_alive = False
    known.learn(said(b"5", b"first"), request)
    assert known.request_in(said(b"5", b"first")) is None


def test_of_two_requests_in_one_piece_no_head_is_remembered() -> None:
    known = KnownHead()
    known.learn(said(b"5", b"first") + said(b"5", b"again"), read(5))
    assert known.request_in(said(b"5", b"first")) is None
