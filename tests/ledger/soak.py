"""The long trials: the same faults as in the tests, over and over with new seeds, for as long as one likes.

`make soak ARGS="--minutes 60 --seed 7"`; rounds are bounded by counts, only their number by the clock. Each line says
what was tried, with which seed, and what came of it; the first difference ends it with 1.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from harness import start_mock
from ledger.check import logged, until_all_agree
from ledger.load import Ask
from ledger.money import billed, spent, until_no_drift, until_quiet
from ledger.servers import Database, Postgres, servers
from ledger.slopes import forget, watch
from ledger.stage import stage
from ledger.storm import storm
from ledger.syscalls import KINDS, fail_and_recover, is_whole
from ledger.test_kills import plain, streams
from ledger.test_money_doors import LIMIT, MORE, SCOPE, fresh_calls, use_up

__all__ = ["main"]

ROOT = Path(__file__).parents[2]
KILLS = 20
# Bytes for a million calls.
FAT = 5 * 1024 * 1024


@dataclass
class Soak:
    """What is there for all rounds, and what they add up to."""

    folder: Path
    stack: ExitStack
    # How many make a slope.
    calls: int = 400_000
    sums: dict[str, int] = field(default_factory=dict[str, int])
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
        waiting = fresh_calls(seed, "tokens=10,latency=20")
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
    at_length("test_power_loss.py", SOAK_POWER_CUTS=str(points), SOAK_POWER_SEED=str(seed))
    soak.add("power_cuts", seed, database=2 * points, journal=points)


def frozen(soak: Soak, seed: int) -> None:
    """A gateway that was frozen until others had all that was lent to it, with rates in PostgreSQL and in Redis."""
    at_length("test_frozen.py", SOAK_FROZEN_S="85")
    soak.add("frozen", seed, freezes=2)


def at_length(test: str, **environment: str) -> None:
    """A test of the suite for as long as the environment says."""
    options = ("-q", "-x", "-p", "no:cacheprovider", "--timeout", "900")
    command = [sys.executable, "-m", "pytest", *options, str(ROOT / "tests" / "ledger" / test)]
    environment = {**os.environ, **environment}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


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
    """What memory does over many calls, mixed ones, some of them failing or left by their clients; nothing is kept."""
    with start_mock() as mock, stage(soak.place("slopes"), mock) as where:
        found = watch(where, mock, seed=seed, calls=soak.calls)
    told = {f"{name}_{end}": int(getattr(one, end)) for name, one in found.items() for end in ("middle", "low", "high")}
    soak.add("slopes", seed, calls=soak.calls, **told)
    growing = {name: one for name, one in found.items() if one.low > 0 and one.middle > FAT}
    assert not growing, f"memory grows, in bytes for a million calls: {growing}"


ROUNDS = (
    kills,
    kills_on_postgres,
    kills_amid_streams,
    kills_in_a_budget,
    power_cuts,
    frozen,
    failing_calls,
    slopes,
)


def main() -> int:
    """Runs rounds in turn until the time is over; the exit code."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--minutes", type=float, default=60.0, help="no round begins after so many minutes (60)")
    words.add_argument("--seed", type=int, default=int(time.time()), help="of the first round; each one adds one")
    words.add_argument("--only", choices=[one.__name__ for one in ROUNDS], action="append", help="these rounds alone")
    words.add_argument("--calls", type=int, default=400_000, help="of a round of slopes (400 000)")
    told = words.parse_args()
    rounds = [one for one in ROUNDS if not told.only or one.__name__ in told.only]
    if reason := servers():
        print(reason, file=sys.stderr)
        return 2
    deadline = time.monotonic() + told.minutes * 60
    with tempfile.TemporaryDirectory(prefix="unigate-soak-") as folder, ExitStack() as stack:
        soak = Soak(Path(folder), stack, told.calls)
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
