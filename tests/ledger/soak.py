"""The long trials: the same faults as in the tests, over and over with new seeds, for as long as one likes.

`make soak ARGS="--minutes 60 --seed 7"`; rounds are bounded by counts, only their number by the clock. Each line says
what was tried, with which seed, and what came of it; the first difference ends it with 1.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from harness import Mock, start_mock
from ledger.check import Row, logged, nonce_of, rows_of, until_all_agree
from ledger.load import Ask, asks, load
from ledger.money import billed, spent, until_no_drift, until_quiet
from ledger.servers import Database, Postgres, servers
from ledger.stage import Stage, stage
from ledger.storm import storm
from ledger.syscalls import KINDS, fail_and_recover, is_whole
from ledger.test_kills import plain, streams
from ledger.test_money_doors import LIMIT, MORE, SCOPE, calls, use_up

__all__ = ["main"]

ROOT = Path(__file__).parents[2]
KILLS = 20
CHUNK = 5_000


@dataclass
class Soak:
    """What is there for all rounds, and what they add up to."""

    folder: Path
    stack: ExitStack
    sums: dict[str, int] = field(default_factory=dict)
    postgres: Postgres | None = None

    def place(self, name: str) -> Path:
        """A folder of its own for each round."""
        return Path(tempfile.mkdtemp(prefix=name, dir=self.folder))

    def database(self) -> Database:
        """A fresh database of a real PostgreSQL, started at its first use."""
        if self.postgres is None:
            self.postgres = Postgres()
            self.stack.callback(self.postgres.remove)
            self.postgres.start()
        return self.postgres.fresh()

    def add(self, round: str, seed: int, **counts: int) -> None:
        """One line for a round that found nothing wrong."""
        for name, count in counts.items():
            self.sums[f"{round}.{name}"] = self.sums.get(f"{round}.{name}", 0) + count
        print(json.dumps({"round": round, "seed": seed, **counts}), flush=True)


def _kills(soak: Soak, seed: int, name: str, todo: Callable[[int], Iterator[Ask]], database: Database | None) -> None:
    with start_mock() as mock, stage(soak.place("kills"), mock, database) as where:
        seen = asyncio.run(storm(where, todo(seed), seed=seed, kills=KILLS, calls_per_kill=120))
        rows = until_all_agree(where, seen.told, mock)
        if database is None:
            until_all_agree(where, seen.told, mock, read=logged)
        soak.add(name, seed, kills=len(seen.kills), calls=len(seen.told), confirmed=seen.confirmed, rows=len(rows))


def kills(soak: Soak, seed: int) -> None:
    """kill -9 of door, keeper or everybody, on SQLite."""
    _kills(soak, seed, "kills", plain, None)


def kills_amid_streams(soak: Soak, seed: int) -> None:
    """The same amid streams."""
    _kills(soak, seed, "kills_amid_streams", streams, None)


def kills_on_postgres(soak: Soak, seed: int) -> None:
    """The same on PostgreSQL."""
    _kills(soak, seed, "kills_on_postgres", plain, soak.database())


def kills_in_a_budget(soak: Soak, seed: int) -> None:
    """Three doors race for one budget, and die; in the end all of it is spent, and no more."""
    with start_mock() as mock, stage(soak.place("money"), mock, workers=3, more=MORE) as where:
        where.until_ready()
        waiting = iter(calls(seed, 100_000, "tokens=10,latency=20"))
        victims = ("door-0", "door-1", "keeper", "all")
        running = storm(where, waiting, seed=seed, kills=6, calls_per_kill=40, concurrency=15, victims=victims)
        seen = asyncio.run(running)
        use_up(where, seen.told)
        rows = until_all_agree(where, seen.told, mock)
        until_no_drift(where, mock)
        assert billed(mock) <= LIMIT, f"overshoot: {billed(mock) - LIMIT}"
        until_quiet(where)
        soak.add("kills_in_a_budget", seed, kills=6, rows=len(rows), overshoot=max(spent(where, SCOPE) - LIMIT, 0))


def power_cuts(soak: Soak, seed: int) -> None:
    """Power cuts at many moments, for the database and for the journal."""
    points = 200
    environment = {**os.environ, "SOAK_POWER_CUTS": str(points), "SOAK_POWER_SEED": str(seed)}
    test = str(ROOT / "tests" / "ledger" / "test_power_loss.py")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", test]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    soak.add("power_cuts", seed, database=2 * points, journal=points)


def failing_calls(soak: Soak, seed: int) -> None:
    """The n-th system call of a kind fails, once or from then on, for n = 1, 2, 3, … until none is reached."""
    rng = random.Random(seed)
    call, error = rng.choice(KINDS), rng.choice(("EIO", "ENOSPC"))
    tried = failed = 0
    with start_mock() as mock, stage(soak.place("calls"), mock) as where:
        for number in itertools.count(1, 3):
            when = f"{number}{rng.choice(('', '+'))}"
            injected = fail_and_recover(where, mock, call=call, error=error, when=when, seed=seed + number)
            assert is_whole(where), "integrity_check"
            forget(mock)
            tried, failed = tried + 1, failed + injected
            if not injected or number > 30:
                break
    soak.add(f"failing_calls.{call}", seed, tried=tried, failed=failed)


def slopes(soak: Soak, seed: int) -> None:
    """What memory and descriptors do over many calls; mixed ones, some of them failing or left by their clients."""
    rng = random.Random(seed)
    with start_mock() as mock, stage(soak.place("slopes"), mock) as where:
        samples: list[tuple[int, dict[str, int]]] = []
        done = 0
        for chunk in range(12):
            told = asyncio.run(load(where.port, mixed(rng, seed * 100 + chunk), concurrency=50))
            until_all_agree(where, told, mock, read=_latest(mock))
            forget(mock)
            done += len(told)
            samples.append((done, measured(where)))
        grown = {name: slope([(at, one[name]) for at, one in samples[3:]]) for name in samples[0][1]}
    told_slopes = {f"{name}_per_million": int(value * 1_000_000) for name, value in grown.items()}
    soak.add("slopes", seed, calls=done, **told_slopes)
    leaks = {name: value for name, value in told_slopes.items() if "fds" in name and value > 100}
    assert not leaks, f"descriptors grow: {leaks}"
    fat = {name: value for name, value in told_slopes.items() if "rss" in name and value > 400 * 1024 * 1024}
    assert not fat, f"memory grows: {fat}"


def _latest(mock: Mock) -> Callable[[Stage], list[Row]]:
    """Rows of the calls of this chunk only: earlier ones were compared in their turn."""

    def read(where: Stage) -> list[Row]:
        known = {nonce_of(str(call["model"])) for call in mock.calls()}
        return [row for row in rows_of(where) if nonce_of(row.model) in known]

    return read


def mixed(rng: random.Random, seed: int) -> Iterator[Ask]:
    """One call in twenty goes wrong, one in ten is a stream."""
    for one in asks(seed, CHUNK):
        dice = rng.random()
        if dice < 0.05:
            yield Ask(one.nonce, rng.choice(("status=500", "cut=head", "reset=mid:2", "body=notjson")))
        elif dice < 0.15:
            yield Ask(one.nonce, "tokens=5", streamed=True, leaves=rng.choice(("", "", "event:2")))
        else:
            yield one


def measured(where: Stage) -> dict[str, int]:
    """Resident bytes and open descriptors of door and keeper."""
    found: dict[str, int] = {}
    for name, pid in where.children().items():
        found[f"{name}_rss"] = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
        found[f"{name}_fds"] = len(os.listdir(f"/proc/{pid}/fd"))
    return found


def slope(points: list[tuple[int, int]]) -> float:
    """Theil–Sen: the median of the slopes between all pairs, which a few outliers do not move."""
    pairs = itertools.combinations(points, 2)
    return statistics.median((two - one) / (later - earlier) for (earlier, one), (later, two) in pairs)


def forget(mock: Mock) -> None:
    """Empties the upstream's bill: it keeps ten thousand calls."""
    with closing(http.client.HTTPConnection("127.0.0.1", mock.port, timeout=10)) as connection:
        connection.request("DELETE", "/mock/calls")
        connection.getresponse().read()


