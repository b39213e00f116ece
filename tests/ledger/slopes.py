"""What the memory of door and keeper does over very many calls, told as a slope and how sure it is."""

from __future__ import annotations

import asyncio
import http.client
import itertools
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from harness import Mock, until
from ledger.check import Row, nonce_of, rows_of, until_all_agree
from ledger.load import Ask, Told, asks, load
from ledger.stage import Stage

__all__ = ["Slope", "counted", "forget", "resident", "slope_of", "watch"]

CHUNK = 5_000
# Caches and arenas have their size after so many of these; a collection of cycles comes every third or fourth.
WARM = 24
CONCURRENCY = 50
# How many connections to the upstream lie ready may differ by so many; over very many calls no leak is so small.
IDLE = 10
# What asyncio's pool of threads has at most.
POOL = min(32, (os.cpu_count() or 1) + 4)
# Connections that nobody uses are closed by then.
QUIET_S = 120.0
# Of a normal distribution, 95 % are within so many deviations.
_SURE = 1.96
_MILLION = 1_000_000


@dataclass(frozen=True)
class Slope:
    """Theil and Sen's slope for a million calls: the median of all pairs, and the ends of its 95 % interval."""

    middle: float
    low: float
    high: float


def slope_of(points: Sequence[tuple[int, int]]) -> Slope:
    """The slope of a series, which a few outliers do not move (P. K. Sen 1968, with Kendall's variance)."""
    pairs = itertools.combinations(points, 2)
    slopes = sorted(_MILLION * (two - one) / (later - earlier) for (earlier, one), (later, two) in pairs)
    count = len(points)
    margin = _SURE * sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = max(int((len(slopes) - margin) / 2), 0)
    high = min(int((len(slopes) + margin) / 2), len(slopes) - 1)
    return Slope(statistics.median(slopes), slopes[low], slopes[high])


def watch(where: Stage, mock: Mock, *, seed: int, calls: int) -> dict[str, Slope]:
    """Makes so many mixed calls, each of them checked, and tells the slopes of what each process has in memory."""
    rng = random.Random(seed)
    one_chunk(where, mock, rng, seed * 1000)
    before = until(lambda: _steady(where), "the quiet before", QUIET_S)
    samples: list[tuple[int, dict[str, int]]] = []
    for chunk in range(1, max(calls // CHUNK, 2 * WARM)):
        one_chunk(where, mock, rng, seed * 1000 + chunk)
        samples.append((chunk * CHUNK, resident(where)))
    names = samples[0][1]
    found = {name: slope_of([(at, one[name]) for at, one in samples[WARM:]]) for name in names}
    print(*(f"{name}: {one}" for name, one in found.items()), sep="\n", flush=True)
    until(
        lambda: is_as_before(counted(where), before), f"what it had at first: {before}, now {counted(where)}", QUIET_S
    )
    return found


def one_chunk(where: Stage, mock: Mock, rng: random.Random, seed: int) -> list[Told]:
    """A few thousand calls, and the end of their story in all books."""
    began_ns = time.time_ns()
    told = asyncio.run(load(where.port, mixed(rng, seed), concurrency=CONCURRENCY))
    until_all_agree(where, told, mock, read=_since(mock, began_ns))
    forget(mock)
    return told


def _since(mock: Mock, began_ns: int) -> Callable[[Stage], list[Row]]:
    """Rows of the calls of this chunk only: earlier ones were compared in their turn."""

    def read(where: Stage) -> list[Row]:
        known = {nonce_of(str(call["model"])) for call in mock.calls()}
        return [row for row in rows_of(where, began_ns) if nonce_of(row.model) in known]

    return read


def mixed(rng: random.Random, seed: int) -> Iterator[Ask]:
    """One call in twenty goes wrong, one in ten is a stream, and of those every third is left by its client."""
    for one in asks(seed, CHUNK):
        dice = rng.random()
        if dice < 0.05:
            yield Ask(one.nonce, rng.choice(("status=500", "cut=head", "reset=mid:2", "body=notjson")))
        elif dice < 0.15:
            yield Ask(one.nonce, "tokens=5", streamed=True, leaves=rng.choice(("", "", "event:2")))
        else:
            yield one


def resident(where: Stage) -> dict[str, int]:
    """Resident bytes of each process that are its own.

    Pages of files are left out: a door has up to two segments of its journal mapped, filled and changed in turn, and
    a look at each so many calls would see a slope in that.
    """
    return {name: _own_kilobytes(pid) * 1024 for name, pid in where.children().items()}


def _own_kilobytes(pid: int) -> int:
    told = Path(f"/proc/{pid}/status").read_text()
    return int(told.partition("RssAnon:")[2].split(maxsplit=1)[0])


def counted(where: Stage) -> dict[str, tuple[int, int]]:
    """Descriptors and threads of each process."""
    pids = where.children()
    return {
        name: (len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))) for name, pid in pids.items()
    }


def is_as_before(now: dict[str, tuple[int, int]], before: dict[str, tuple[int, int]]) -> bool:
    """Whether nothing was kept but some idle connections to the upstream, and threads of a pool that fills at need."""
    return all(
        0 <= threads - before[name][1] <= POOL and abs(descriptors - before[name][0]) <= IDLE
        for name, (descriptors, threads) in now.items()
    )


def _steady(where: Stage) -> dict[str, tuple[int, int]] | None:
    """What is counted, if it is the same for two seconds: connections of before are closed."""
    first = counted(where)
    end = time.monotonic() + 2.0
    while time.monotonic() < end:
        if counted(where) != first:
            return None
        time.sleep(0.1)
    return first


def forget(mock: Mock) -> None:
    """Empties the upstream's bill: it keeps ten thousand calls."""
    with closing(http.client.HTTPConnection("127.0.0.1", mock.port, timeout=60)) as connection:
        connection.request("DELETE", "/mock/calls")
        connection.getresponse().read()
