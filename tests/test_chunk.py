"""Chunks that come alone are read without the parser, and however they come the body is the same."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import Answer, Door, provider, raw_upstream, read_request, start_door
from unigate.wire.chunk import chunk_of, data_in

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENTS = (
    b'data: {"choices":[{"index":0,"delta":{"content":"one"},"finish_reason":null}]}\n\n',
    b'data: {"choices":[{"index":0,"delta":{"content":"\\r\\n3\\r\\nabc\\r\\n"},"finish_reason":null}]}\n\n',
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\r\n\r\n',
    b"data: [DONE]\n\n",
)
# As servers may write them: in capitals, with zeros before, one event in two chunks, with an extension, a trailer.
# The extension of one reads like the size of another, and it is cut so that this one might seem to stand alone.
PACKETS = (
    chunk_of(EVENTS[0]),
    b"00%X\r\n%b\r\n" % (len(EVENTS[1]), EVENTS[1]),
    b"%x;" % len(EVENTS[2]) + chunk_of(EVENTS[2][:-2]),
    b"\r\n",
    chunk_of(EVENTS[3][:5]),
    chunk_of(EVENTS[3][5:]),
    b"0\r\nx-told: late\r\n\r\n",
)
BODY = b"".join(PACKETS)
ENDS = {len(b"".join(PACKETS[:count])) for count in range(len(PACKETS) + 1)}


@given(st.binary(min_size=1, max_size=5000))
def test_a_chunk_tells_what_it_carries(data: bytes) -> None:
    assert data_in(chunk_of(data)) in (data, b"" if len(data) >= 4096 else data)


@given(st.text("0123456789abcdefABCDEF +-_;x\r\n", max_size=12).map(str.encode), st.binary(max_size=40))
def test_what_is_not_one_chunk_and_nothing_else_is_left_to_the_parser(before: bytes, data: bytes) -> None:
    seen = before + data
    assert not (told := data_in(seen)) or seen == b"%x\r\n%b\r\n" % (len(told), told)


@pytest.mark.parametrize(
    "seen",
    [
        b"",
        b"0\r\n\r\n",
        b"3\r\nabc",
        b"3\r\nabc\r\n1",
        b"+3\r\nabc\r\n",
        b"3\nabc\r\n",
        b"3;x\r\nabc\r\n",
        b"4\r\nabc\r\n",
    ],
)
def test_the_parser_judges(seen: bytes) -> None:
    assert data_in(seen) == b""


def packets(cut: int) -> Iterator[bytes]:
    """The body in its packets, and one cut more."""
    places = sorted({*ENDS, cut})
    yield from (BODY[start:end] for start, end in pairwise(places))


def serve(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while asked := re.search(rb'"cut-(\d+)"', read_request(connection)):
        connection.sendall(HEAD)
        for packet in packets(int(asked[1])):
            time.sleep(0.003)
            connection.sendall(packet)


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with (
        raw_upstream(serve) as upstream,
        start_door(tmp_path_factory.mktemp("chunks"), provider("raw", upstream.port)) as door,
    ):
        yield door


def test_a_body_is_the_same_wherever_it_is_cut(door: Door) -> None:
    def cut(place: int) -> Answer:
        return door.call(f"raw/cut-{place}", stream=True)

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(cut, range(len(BODY))))

    bodies = {(answer.status, answer.body, answer.cut) for answer in answers}
    assert bodies == {(200, b"".join(EVENTS), False)}


@pytest.mark.parametrize("wrong", [b"4\r\nabc\r\n", b"-3\r\nabc\r\n", b"3\r\nabcd\r\n", b"xyz\r\nabc\r\n"])
def test_a_wrong_chunk_after_good_ones_is_an_error(tmp_path: Path, wrong: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        read_request(connection)
        for packet in (HEAD, PACKETS[0], chunk_of(EVENTS[0]), wrong, *PACKETS[-2:]):
            time.sleep(0.01)
            connection.sendall(packet)

    with raw_upstream(serve) as upstream, start_door(tmp_path, provider("raw", upstream.port)) as door:
        answer = door.call("raw/x", stream=True)

    assert (answer.last_error, answer.body.startswith(EVENTS[0] * 2)) == ("upstream_protocol", True)
