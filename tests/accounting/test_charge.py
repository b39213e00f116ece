"""What a finished call is charged."""

from __future__ import annotations

import pytest

from unigate.accounting.estimate import Claim
from unigate.call import Call, Caller
from unigate.charge import Sum, reckon
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


def charged(usage: Usage, claim: Claim) -> Sum:
    call = Call("req_1", "openai.chat", Caller("k", "n", "client", None), {}, peer="", started_ns=1)
    return reckon(call, PRICE, usage, "ok", claim)


def test_a_fee_that_nobody_knows_makes_no_known_cost_free() -> None:
    claim = Claim(1000, 1000)
    claim.has_hosted_tools = True

    came = charged(Usage(input_tokens=400_000, output_tokens=4000), claim)

    assert came.nano is None
    tokens = (400_000 * 2 + 4000 * 8) * NANO // 1_000_000 + NANO
    assert (came.beside(50).nano, came.beside(tokens + 1).nano) == (tokens, tokens + 1)


def test_tokens_that_nobody_told_of_are_known_as_such() -> None:
    assert charged(Usage(), Claim(1000, None)).is_untold
    assert not charged(Usage(), Claim(1000, 20)).is_untold  # the bound stands in
    assert not charged(Usage(output_tokens=5), Claim(1000, None)).is_untold
    assert not charged(Usage(), Claim(None, None, is_final=True)).is_untold  # such as pictures, which have none
    assert charged(Usage(), Claim(1000, None)).beside(7).is_untold
