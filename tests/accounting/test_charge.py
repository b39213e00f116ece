"""What a finished call is charged."""

from __future__ import annotations

import pytest

from harness import provider
from unigate.accounting.estimate import Bound
from unigate.call import Call, Caller
from unigate.charge import reckon
from unigate.price import NANO, Price, Rates
from unigate.target import Target
from unigate.usage import Usage

PRICE = Price(rates=Rates(input=2 * NANO, output=8 * NANO), per_call=NANO)


@pytest.mark.parametrize("operation", ["anthropic.count_tokens", "gemini.count_tokens"])
@pytest.mark.parametrize("bound", [None, Bound(0, 0)])
@pytest.mark.parametrize("usage", [Usage(), Usage(input_tokens=14)])
@pytest.mark.parametrize("price", [None, PRICE])
def test_counting_tokens_is_free(operation: str, bound: Bound | None, usage: Usage, price: Price | None) -> None:
    call = Call("req_1", operation, Caller("k", "n", "client", None), {}, peer="", started_ns=1)
    came = reckon(call, Target(provider("raw", 1), "m", 1, price), usage, "ok", bound)
    assert (came.usage, came.nano, came.flags) == (usage, 0, ())
