"""Server-sent events: however a stream's bytes are cut, the same events come out."""

from __future__ import annotations

import json
import random
import time
import tracemalloc
from collections.abc import Iterable, Iterator

import pytest

from unigate.errors import Fault, Kind
from unigate.wire import sse

DELTA = '{"choices":[{"index":0,"delta":{"content":"%s"}}]}'
PLAIN = "".join(f"data: {DELTA % word}\n\n" for word in ("one", "two", "three")) + "data: [DONE]\n\n"
WIDE = "é — 你好 — 𝄞🙂 — \u2028"

STREAMS: dict[str, bytes] = {
    "line feeds": PLAIN.encode(),
    "both": PLAIN.replace("\n", "\r\n").encode(),
    "carriage returns": PLAIN.replace("\n", "\r").encode(),
    "a mixture": b"data: a\r\n\ndata: b\n\r\ndata: c\r\rdata: d\n\ndata: e\r\n\r\n",
    "a byte order mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "comments": b": PROCESSING\n\n" + PLAIN.encode().replace(b"data: [", b": ping\n\n:\n\ndata: ["),
    "fields": b"event: message\nid: 7\nretry: 1000\ndata: {}\n\nevent: end\ndata: x\n\n",
    "several lines of data": b'data: {\ndata: "a": 1\ndata: }\n\ndata\n\ndata:\n\n',
    "two-, three- and four-byte characters": "".join(f"data: {DELTA % WIDE}\n\n" for _ in range(3)).encode(),
    "such characters and both line ends": f"data: {DELTA % WIDE}\r\n\r\ndata: [DONE]\r\n\r\n".encode(),
    "no space": PLAIN.replace("data: ", "data:").encode(),
    "no last blank line": PLAIN.rstrip("\n").encode(),
    "no last line end": PLAIN.encode() + b"data: tail",
    "only a comment": b": hello\n\n",
    "many blank lines": b"\n\n\ndata: a\n\n\n\n\ndata: b\n\n\n",
    "a lone carriage return at the end": b"data: a\r\rdata: b\r\r",
    "nothing": b"",
    "invalid utf-8": b"data: \xff\xfe\xc3\n\ndata: \xf0\x9f\n\n",
}


def carried(pieces: Iterable[bytes]) -> tuple[list[bytes], bytes]:
    """The events that come out, and all bytes, of a stream that comes in these pieces."""
    cutter = sse.Cutter()
    blocks = [cutter.feed(piece) for piece in pieces]
    tail = cutter.close()
    found = [event for block in [*blocks, tail] for event in sse.events(block)]
    return found, b"".join(blocks) + tail


def two_way(stream: bytes) -> Iterator[list[bytes]]:
    return ([stream[:at], stream[at:]] for at in range(len(stream) + 1))


@pytest.mark.parametrize("name", STREAMS)
def test_every_cut_in_two_gives_the_same_events(name: str) -> None:
    whole = carried([STREAMS[name]])
    assert whole[1] == STREAMS[name]
    for pieces in two_way(STREAMS[name]):
        assert data(carried(pieces)) == data(whole)


@pytest.mark.parametrize("name", STREAMS)
def test_single_bytes_give_the_same_events(name: str) -> None:
    stream = STREAMS[name]
    assert data(carried(stream[at : at + 1] for at in range(len(stream)))) == data(carried([stream]))


@pytest.mark.parametrize("name", STREAMS)
def test_random_cuts_give_the_same_events(name: str) -> None:
    stream, seed = STREAMS[name], random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    whole = data(carried([stream]))
    for _ in range(300):
        cuts = sorted(chance.choices(range(len(stream) + 1), k=chance.randint(1, 12)))
        pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        assert data(carried(pieces)) == whole


def data(found: tuple[list[bytes], bytes]) -> tuple[list[bytes], bytes]:
    """What a client reads: the data of each event that has any, and the bytes."""
    events, content = found
    return [told for event in events if (told := sse.data_of(event))], content


def test_every_block_handed_on_ends_where_an_event_ends() -> None:
    for stream in STREAMS.values():
        for pieces in two_way(stream):
            cutter = sse.Cutter()
            for piece in pieces:
                block = cutter.feed(piece)
                assert block == b"" or block.endswith((b"\n\n", b"\r\r", b"\r\n\r\n", b"\r\n\n", b"\n\r\n", b"\n\r"))


def test_an_event_is_handed_on_with_its_last_byte() -> None:
    stream = PLAIN.encode()
    cutter = sse.Cutter()
    came = [len(cutter.feed(stream[at : at + 1])) > 0 for at in range(len(stream))]
    ends = [stream[: at + 1].endswith(b"\n\n") for at in range(len(stream))]
    assert came == ends


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (b"data: a\n\n", b"a"),
        (b"data:a\n\n", b"a"),
        (b"data:  a\n\n", b" a"),
        (b"data: a\r\ndata: b\r\n\r\n", b"a\nb"),
        (b"data: a\rdata: b\r\r", b"a\nb"),
        (b"event: x\nid: 1\nretry: 2\ndata: a\n\n", b"a"),
        (b"event: data: x\ndata: a\n\n", b"a"),
        (b"event: x\ndata: a\nid: 1\n\n", b"a"),
        (b"event: x\ndata: a\ndata: b\n\n", b"a\nb"),
        (b": data: a\n\n", b""),
        (b"data\n\n", b""),
        (b"data:\ndata:\n\n", b"\n"),
        (b"database: a\n\n", b""),
    ],
)
def test_the_data_of_an_event(event: bytes, told: bytes) -> None:
    assert sse.data_of(event) == told


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (b"event: x\ndata: a\n\n", b"x"),
        (b"event:x\rdata: a\r\r", b"x"),
        (b"event:xy\ndata: a\n\n", b"xy"),
        (b"data: event: y\nevent: x\n\n", b"x"),
        (b"event: x", b"x"),
        (b"events: x\ndata: a\n\n", b""),
        (b"data: a\n\n", b""),
    ],
)
def test_the_name_of_an_event(event: bytes, name: bytes) -> None:
    assert sse.name_of(event) == name


