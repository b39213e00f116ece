"""Three gateways, as on three machines, that share limits in PostgreSQL or in Redis, and the upstream's own count."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness import Mock
from ledger.check import nonce_of
from ledger.load import Ask, Told, load
from ledger.servers import Database
from ledger.stage import PRICES, Stage, stage

__all__ = ["SPAN_S", "codes_of", "most_at_once", "most_in_a_minute", "race", "served", "three"]

SPAN_S = 60.0


@contextmanager
def three(folder: Path, mock: Mock, database: Database, keys: str, valkey: str = "") -> Iterator[list[Stage]]:
    """Three running gateways with the same keys; with rates in Redis if its URL is named."""
    more = keys + PRICES + (f'valkey: "{valkey}"\n' if valkey else "")
    with ExitStack() as stack:
        gateways = [stack.enter_context(stage(folder / f"g{one}", mock, database, more=more)) for one in range(3)]
        for one in gateways:
            one.until_ready()
        yield gateways


async def race(gateways: Sequence[Stage], calls: Sequence[Ask]) -> list[Told]:
    """All calls at once, in turns on all gateways."""
    turns = [list(calls[place :: len(gateways)]) for place in range(len(gateways))]
    told = await asyncio.gather(
        *(load(one.port, some, concurrency=len(some)) for one, some in zip(gateways, turns, strict=True) if some)
    )
    return [one for some in told for one in some]


def codes_of(told: Sequence[Told]) -> Counter[tuple[int, str]]:
    """How calls ended, and how often."""
    return Counter((one.status, one.code) for one in told)


def served(mock: Mock, calls: Sequence[Ask]) -> list[dict[str, object]]:
    """Those of the calls that the upstream saw, by its own account."""
    nonces = {one.nonce for one in calls}
    return [call for call in mock.calls() if call["model"] and nonce_of(str(call["model"])) in nonces]


def most_in_a_minute(seen: Sequence[dict[str, object]], field: str = "") -> int:
    """The most that any sliding minute saw arrive: calls, or the sum of a field."""
    arrivals = sorted((float(str(one["started"])), int(str(one[field])) if field else 1) for one in seen)
    return max((_from(at, arrivals) for at, _ in arrivals), default=0)


def _from(begin: float, arrivals: Sequence[tuple[float, int]]) -> int:
    return sum(amount for at, amount in arrivals if begin <= at < begin + SPAN_S)


def most_at_once(seen: Sequence[dict[str, object]]) -> int:
    """The most calls that the upstream had at one moment."""
    steps = [(float(str(one["started"])), 1) for one in seen]
    steps += [(float(str(one["ended"])), -1) for one in seen if one["ended"] is not None]
    running = most = 0
    for _, step in sorted(steps):
        running += step
        most = max(most, running)
    return most
