"""When a limit begins anew: days and months in UTC whatever a host's clock does, and minutes that slide."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from unigate.admission.headers import limit_lines
from unigate.admission.rates import Cooling
from unigate.admission.wallet import Need, Permit, Shortage, Wallet
from unigate.admission.windows import end_of, span_of, window_of
from unigate.clock import StoreClock
from unigate.tenancy import Quota, QuotaKind

SECOND = 1_000_000_000
HOUR = 3600 * SECOND


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("at", "day", "month"),
    [
        ("2026-11-23T00:00:00", "2026-11-23", "2026-11"),
        ("2026-11-23T23:59:59", "2026-11-23", "2026-11"),
        ("2026-12-31T23:59:59", "2026-12-31", "2026-12"),
        ("2028-02-29T12:00:00", "2028-02-29", "2028-02"),
        ("2027-03-28T01:30:00", "2027-03-28", "2027-03"),  # an hour that summer time skips in Europe
    ],
)
def test_an_instant_belongs_to_one_day_and_one_month(at: str, day: str, month: str) -> None:
    windows = [window_of(kind, instant(at)) for kind in (QuotaKind.USD_DAY, QuotaKind.USD_MONTH, QuotaKind.USD_TOTAL)]
    assert windows == [day, month, "total"]


def test_a_day_ends_at_midnight_to_the_nanosecond() -> None:
    midnight = instant("2027-01-01T00:00:00")
    assert (span_of(midnight - 1).month, span_of(midnight).month) == ("2026-12", "2027-01")
    assert span_of(midnight - 1).ends_ns == span_of(midnight).starts_ns == midnight


def test_a_month_ends_where_the_next_begins() -> None:
    assert end_of(QuotaKind.USD_MONTH, instant("2028-02-29T12:00:00")) == instant("2028-03-01T00:00:00")
    assert end_of(QuotaKind.USD_MONTH, instant("2026-12-31T23:59:59")) == instant("2027-01-01T00:00:00")
    assert end_of(QuotaKind.USD_TOTAL, instant("2026-12-31T23:59:59")) is None


def test_a_call_stays_in_the_window_it_began_in() -> None:
    wallet = Wallet(lambda: 0, lambda _: None)
    quotas = (Quota("k", QuotaKind.USD_DAY, 10, "key 'k'"),)
    midnight = instant("2027-01-01T00:00:00")
    before, after = wallet.parts(quotas, midnight - 1)[0].allowance, wallet.parts(quotas, midnight)[0].allowance
    before.grant(10)
    permit = wallet.take(quotas, Need(10, 0), midnight - 1)
    assert isinstance(permit, Permit)
    assert isinstance(wallet.take(quotas, Need(1, 0), midnight), Shortage)
    permit.settle(7, 0)
    assert ((before.free, before.spent), (after.free, after.spent)) == ((3, 7), (0, 0))


@pytest.mark.parametrize("jump", [HOUR, -HOUR, -24 * HOUR])
def test_a_host_whose_clock_jumps_goes_by_the_stores_time(jump: int) -> None:
    host, monotonic = [instant("2026-11-23T12:00:00")], [0]
    clock = StoreClock(lambda: host[0], lambda: monotonic[0])
    host[0] += jump
    monotonic[0] += 5 * SECOND
    assert clock() == instant("2026-11-23T12:00:05")
    clock.set(instant("2026-11-23T12:05:05"))  # this host was five minutes slow
    monotonic[0] += SECOND
    assert clock() == instant("2026-11-23T12:05:06")
    clock.set(instant("2026-11-23T12:05:06") + 20_000_000)
    assert clock() == instant("2026-11-23T12:05:06"), "what a message takes to arrive moves nothing"


def test_a_use_counts_for_a_minute_and_a_second_after_its_own() -> None:
    cooling = Cooling()
    cooling.use(3, 10)
    cooling.use(4, 10)
    cooling.use(5, 11)
    assert (cooling.thaw(71), cooling.total, cooling.schedule(71)) == (0, 12, ((1, 7), (2, 5)))
    assert (cooling.thaw(72), cooling.thaw(72), cooling.total) == (7, 0, 5)
    assert (cooling.empty_at, cooling.thaw(500), cooling.empty_at) == (73, 5, 0)


def test_a_door_that_was_silent_for_too_long_uses_nothing_it_had() -> None:
    now = [0]
    wallet = Wallet(lambda: now[0], lambda _: None)
    wallet.rates_until = 50
    quotas = (Quota("k", QuotaKind.SLOTS, 10, "key 'k'"), Quota("k", QuotaKind.USD_TOTAL, 10, "key 'k'"))
    slots, money = (part.allowance for part in wallet.parts(quotas, 0))
    slots.grant(5)
    money.grant(5)
    now[0] = 51 * SECOND
    assert isinstance(wallet.take(quotas, Need(1, 0), 0), Shortage)
    assert (slots.free, money.free) == (0, 5)


def test_what_comes_back_to_a_silent_door_is_not_lent_again_either() -> None:
    now = [0]
    wallet = Wallet(lambda: now[0], lambda _: None)
    wallet.rates_until = 50
    quotas = (Quota("k", QuotaKind.SLOTS, 10, "key 'k'"),)
    wallet.parts(quotas, 0)[0].allowance.grant(1)
    permit = wallet.take(quotas, Need(0, 0), 0)
    assert isinstance(permit, Permit)
    now[0] = 51 * SECOND
    assert isinstance(wallet.take(quotas, Need(0, 0), 0), Shortage)
    permit.leave()
    assert isinstance(wallet.take(quotas, Need(0, 0), 0), Shortage)


LIMITS = (Quota("k", QuotaKind.REQUESTS, 60, "key 'k'"), Quota("p", QuotaKind.REQUESTS, 20, "project 'p'"))


def test_a_client_reads_of_the_tightest_limit_in_its_own_words() -> None:
    wallet = Wallet(lambda: 0, lambda _: None)
    wallet.rates_until = 1000
    for part in wallet.parts(LIMITS, 0):
        part.allowance.grant(10)
    assert isinstance(wallet.take(LIMITS, Need(0, 0), 0), Permit)
    purse = wallet.purse(LIMITS, 0)
    assert limit_lines(purse, lambda: 0, is_theirs=False) == (
        b"x-ratelimit-limit-requests: 60\r\nx-ratelimit-remaining-requests: 9\r\nx-ratelimit-reset-requests: 1m2s\r\n"
    )
    purse.requests[0].left = 5
    assert limit_lines(purse, lambda: 0, is_theirs=True) == (
        b"anthropic-ratelimit-requests-limit: 20\r\nanthropic-ratelimit-requests-remaining: 9\r\n"
        b"anthropic-ratelimit-requests-reset: 1970-01-01T00:01:02Z\r\n"
    )


def test_of_rates_and_slots_that_were_forgotten_nothing_is_said_to_the_bank() -> None:
    wallet = Wallet(lambda: 0, lambda _: None)
    quotas = (*LIMITS, Quota("k", QuotaKind.USD_TOTAL, 1000, "key 'k'"))
    for part in wallet.parts(quotas, 0):
        part.allowance.grant(10)
        wallet.drop(part.allowance, 1)

    assert [(one.kind, one.drawn, one.closed) for one in wallet.holdings()] == [(QuotaKind.USD_TOTAL, 0, 10)]
