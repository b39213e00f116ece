"""Tiers of service: a call is held for the dearest that may serve it, and charged for the one that did."""

from __future__ import annotations

import json
from itertools import product

import msgspec
import pytest

from unigate.accounting.cost import cost_of
from unigate.accounting.estimate import Bound, Claim, claim_of
from unigate.accounting.prices import own_prices
from unigate.accounting.worst import reason_unpriced, worst_case
from unigate.call import Call, Caller
from unigate.charge import Sum, reckon
from unigate.config import PriceSettings, RateSettings, TierSettings
from unigate.conversation import Asked
from unigate.dialects.anthropic_messages.meter import MessagesMeter
from unigate.dialects.bedrock_converse.answer_reader import ConverseReader
from unigate.dialects.gemini_generate.meter import GenerateMeter
from unigate.dialects.openai_chat.answer_reader import ChatReader
from unigate.dialects.openai_meters import ChatMeter
from unigate.dialects.openai_responses.meter import ResponsesMeter
from unigate.price import NANO, Price, Rates
from unigate.price_file import load_prices
from unigate.tariff import Tariff
from unigate.tier import asked_tier, told_tier
from unigate.usage import Usage
from unigate.wire.body import decode_body

ORDINARY = Price(rates=Rates(input=2 * NANO, output=8 * NANO), context=1000, most_output=100)
TIERS = {
    "flex": Price(rates=Rates(input=NANO, output=4 * NANO)),
    "priority": Price(rates=Rates(input=4 * NANO, output=16 * NANO)),
    "fast+us": Price(rates=Rates(input=22 * NANO, output=88 * NANO)),
}
PRICE, TIERED = Tariff(ORDINARY), Tariff(msgspec.structs.replace(ORDINARY, tiers=TIERS))
USAGE = Usage(input_tokens=10, output_tokens=5)
COST = 60_000  # of that usage


def called(asked: bytes) -> Call:
    call = Call("req_1", "openai.chat", Caller("k", "n", "client", None), {}, peer="", started_ns=1)
    call.body = decode_body(b'{"model": "m", "messages": []%b}' % asked)
    return call


def charged(
    asked: bytes,
    claim: Claim | None = None,
    *,
    price: Tariff = PRICE,
    told: str | None = None,
    unsent: tuple[str, ...] = (),
) -> Sum:
    """What a call with this in its request is charged for that usage, if its answer tells this tier."""
    usage = msgspec.structs.replace(USAGE, tier=told)
    return reckon(called(asked), price, usage, "ok", claim, unsent)


def claimed(asked: bytes) -> Claim:
    return claim_of("openai.chat", called(asked).body, 1000)


def bounded(asked: bytes, price: Tariff) -> Bound:
    return claimed(asked).bound(price)


def service(tier: str) -> bytes:
    return b', "service_tier": "%b"' % tier.encode()


# --- without a price of its own


@pytest.mark.parametrize("asked", ["", "auto", "default", "standard", "standard_only", "on_demand"])
def test_the_ordinary_tier_is_charged_without_a_word(asked: str) -> None:
    sum = charged(service(asked) if asked else b"")
    assert (sum.nano, sum.flags) == (COST, ())


@pytest.mark.parametrize(
    "asked",
    [
        b', "service_tier": "flex"',
        b', "service_tier": "priority"',
        b', "service_tier": "batch"',
        b', "service_tier": 7',
        b', "serviceTier": "priority"',
        b', "serviceTier": {"type": "priority"}',
        b', "performanceConfig": {"latency": "optimized"}',
        b', "speed": "fast"',
        b', "inference_geo": "us"',
    ],
)
def test_another_tier_is_charged_at_ordinary_rates_and_marked(asked: bytes) -> None:
    sum = charged(asked)
    assert (sum.nano, sum.flags) == (COST, ("tier_unpriced",))


def test_a_dearer_tier_is_not_reckoned_where_a_budget_pays() -> None:
    asked = service("priority")
    found = bounded(asked, PRICE)

    assert worst_case(PRICE, found) is None
    assert reason_unpriced(PRICE, found) == (
        "the request asks for a service whose price is not known, or lets other models answer"
    )
    sum = charged(asked, claimed(asked))
    assert (sum.nano, sum.flags) == (None, ("tier_unpriced",))


# --- with one


