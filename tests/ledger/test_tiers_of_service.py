"""Tiers of service through the whole gateway: what is held, what is charged, and what the row says of it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import start_mock, until
from ledger.check import Row, rows_of
from ledger.money import INPUT, OUTPUT, limited, spent
from ledger.stage import Stage, stage

KEY = "sk-ug-tiers-4kWn0pYx7LmQ"
PRICES = """
prices:
  "mock/*":
    input: 1.0
    output: 3.0
    context: 20000
    max_output: 1000
    tiers:
      priority: {input: 2.0, output: 6.0}
      flex: {input: 0.5, output: 1.5}
"""


@pytest.fixture
def where(tmp_path: Path) -> Iterator[Stage]:
    more = limited("spender", KEY, "budget_usd_total: 5") + PRICES
    with start_mock() as mock, stage(tmp_path / "g", mock, more=more) as where:
        where.until_ready()
        yield where


def asked(where: Stage, **fields: object) -> tuple[int, str]:
    """The status of one call with these fields, and the code of its error."""
    connection = http.client.HTTPConnection("127.0.0.1", where.port, timeout=60)
    body = {"model": "script:tokens=4", "messages": [{"role": "user", "content": "x"}], "max_tokens": 9, **fields}
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    answer = connection.getresponse()
    told = json.loads(answer.read())
    connection.close()
    return answer.status, told.get("error", {}).get("code", "")


def row_of(where: Stage, count: int) -> Row:
    """The last of so many rows."""
    assert until(lambda: len(rows_of(where)) == count, f"{count} rows")
    return max(rows_of(where), key=lambda row: row.at_ns)


def test_a_tier_is_held_charged_and_named(where: Stage) -> None:
    costs: dict[str, int] = {}
    held: dict[str, int] = {}
    for count, (tier, flag) in enumerate((("default", ""), ("priority", "tier:priority"), ("flex", "tier:flex")), 1):
        assert asked(where, service_tier=tier) == (200, "")
        row = row_of(where, count)
        assert row.flags == flag and row.cost is not None and row.held is not None and row.cost <= row.held
        costs[tier], held[tier] = row.cost, row.held
        if tier == "default":
            assert row.cost == (row.input_tokens or 0) * INPUT + (row.output_tokens or 0) * OUTPUT

    assert (costs["priority"], costs["flex"]) == (2 * costs["default"], costs["default"] // 2)
    # Who asks for the cheaper tier may be served in the ordinary one; the names differ by a few bytes.
    assert held["priority"] > 2 * held["default"] > held["flex"] >= held["default"] - 9 * INPUT
    until(lambda: spent(where, rows_of(where)[0].key) == sum(costs.values()), "the counter")


def test_a_tier_without_a_price_is_refused_to_a_budget(where: Stage, tmp_path: Path) -> None:
    assert asked(where, service_tier="ultrafast") == (403, "model_unpriced")
