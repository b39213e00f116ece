"""The time by which leases end: it follows the store's, but no jump of that ends what somebody holds."""

from __future__ import annotations

from unigate.clock import LeaseClock

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
NOON = 1_795_392_000 * SECOND


class Clocks:
    """A store's clock that jumps, and one that never does."""

    def __init__(self) -> None:
        self.steady = 5 * SECOND
        self.jumped = 0
        self.judged = LeaseClock(lambda: self.steady)

    def after(self, seconds: int) -> int:
        """How far the time to judge by is from the store's, in seconds, so much later."""
        self.steady += seconds * SECOND
        now = NOON + self.steady + self.jumped
        return (self.judged(now) - now) // SECOND


def test_it_is_the_stores_own_time_while_that_goes_on_evenly() -> None:
    clocks = Clocks()
    assert [clocks.after(seconds) for seconds in (0, 1, 60, 3600, 0)] == [0] * 5


def test_a_jump_ahead_counts_ten_seconds_later_and_a_jump_back_at_once() -> None:
    clocks = Clocks()
    clocks.after(1)
    clocks.jumped = HOUR
    assert [clocks.after(seconds) for seconds in (0, 1, 8, 1, 1)] == [-3600, -3600, -3600, 0, 0]
    clocks.jumped = 0
    assert clocks.after(1) == 0


def test_a_jump_that_is_taken_back_leaves_no_doubt_behind() -> None:
    clocks = Clocks()
    clocks.after(1)
    clocks.jumped = HOUR
    assert clocks.after(5) == -3600
    clocks.jumped = 0
    assert clocks.after(3) == 0
    clocks.jumped = HOUR
    assert [clocks.after(seconds) for seconds in (5, 4, 1)] == [-3600, -3600, -3600]
