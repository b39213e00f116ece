"""Work at the side of a door: in pieces so short that a call which wants the same core hardly waits."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterable, Iterator

import pytest

from unigate.manners import unhurried

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts a thread's own switches")


def working(count: int, seconds: float) -> Iterator[int]:
    """Numbers, each after so much work."""
    for number in range(count):
        done_at = time.thread_time() + seconds
        while time.thread_time() < done_at:
            pass
        yield number


def naps(items: Iterable[int]) -> tuple[list[int], int]:
    """The items, and how often the thread gave its core away of its own accord."""
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    told = list(items)
    return told, resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before


def test_long_work_gives_way_again_and_again_and_short_work_is_done_in_one_go() -> None:
    told, given_way = naps(unhurried(working(100, 0.001)))
    assert told == list(range(100)) and given_way > 10

    told, given_way = naps(unhurried(working(100, 0)))
    assert told == list(range(100)) and given_way < 5