@pytest.mark.parametrize(
    ("asked", "told", "nano", "flags"),
    [
        ("flex", None, COST // 2, ("tier:flex",)),
        ("flex", "", COST, ()),  # flex was asked for, the ordinary one served it
        ("priority", None, COST * 2, ("tier:priority",)),
        ("priority", "priority", COST * 2, ("tier:priority",)),
        ("priority", "", COST, ()),
        ("auto", "priority", COST * 2, ("tier:priority",)),
        ("auto", None, COST, ()),
        ("default", "flex", COST // 2, ("tier:flex",)),
        ("priority", "scale", COST, ("tier_unpriced",)),
    ],
)
def test_the_tier_that_the_answer_tells_is_charged(
    asked: str, told: str | None, nano: int, flags: tuple[str, ...]
) -> None:
    sum = charged(service(asked), price=TIERED, told=told)
    assert (sum.nano, sum.flags) == (nano, flags)


def test_a_tier_that_was_not_sent_on_is_not_charged() -> None:
    sum = charged(service("flex"), price=TIERED, unsent=("service_tier",))
    assert (sum.nano, sum.flags) == (COST, ())


def test_a_tier_that_nobody_asked_for_is_charged_and_noted() -> None:
    claim = Claim(10, 5)
    held = worst_case(TIERED, claim.bound(TIERED))
    assert held == COST

    ordinary = charged(b"", claim, price=TIERED, told="").beside(held)
    dearer = charged(b"", claim, price=TIERED, told="priority").beside(held)
    assert (ordinary.nano, ordinary.flags) == (COST, ())
    assert (dearer.nano, dearer.flags) == (COST * 2, ("tier:priority", "over_hold"))


@pytest.mark.parametrize("operation", ["openai.chat", "openai.images.generations", "openai.embeddings"])
def test_the_tier_is_charged_of_every_operation_that_holds_something(operation: str) -> None:
    call = called(service("priority"))
    call.operation = operation
    claim = claim_of(operation, call.body, call.size)

    assert "tier:priority" in reckon(call, TIERED, USAGE, "ok", claim).flags


def test_two_tiers_at_once_are_one_of_their_own() -> None:
    both = b', "speed": "fast", "inference_geo": "us"'

    assert charged(both, price=TIERED).nano == COST * 11
    assert charged(both + service("priority"), price=TIERED).flags == ("tier_unpriced",)
    assert charged(b', "speed": "fast"', price=TIERED).flags == ("tier_unpriced",)


@pytest.mark.parametrize(
    ("asked", "times"), [("default", 1), ("flex", 1), ("auto", 2), ("priority", 2), ("fast+us", None)]
)
def test_the_hold_is_that_of_the_dearest_tier_that_may_serve_a_call(asked: str, times: int | None) -> None:
    ordinary = worst_case(PRICE, bounded(b"", PRICE))
    assert ordinary is not None

    held = worst_case(TIERED, bounded(service(asked), TIERED))
    assert held == (ordinary * times if times is not None else None)


MAY_BE = {"": ("",), "flex": ("", "flex"), "priority": ("", "priority"), "auto": ("", "priority")}


def test_no_price_of_the_table_lets_a_call_cost_more_than_its_hold() -> None:
    prices = [
        Tariff(dated.price)
        for section in load_prices().sections.values()
        for listed in section.prices
        for dated in listed
        if dated.price.tiers
    ]
    assert len(prices) > 100

    for price, (asked, served) in product(prices, MAY_BE.items()):
        bound = bounded(service(asked) + b', "max_tokens": 50', price)
        held = worst_case(price, bound)
        if asked == "priority" and "priority" not in price.tiers:
            assert held is None
            continue
        assert held is not None
        most = Usage(bound.input_tokens, bound.output_tokens)
        for tier in (one for one in served if not one or one in price.tiers):
            cost = cost_of(price.tiers[tier] if tier else price, most)
            assert cost is not None and cost <= held, (asked, tier, price)


def test_the_table_has_what_providers_publish() -> None:
    sections = load_prices().sections

    def dollars(section: str, model: str, tier: str) -> tuple[float, float]:
        price = sections[section].find(model, "2026-11-23")
        assert price is not None
        rates = price.tiers[tier].rates
        return rates.input / NANO, rates.output / NANO

    # https://openai.com/api-priority-processing/
    assert dollars("openai", "gpt-5", "priority") == (2.5, 20)
    assert dollars("openai", "gpt-5.5", "priority") == (12.5, 75)
    # https://platform.claude.com/docs/en/build-with-claude/fast-mode#pricing
    assert dollars("anthropic", "claude-opus-4-8", "fast") == (10, 50)


def test_the_operators_tiers_are_part_of_the_version() -> None:
    plain = PriceSettings(input=2, output=8, per_call=0.5)
    tiered = PriceSettings(
        input=2,
        output=8,
        per_call=0.5,
        tiers={
            "priority": TierSettings(input=4, output=16, long_from=100, long=RateSettings(input=9, output=9)),
            "us+fast": TierSettings(input=22, output=88),
        },
    )
    prices = own_prices({"a/m": plain, "b/m": tiered})

    assert prices["a/m"].version != prices["b/m"].version
    priority = prices["b/m"].tiers["priority"]
    assert (priority.rates, priority.long_from, priority.per_call) == (
        Rates(input=4 * NANO, output=16 * NANO),
        100,
        NANO // 2,
    )
    assert prices["b/m"].tiers["fast+us"].rates.input == 22 * NANO


# --- what answers tell


CHAT: dict[str, object] = {
    "choices": [],
    "usage": {"prompt_tokens": 10, "completion_tokens": 5},
    "service_tier": "flex",
}
RESPONSE: dict[str, object] = {
    "status": "completed",
    "usage": {"input_tokens": 10, "output_tokens": 5},
    "service_tier": "priority",
}
GEMINI: dict[str, object] = {
    "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "serviceTier": "flex"}
}


def event(content: object) -> bytes:
    return b"data: %b\n\n" % json.dumps(content).encode()


def test_meters_tell_the_tier_of_streams_and_of_whole_answers() -> None:
    for content, tier, kind in (
        (CHAT, "flex", ChatMeter),
        (RESPONSE, "priority", ResponsesMeter),
        (GEMINI, "flex", GenerateMeter),
    ):
        meter = kind(True)
        meter.read(json.dumps(content).encode())
        assert (meter.usage.input_tokens, meter.usage.tier) == (10, tier)

    chat, responses, gemini = ChatMeter(False), ResponsesMeter(False), GenerateMeter(False)
    chat.watch(event(CHAT))
    # The first events repeat the wish; only the last one tells what became of it.
    responses.watch(event({"type": "response.created", "response": {"service_tier": "auto"}}))
    responses.watch(event({"type": "response.completed", "response": RESPONSE}))
    gemini.watch(event(GEMINI))
    assert [one.usage.tier for one in (chat, responses, gemini)] == ["flex", "priority", "flex"]


@pytest.mark.parametrize(
    ("told", "tier"),
    [
        ({"service_tier": "standard", "inference_geo": "not_available"}, None),
        ({"service_tier": "standard", "speed": "fast"}, "fast"),
        ({"service_tier": "standard", "speed": "standard"}, ""),
        ({"service_tier": "standard", "speed": "fast", "inference_geo": "us"}, "fast+us"),
        ({"service_tier": "priority"}, "priority"),
    ],
)
def test_anthropics_counts_tell_speed_tier_and_region(told: dict[str, str], tier: str | None) -> None:
    meter = MessagesMeter(True)
    usage = {"input_tokens": 10, "output_tokens": 1, **told}
    meter.watch(event({"type": "message_start", "message": {"usage": usage}}) + event({"type": "ping"}))
    meter.watch(event({"type": "message_delta", "usage": {"output_tokens": 5}}))

    assert (meter.usage.output_tokens, meter.usage.tier) == (5, tier)


def test_translated_answers_tell_their_tier() -> None:
    asked = Asked("req_1", "m", 1)
    chat = ChatReader(asked)
    chat.feed(event({**CHAT, "choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}]}))
    converse = ConverseReader(asked).read(
        json.dumps(
            {
                "output": {"message": {"content": [{"text": "x"}]}},
                "usage": {"inputTokens": 10, "outputTokens": 5},
                "serviceTier": {"type": "priority"},
                "performanceConfig": {"latency": "standard"},
            }
        ).encode()
    )
    assert (chat.usage.tier, converse.usage.tier) == ("flex", "priority")


@pytest.mark.parametrize("told", [b"null", b'"auto"', b'"unspecified"', b'""'])
def test_an_answer_may_tell_no_tier(told: bytes) -> None:
    assert told_tier(msgspec.Raw(told)) is None


@pytest.mark.parametrize("told", [b"7", b'"%b"' % (b"x" * 99), b'"two words"', b"[[[", b'{"type": 1}'])
def test_what_is_no_name_is_no_price_either(told: bytes) -> None:
    assert told_tier(msgspec.Raw(told)) == "other"
    assert asked_tier({"service_tier": msgspec.Raw(told)}) == "other"
