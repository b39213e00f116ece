"""A gateway that has not met the others yet says that it cannot say, and never that a limit is reached."""

from __future__ import annotations

from admission.test_standby import KEY, LIMIT, Side, Store
from unigate.admission.bank_words import Verdict, Want
from unigate.admission.standby import Standby
from unigate.storage.branch import Job
from unigate.storage.rate_office import RateOffice


def verdict_of(office: RateOffice, *, is_last: bool) -> Verdict:
    """What a door hears that wants one request."""
    [outcome] = office.work([Job("door", wants=(Want(*KEY, LIMIT, 0, (1,), 0),), is_last=is_last)], 1.0)
    return outcome.grants[0].verdict


def test_before_it_has_joined_the_others_nobody_hears_that_a_limit_is_reached() -> None:
    store = Store()
    old = RateOffice(Side(store, "old"), Standby((), 0.0), lambda: 0.0)
    new = RateOffice(Side(store, "new"), Standby(("old",), 0.0), lambda: 0.0)
    for office in (old, new):
        office.beat(("door",), -1, 1.0)

    assert verdict_of(new, is_last=False) is Verdict.RESERVED  # it may have joined in a moment
    assert verdict_of(new, is_last=True) is Verdict.UNKNOWN
    for office in (old, new, old, new):
        office.beat(("door",), office.regime, 1.0)
    assert verdict_of(new, is_last=True) is Verdict.GRANTED
