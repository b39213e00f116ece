"""A call that asked for another tier of service is marked: the table knows the ordinary rates only."""

from __future__ import annotations

import pytest

from harness import provider
from unigate.accounting.estimate import Bound
from unigate.call import Call, Caller
from unigate.charge import Sum, reckon
from unigate.price import NANO, Price, Rates
from unigate.target import Target
from unigate.usage import Usage
from unigate.wire.body import decode_body

PRICE = Price(rates=Rates(input=2 * NANO, output=8 * NANO))
USAGE = Usage(input_tokens=10, output_tokens=5)
COST = 60_000  # of that usage


def charged(asked: bytes, bound: Bound | None = None) -> Sum:
    """What a call with this in its request is charged for that usage."""
    call = Call("req_1", "openai.chat", Caller("k", "n", "client", None), {}, peer="", started_ns=1)
    call.body = decode_body(b'{"model": "m", "messages": []%b}' % asked)
    return reckon(call, Target(provider("raw", 1), "m", 1, PRICE), USAGE, "ok", bound)


@pytest.mark.parametrize("asked", ["", "auto", "default", "standard", "standard_only", "on_demand"])
def test_the_ordinary_tier_is_charged_without_a_word(asked: str) -> None:
    sum = charged(b', "service_tier": "%b"' % asked.encode() if asked else b"")
    assert (sum.nano, sum.flags) == (COST, ())


@pytest.mark.parametrize(
    "asked",
    [
        b', "service_tier": "flex"',
        b', "service_tier": "priority"',
        b', "service_tier": "batch"',
        b', "serviceTier": "priority"',
        b', "speed": "fast"',
    ],
)
def test_another_tier_is_charged_at_ordinary_rates_and_marked(asked: bytes) -> None:
    sum = charged(asked)
    assert (sum.nano, sum.flags) == (COST, ("tier_unpriced",))


def test_a_dearer_tier_is_not_reckoned_where_a_budget_pays() -> None:
    sum = charged(b', "service_tier": "priority"', Bound(100, 100, has_surcharge=True))
    assert (sum.nano, sum.flags) == (None, ("tier_unpriced",))