def test_each_event_of_a_block_has_its_own_blank_line_and_nothing_is_lost() -> None:
    for end in (b"\n\n", b"\r\n\r\n", b"\r\r"):
        wanted = [b"data: a" + end, b"event: x" + end, b": \xff" + end, b"data: the rest"]
        assert sse.events(b"".join(wanted)) == wanted
    assert sse.events(b"") == []


def test_a_line_of_ten_megabytes_is_a_fault_and_takes_no_more_memory_than_the_cap() -> None:
    piece = b"x" * 65536
    tracemalloc.start()
    try:
        with pytest.raises(Fault) as caught:
            feed_for_ever(sse.Cutter(), piece, 160)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (caught.value.kind, peak < 20 * 1024 * 1024) == (Kind.TOO_LARGE, True)


def feed_for_ever(cutter: sse.Cutter, piece: bytes, times: int) -> None:
    for _ in range(times):
        assert cutter.feed(piece) == b""


def test_a_long_line_in_small_pieces_takes_linear_time() -> None:
    def seconds(times: int) -> float:
        begun = time.process_time()
        feed_for_ever(sse.Cutter(), b"data: 0123456789", times)
        return time.process_time() - begun

    few, many = min(seconds(20_000) for _ in range(3)), seconds(200_000)
    assert many < 40 * max(few, 0.001)


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_a_hundred_thousand_tiny_events_are_cut_in_no_time(end: bytes) -> None:
    stream = (b"data: x" + end) * 100_000
    begun = time.process_time()
    cutter = sse.Cutter()
    total = sum(len(cutter.feed(stream[at : at + 65536])) for at in range(0, len(stream), 65536))
    assert total + len(cutter.close()) == len(stream)
    assert time.process_time() - begun < 4.0


def test_the_data_of_a_real_event_is_json() -> None:
    assert [
        json.loads(sse.data_of(event))["choices"][0]["index"] for event in list(sse.events(PLAIN.encode()))[:-1]
    ] == [0] * 3
