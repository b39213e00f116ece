"""However a call ends: one row that agrees with the upstream's bill, no hold left, counters that are the rows' sum."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness import Mock, start_mock, until
from ledger.check import Row, nonce_of, rows_of, until_all_agree
from ledger.load import Ask, Told, asks, load
from ledger.money import INPUT, OUTPUT, costs_of, drift, limited, until_quiet
from ledger.stage import CLIENT, PRICES, Stage, stage

KEY = "sk-ug-budget-1b9XcQ7mVtR2"
MORE = limited("spender", KEY, "budget_usd_total: 5, concurrency: 130") + PRICES
# How a call ends, by what the upstream does; each both streamed and not.
ENDINGS = (
    "tokens=8",
    "status=400",
    "status=401",
    "status=429",
    "status=500",
    "status=503,first=1",
    "cut=head",
    "cut=status",
    "reset=head",
    "cut=events:5",
    "reset=mid:4",
    "cut=end",
    "nodone",
    "inband=3",
    "head=garbage",
    "body=notjson",
    "body=cut",
    "usage=none",
    "usage=zero",
    "usage=null",
    "usage=string",
    "usage=float",
    "usage=negative",
    "usage=huge",
    "usage=repeated",
    "tokens=8,cached=2",
    "tokens=8,reasoning=5",
    "stall=head",
    "stall=events:3",
)
PHASES = ("sent", "head", "event:1", "event:3", "event:8", "end")


@pytest.fixture
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


@pytest.fixture
def where(mock: Mock, tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path / "g", mock, more=MORE, idle=1) as where:
        where.until_ready()
        yield where


def endings() -> list[Ask]:
    fresh = iter(asks(1, 1000, key=KEY, max_tokens=40))
    pairs = [(script, streamed) for script in ENDINGS for streamed in (False, True)]
    # What happens after some events is no matter of an answer in one piece.
    chosen = [pair for pair in pairs if pair[1] or "events:" not in pair[0]]
    return [replace(next(fresh), script=script, streamed=streamed) for script, streamed in chosen]


def by_nonce(rows: list[Row]) -> dict[str, Row]:
    return {nonce_of(row.model): row for row in rows}


def test_every_ending_has_one_row_and_leaves_no_hold(where: Stage, mock: Mock) -> None:
    told = asyncio.run(load(where.port, endings(), concurrency=20))
    rows = by_nonce(until_all_agree(where, told, mock))

    assert set(rows) == {one.nonce for one in told}
    until(lambda: not counter_faults(where), "counters that are the sum of the rows")
    bill = costs_of(mock)
    wrong = [fault for one in told if (fault := fault_of(one, rows[one.nonce], bill[one.nonce]))]
    assert wrong == []
    until_quiet(where)


def fault_of(one: Told, row: Row, billed: int) -> str:
    """What is wrong with a row, or nothing."""
    told = f"{one.ask.script} (streamed: {one.ask.streamed}): {one.status} {one.code}, row {row}, billed {billed}"
    if row.cost is None or row.held is None or not 0 <= row.cost <= row.held:
        return f"not within its hold: {told}"
    if "usage=" not in one.ask.script and row.end == "ok" and row.cost != billed:
        return f"not as billed: {told}"
    # An error in one piece has no word of an answer in it, whatever its status; providers bill none.
    if row.end != "ok" and billed and not row.cost and (one.ask.streamed or one.ask.script != "inband=3"):
        return f"billed and not charged: {told}"
    return ""


def counter_faults(where: Stage) -> list[str]:
    """Where a counter is not the sum of its rows; a usage that is a lie is no part of the bill, so rows count alone."""
    return drift(where, [replace(row, estimated=True) for row in rows_of(where)], {})


def test_who_leaves_a_stream_pays_for_what_came_and_is_told_apart(where: Stage, mock: Mock) -> None:
    rng = random.Random(7)
    todo = [
        replace(one, script="tokens=12,pace=10", streamed=True, leaves=rng.choice(PHASES), resets=rng.random() < 0.5)
        for one in asks(2, 120, key=KEY, max_tokens=40)
    ]
    told = asyncio.run(load(where.port, todo, concurrency=30))
    assert {one.status for one in told} <= {0, 200}
    rows = by_nonce(until(lambda: len(rows := rows_of(where)) == len(told) and rows, "a row for each"))
    costs = {nonce_of(str(call["model"])): call for call in mock.calls()}
    for one in told:
        row, call = rows[one.nonce], costs.get(one.nonce)
        if row.end == "ok" or call is None:  # it came to its end all the same, or never went out
            assert row.end == "ok" or not row.cost, (one.ask, row)
            continue
        # Who leaves at the very end may have had all that there was, and the upstream's own count with it.
        assert row.end == "client_left" and (row.estimated or call["finished"]), (one.ask, row, call)
        assert row.output_tokens is not None
        assert one.words <= row.output_tokens <= int(str(call["output_tokens"])), (one.ask, row, call)
        assert row.cost is not None and row.cost >= row.output_tokens * OUTPUT + INPUT
    until(lambda: all_slots_are_free(where), "all slots")
    until_quiet(where)


def all_slots_are_free(where: Stage) -> bool:
    """Whether as many calls as there are slots can run together."""
    fresh = asks(time.monotonic_ns(), 130, script="tokens=1,latency=300", key=KEY, max_tokens=1)
    return all(one.was_confirmed for one in asyncio.run(load(where.port, fresh, concurrency=130)))


def test_a_budget_pays_for_no_model_whose_price_nobody_knows(mock: Mock, tmp_path: Path) -> None:
    free = asks(4, 10)
    with stage(tmp_path / "g", mock, more=limited("spender", KEY, "budget_usd_total: 5") + CLIENT) as where:
        where.until_ready()
        told = asyncio.run(load(where.port, asks(3, 10, key=KEY, max_tokens=5)))
        assert {(one.status, one.code) for one in told} == {(403, "model_unpriced")}
        assert [call for call in mock.calls() if call["method"] == "POST"] == []
        told += asyncio.run(load(where.port, free))
        rows = by_nonce(until_all_agree(where, told, mock))
        assert {rows[one.nonce].cost for one in free} == {None}
