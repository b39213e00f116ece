"""AWS event streams: whole frames for every way the bytes may be cut, and no damaged one passes."""

import struct
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unigate.errors import Fault, Kind
from unigate.wire.eventstream import Frame, Frames

HEADERS = st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=40), max_size=4)
FRAMES = st.lists(st.builds(Frame, HEADERS, st.binary(max_size=80)), max_size=4)
CUTS = st.lists(st.integers(0, 600), max_size=12)


def text_header(name: str, value: str) -> bytes:
    encoded = name.encode(), value.encode()
    return struct.pack(">B", len(encoded[0])) + encoded[0] + struct.pack(">BH", 7, len(encoded[1])) + encoded[1]


def encoded(headers: bytes, payload: bytes) -> bytes:
    prelude = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    start = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return start + struct.pack(">I", zlib.crc32(start))


def written(frame: Frame) -> bytes:
    return encoded(b"".join(text_header(*one) for one in frame.headers.items()), frame.payload)


def read(whole: bytes, cuts: list[int], frames: Frames | None = None) -> list[Frame]:
    frames = frames or Frames()
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    found = [one for start, end in pairwise(places) for one in frames.feed(whole[start:end])]
    frames.close()
    return found


@given(FRAMES, CUTS)
def test_frames_are_the_same_however_they_are_cut(frames: list[Frame], cuts: list[int]) -> None:
    assert read(b"".join(map(written, frames)), cuts) == frames


def test_the_published_examples_are_read() -> None:
    # The vectors that the AWS SDKs' own tests share.
    empty = bytes.fromhex("000000100000000005c248eb7d98c8ff")
    text = bytes.fromhex(
        "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e"
        "7b27666f6f273a27626172277d8d9c08b1"
    )
    assert read(empty + text, []) == [Frame({}, b""), Frame({"content-type": "application/json"}, b"{'foo':'bar'}")]


def test_headers_of_every_type_are_stepped_over() -> None:
    values = [
        b"\x00",
        b"\x01",
        b"\x02\xff",
        b"\x03" + b"\x01" * 2,
        b"\x04" + b"\x01" * 4,
        b"\x05" + b"\x01" * 8,
        b"\x06\x00\x03abc",
        b"\x08" + b"\x01" * 8,
        b"\x09" + b"\x01" * 16,
    ]
    headers = b"".join(b"\x01" + str(index).encode() + value for index, value in enumerate(values))
    assert read(encoded(headers + text_header("last", "x"), b"p"), []) == [Frame({"last": "x"}, b"p")]


GOOD = written(Frame({":event-type": "contentBlockDelta"}, b'{"a":1}'))


@pytest.mark.parametrize("place", range(len(GOOD)))
def test_no_changed_byte_passes(place: int) -> None:
    damaged = bytearray(GOOD)
    damaged[place] ^= 1
    with pytest.raises(Fault) as caught:
        read(bytes(damaged), [])
    assert caught.value.kind is Kind.INVALID


@pytest.mark.parametrize("cut", range(len(GOOD) * 2))
def test_good_frames_are_handed_over_before_the_damage_is_told(cut: int) -> None:
    frames, whole = Frames(), GOOD + GOOD[:-1] + b"\xff"
    got: list[Frame] = []
    with pytest.raises(Fault):
        for piece in (whole[:cut], whole[cut:]):
            got += frames.feed(piece)
        frames.close()
    assert len(got) == 1


@pytest.mark.parametrize("cut", range(1, len(GOOD)))
def test_a_stream_that_ends_within_a_frame_is_truncated(cut: int) -> None:
    frames = Frames()
    assert frames.feed(GOOD[:cut]) == []
    with pytest.raises(Fault) as caught:
        frames.close()
    assert caught.value.kind is Kind.TRUNCATED


@pytest.mark.parametrize(
    "headers",
    [
        b"\x05name",
        b"\x01a",
        b"\x01a\x07",
        b"\x01a\x07\x00",
        b"\x01a\x07\x00\x05abc",
        b"\x01a\x0a",
        b"\x01a\x05\x00",
        b"\x01a\x07\x00\x01\xff",
        b"\x01\xff\x07\x00\x01a",
    ],
    ids=["name", "type", "length", "half length", "value", "unknown", "number", "not text", "name not text"],
)
def test_headers_that_cannot_be_read_are_refused(headers: bytes) -> None:
    with pytest.raises(Fault) as caught:
        read(encoded(headers, b""), [])
    assert caught.value.kind is Kind.INVALID


def test_a_frame_shorter_than_its_headers_is_refused() -> None:
    prelude = struct.pack(">II", 20, 100)
    with pytest.raises(Fault, match="shorter than its own headers"):
        Frames().feed(prelude + struct.pack(">I", zlib.crc32(prelude)))


def test_a_huge_frame_is_refused_as_soon_as_it_says_so() -> None:
    prelude = struct.pack(">II", 101, 0)
    with pytest.raises(Fault) as caught:
        Frames(limit=100).feed(prelude + struct.pack(">I", zlib.crc32(prelude)))
    assert caught.value.kind is Kind.TOO_LARGE
