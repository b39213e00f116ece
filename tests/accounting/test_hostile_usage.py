"""Usage that lies: it never lowers what a call costs, and nothing breaks over it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from unigate.accounting.cost import cost_of, sane
from unigate.accounting.estimate import Bound
from unigate.dialects.table import DIALECTS
from unigate.price import NANO, Price, Rates
from unigate.tariff import Tariff

PRICE = Tariff(Price(rates=Rates(input=2 * NANO, output=8 * NANO, cached=NANO), context=1000, most_output=100))
HELD = Bound(500, 50)
WORST = 500 * 2000 + 50 * 8000
HONEST = 10 * 2000 + 5 * 8000

Shape = Callable[[object, object], object]


def openai(fed: object, made: object) -> object:
    return {"choices": [{"message": {}}], "usage": {"prompt_tokens": fed, "completion_tokens": made}}


def responses(fed: object, made: object) -> object:
    return {"status": "completed", "usage": {"input_tokens": fed, "output_tokens": made}}


def anthropic(fed: object, made: object) -> object:
    told = {"input_tokens": fed, "output_tokens": made}
    return {"type": "message", "content": [], "stop_reason": "end_turn", "usage": told}


def gemini(fed: object, made: object) -> object:
    told = {"promptTokenCount": fed, "candidatesTokenCount": made}
    return {"candidates": [{"finishReason": "STOP"}], "usageMetadata": told}


def ollama(fed: object, made: object) -> object:
    return {"done": True, "message": {"role": "assistant"}, "prompt_eval_count": fed, "eval_count": made}


SHAPES: dict[str, Shape] = {
    "openai.chat": openai,
    "openai.completions": openai,
    "openai.responses": responses,
    "anthropic.messages": anthropic,
    "gemini.generate": gemini,
    "ollama.chat": ollama,
}
LIES: list[object] = [-5, 10**18, 10**30, 1.5, "7", "many", [], {}, True]


def settled(dialect: str, fed: object, made: object) -> tuple[int | None, tuple[str, ...]]:
    meter = DIALECTS[dialect].new_meter(False)
    meter.read(json.dumps(SHAPES[dialect](fed, made)).encode())
    usage, flags = sane(meter.usage, HELD, PRICE)
    return cost_of(PRICE, usage), flags


@pytest.mark.parametrize("dialect", SHAPES)
def test_the_truth_is_charged_as_it_is(dialect: str) -> None:
    assert settled(dialect, 10, 5) == (HONEST, ())


@pytest.mark.parametrize("lie", LIES, ids=str)
@pytest.mark.parametrize("dialect", SHAPES)
def test_a_count_that_is_none_costs_the_whole_hold(dialect: str, lie: object) -> None:
    assert settled(dialect, lie, 5) == (WORST, ("usage_rejected",))
    assert settled(dialect, 10, lie) == (WORST, ("usage_rejected",))


@pytest.mark.parametrize("dialect", SHAPES)
def test_what_is_not_told_costs_its_part_of_the_hold(dialect: str) -> None:
    cost, flags = settled(dialect, None, None)

    assert (cost, flags) == (WORST, ("usage_missing",))


@pytest.mark.parametrize(
    ("told", "cost", "flags"),
    [
        ({"total_tokens": 3}, HONEST, ()),
        ({"total_tokens": 20}, HONEST + 5 * 8000, ()),
        ({"total_tokens": 10**9}, WORST, ("usage_rejected",)),
        ({"prompt_tokens_details": {"cached_tokens": 4}}, HONEST - 4 * 1000, ()),
        ({"prompt_tokens_details": {"cached_tokens": 11}}, HONEST, ("usage_rejected",)),
        ({"prompt_tokens_details": {"cached_tokens": -1}}, WORST, ("usage_rejected",)),
        ({"completion_tokens_details": {"reasoning_tokens": 99}}, HONEST, ("usage_rejected",)),
    ],
    ids=str,
)
def test_parts_and_sums_that_do_not_fit_never_make_it_cheaper(
    told: dict[str, object], cost: int, flags: tuple[str, ...]
) -> None:
    meter = DIALECTS["openai.chat"].new_meter(False)
    usage = {"prompt_tokens": 10, "completion_tokens": 5} | told
    meter.read(json.dumps({"choices": [{}], "usage": usage}).encode())
    believed, seen = sane(meter.usage, HELD, PRICE)

    assert (cost_of(PRICE, believed), seen) == (cost, flags)


def chunk(text: str, **rest: object) -> bytes:
    return b"data: %b\n\n" % json.dumps({"choices": [{"delta": {"content": text}}], **rest}).encode()


def test_usage_in_every_chunk_is_counted_once() -> None:
    meter = DIALECTS["openai.chat"].new_meter(True)
    for made in (1, 3, 5):
        meter.watch(chunk("a", usage={"prompt_tokens": 10, "completion_tokens": made}))
    believed, flags = sane(meter.usage, HELD, PRICE)

    assert (cost_of(PRICE, believed), flags) == (HONEST, ())


def test_a_stream_whose_usage_is_a_lie_costs_the_whole_hold() -> None:
    meter = DIALECTS["openai.chat"].new_meter(True)
    meter.watch(chunk("a"))
    meter.watch(chunk("b", usage={"prompt_tokens": 10, "completion_tokens": -5}))
    believed, flags = sane(meter.usage, HELD, PRICE, 3)

    assert (cost_of(PRICE, believed), flags) == (WORST, ("usage_rejected",))


def test_a_number_that_is_no_json_is_no_answer_to_count() -> None:
    meter = DIALECTS["openai.chat"].new_meter(True)
    meter.watch(b'data: {"choices":[],"usage":{"prompt_tokens":NaN,"completion_tokens":5}}\n\n')

    assert meter.usage.estimated