ROUNDS = (
    kills,
    kills_on_postgres,
    kills_amid_streams,
    kills_in_a_budget,
    power_cuts,
    failing_calls,
    slopes,
)


def main() -> int:
    """Runs rounds in turn until the time is over; the exit code."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--minutes", type=float, default=60.0, help="no round begins after so many minutes (60)")
    words.add_argument("--seed", type=int, default=int(time.time()), help="of the first round; each one adds one")
    words.add_argument("--only", choices=[one.__name__ for one in ROUNDS], action="append", help="these rounds alone")
    told = words.parse_args()
    rounds = [one for one in ROUNDS if not told.only or one.__name__ in told.only]
    if reason := servers():
        print(reason, file=sys.stderr)
        return 2
    deadline = time.monotonic() + told.minutes * 60
    with tempfile.TemporaryDirectory(prefix="unigate-soak-") as folder, ExitStack() as stack:
        soak = Soak(Path(folder), stack)
        for seed, one in zip(itertools.count(told.seed), itertools.cycle(rounds), strict=False):
            if time.monotonic() > deadline:
                break
            try:
                one(soak, seed)
            except AssertionError as error:
                print(json.dumps({"round": one.__name__, "seed": seed, "failed": str(error)}), flush=True)
                return 1
        print(json.dumps({"sums": soak.sums}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
