"""Values that follow each other: the same lines and items for every way the bytes may be cut, at linear cost."""

import json
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unigate.errors import Fault, Kind
from unigate.wire.lines import ArrayItems, Lines

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=6), JSON, max_size=4), max_size=5)
CUTS = st.lists(st.integers(0, 400), max_size=12)
SPACE = st.sampled_from([b"", b" ", b"\n", b"\r\n", b"\t \r\n"])


def pieces(whole: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    return [whole[start:end] for start, end in pairwise(places)]


def fed(feed: Callable[[bytes], list[bytes]], whole: bytes, cuts: list[int]) -> list[bytes]:
    return [one for piece in pieces(whole, cuts) for one in feed(piece)]


# --- Lines


@given(OBJECTS, CUTS, st.sampled_from([b"\n", b"\r\n", b"\n\n"]))
def test_lines_are_the_same_however_they_are_cut(objects: list[object], cuts: list[int], end: bytes) -> None:
    lines = [json.dumps(one).encode() for one in objects]
    cutter = Lines()
    assert fed(cutter.feed, b"".join(line + end for line in lines), cuts) == lines
    assert cutter.close() == b""


def test_a_line_that_nothing_ended_comes_at_the_close() -> None:
    cutter = Lines()
    assert cutter.feed(b'{"a":1}\n{"b"') == [b'{"a":1}']
    assert cutter.feed(b":2}\r") == []
    assert cutter.close() == b'{"b":2}'
    assert cutter.close() == b""


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_line_beyond_the_limit_is_refused_however_it_is_cut(cut: int) -> None:
    cutter = Lines(limit=8)
    with pytest.raises(Fault, match="more than 8 bytes") as caught:
        fed(cutter.feed, b"012345678\nx\n", [cut])
    assert caught.value.kind is Kind.TOO_LARGE


# --- Items of an array


@given(OBJECTS, CUTS, SPACE, SPACE)
def test_items_are_the_same_however_they_are_cut(
    objects: list[object], cuts: list[int], before: bytes, after: bytes
) -> None:
    items = [json.dumps(one, ensure_ascii=False).encode() for one in objects]
    cutter = ArrayItems()
    whole = before + b"[" + (before + b"," + after).join(items) + after + b"]" + after
    assert fed(cutter.feed, whole, cuts) == items
    cutter.close()


@pytest.mark.parametrize("cut", range(24))
def test_brackets_and_quotes_within_a_string_are_text(cut: int) -> None:
    item = rb'{"a":"]}\"\\","b":[{}]}'
    cutter = ArrayItems()
    assert fed(cutter.feed, b"[" + item + b"]", [cut]) == [item]
    cutter.close()


def test_a_lone_object_stands_for_an_array_of_one() -> None:
    cutter = ArrayItems()
    assert cutter.feed(b'{"error":{"code":400}}\n') == [b'{"error":{"code":400}}']
    cutter.close()


@pytest.mark.parametrize("whole", [b"", b" ", b"[", b'[{"a":1}', b'[{"a":1},', b'[{"a":"]'])
def test_an_array_without_its_end_is_truncated(whole: bytes) -> None:
    cutter = ArrayItems()
    cutter.feed(whole)
    with pytest.raises(Fault) as caught:
        cutter.close()
    assert caught.value.kind is Kind.TRUNCATED


@pytest.mark.parametrize("whole", [b"x", b"[1]", b"]", b"[[{}]]", b"[{}]x", b"{}{}", b'["a"]', b"<html>", b"[{}][{}]"])
@pytest.mark.parametrize("cut", range(6))
def test_what_is_no_array_of_objects_is_refused_however_it_is_cut(whole: bytes, cut: int) -> None:
    cutter = ArrayItems()
    with pytest.raises(Fault) as caught:
        fed(cutter.feed, whole, [cut])
        cutter.close()
    assert caught.value.kind is Kind.INVALID


@pytest.mark.parametrize("cut", range(9))
def test_good_items_are_handed_over_before_the_bad_one_is_told(cut: int) -> None:
    cutter = ArrayItems()
    got: list[bytes] = []
    with pytest.raises(Fault):
        for piece in pieces(b'[{"a":1},2]', [cut]):
            got += cutter.feed(piece)
        cutter.close()
    assert got == [b'{"a":1}']


def test_an_item_beyond_the_limit_is_refused() -> None:
    cutter = ArrayItems(limit=8)
    with pytest.raises(Fault) as caught:
        cutter.feed(b'[{"a":"01234567')
    assert caught.value.kind is Kind.TOO_LARGE


# --- Cost


def cost(feed: Callable[[bytes], list[bytes]], size: int) -> float:
    """Seconds to take one value of this many bytes in small pieces."""
    value = b'{"a":"' + b"x{" * (size // 2)
    started = time.process_time()
    for at in range(0, size, 64):
        feed(value[at : at + 64])
    return time.process_time() - started


@pytest.mark.parametrize("cutter", [Lines, lambda: ArrayItems(1 << 30)], ids=["lines", "items"])
def test_a_long_value_in_small_pieces_costs_no_more_for_each_byte(cutter: Callable[[], Lines | ArrayItems]) -> None:
    small = min(cost(cutter().feed, 250_000) for _ in range(3))
    large = min(cost(cutter().feed, 2_000_000) for _ in range(3))
    assert large < small * 8 * 4
