"""The count of the money: rows, counters and leases of a database, held against the upstream's own bill."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

from gateways import PATIENCE_S
from harness import Mock, until
from ledger.check import Row, nonce_of, rows_of, select
from ledger.stage import Stage

__all__ = [
    "INPUT",
    "OUTPUT",
    "billed",
    "costs_of",
    "drift",
    "leases",
    "limited",
    "spent",
    "until_no_drift",
    "until_quiet",
]

# The prices of ledger.stage.PRICES, in nano-dollars for a token.
INPUT = 1000
OUTPUT = 3000


def limited(name: str, key: str, limits: str, more: str = "") -> str:
    """A client's key with limits, as a line of the configuration."""
    return f"  - {{name: {name}, key: {key}, limits: {{{limits}}}{more}}}\n"


def costs_of(mock: Mock) -> dict[str, int]:
    """What the upstream charges for each nonce; an answer that failed costs nothing."""
    found: dict[str, int] = defaultdict(int)
    for call in mock.calls():
        if call["model"] and int(str(call["status"])) < 400:
            tokens = int(str(call["input_tokens"])) * INPUT + int(str(call["output_tokens"])) * OUTPUT
            found[nonce_of(str(call["model"]))] += tokens
    return found


def billed(mock: Mock) -> int:
    """All that the upstream charges."""
    return sum(costs_of(mock).values())


def spent(where: Stage, scope: str, window: str = "total") -> int:
    """What a counter says, in nano-dollars."""
    rows = select(where, f"SELECT nano FROM spend WHERE scope = '{scope}' AND \"window\" = '{window}'")
    return int(rows[0][0]) if rows else 0


def leases(where: Stage) -> list[list[str]]:
    """What is lent to doors at this moment."""
    return select(where, 'SELECT life, scope, kind, "window", amount FROM leases WHERE amount <> 0')


def drift(where: Stage, rows: Sequence[Row], bill: dict[str, int]) -> list[str]:
    """Whatever rows, counters and the bill do not agree on, to the nano-dollar."""
    found = [
        f"{row.id} ({row.end}): the row says {row.cost}, the bill {bill[nonce_of(row.model)]}"
        for row in rows
        if row.end == "ok" and not row.estimated and row.cost != bill[nonce_of(row.model)]
    ]
    found += [
        f"{row.id}: interrupted for {row.cost}, and {row.held} were held"
        for row in rows
        if row.end == "interrupted" and row.held is not None and row.cost != row.held
    ]
    return found + _counter_drift(where, rows)


def _counter_drift(where: Stage, rows: Sequence[Row]) -> list[str]:
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        at = datetime.fromtimestamp(row.at_ns / 1e9, UTC)
        for scope in filter(None, (row.key, row.project, row.organisation)):
            for window in (f"{at:%Y-%m-%d}", f"{at:%Y-%m}", "total"):
                sums[scope, window][0] += row.cost or 0
                sums[scope, window][1] += 1
    counted = {
        (scope, window): [int(nano), int(calls)]
        for scope, window, nano, calls in select(where, 'SELECT scope, "window", nano, calls FROM spend')
    }
    return [
        f"{place}: rows sum up to {sums.get(place, [0, 0])}, the counter says {counted.get(place)}"
        for place in {*sums, *counted}
        if (sums.get(place, [0, 0])) != counted.get(place, [0, 0])
    ]


def until_no_drift(where: Stage, mock: Mock, within: float = PATIENCE_S) -> list[Row]:
    """The rows, once there is no drift; fails with what stays."""
    last: list[str] = []

    def look() -> list[Row] | None:
        nonlocal last
        rows = rows_of(where)
        last = drift(where, rows, costs_of(mock))
        return rows if not last else None

    try:
        return until(look, "no drift", within)
    except AssertionError:
        raise AssertionError(f"{len(last)} drifts:\n" + "\n".join(last[:40])) from None


def until_quiet(where: Stage, within: float = PATIENCE_S) -> None:
    """Waits until nothing is lent to anybody any more: no hold was leaked."""
    until(lambda: not leases(where), "the end of all leases", within)
