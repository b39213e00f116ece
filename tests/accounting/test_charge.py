"""What a finished call is charged."""

from __future__ import annotations

import pytest

from unigate.accounting.estimate import Claim
from unigate.call import Call, Caller
from unigate.charge import reckon
from unigate.price import NANO, Price, Rates
from unigate.tariff import Tariff
from unigate.usage import Usage

PRICE = Tariff(Price(rates=Rates(input=2 * NANO, output=8 * NANO), per_call=NANO))


@pytest.mark.parametrize("operation", ["anthropic.count_tokens", "gemini.count_tokens"])
@pytest.mark.parametrize("claim", [None, Claim(0, 0)])
@pytest.mark.parametrize("usage", [Usage(), Usage(input_tokens=14)])
@pytest.mark.parametrize("price", [None, PRICE])
def test_counting_tokens_is_free(operation: str, claim: Claim | None, usage: Usage, price: Tariff | None) -> None:
    call = Call("req_1", operation, Caller("k", "n", "client", None), {}, peer="", started_ns=1)
    came = reckon(call, price, usage, "ok", claim)
    assert (came.usage, came.nano, came.flags) == (usage, 0, ())
