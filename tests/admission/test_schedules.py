"""When doors will have more of their rates: one thread is told so while another hears that a door has died."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from unigate.admission.bank_words import Back
from unigate.admission.book import Schedules

TURNS = 300


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads that take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def back(number: int, *cooling: tuple[int, int]) -> Back:
    return Back(f"key_{number}", "tokens", "", 1, cooling=cooling)


@pytest.mark.usefixtures("restless")
def test_doors_may_die_while_others_give_back_and_wait() -> None:
    schedules = Schedules(lambda: 1000, threading.Lock())
    many = range(100)

    def again(act: Callable[[str], object]) -> None:
        for turn in range(TURNS):
            act(f"door-{turn % 3}")

    def give_back(life: str) -> None:
        schedules.note(life, [back(number, (5, 10)) for number in many])
        schedules.note(life, [back(number) for number in many])

    def wait(_: str) -> None:
        for number in many:
            schedules.wait(f"key_{number}", "tokens", 10)

    with ThreadPoolExecutor(3) as threads:
        for done in [threads.submit(again, act) for act in (give_back, schedules.end, wait)]:
            done.result()

    schedules.note("door-0", [back(1, (5, 10)), back(2, (9, 4))])
    assert [schedules.wait(f"key_{number}", "tokens", 4) for number in (1, 2, 3)] == [5, 9, 0]
    schedules.end("door-0")
    assert schedules.wait("key_1", "tokens", 4) == 0
