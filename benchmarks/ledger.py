"""How fast the keeper carries journals into the ledger, and how long a page over many calls takes.

    python -m benchmarks.ledger [postgresql://…] [--calls 20000] [--rows 1000000]

The journal and the log are real, every commit is durable. The drain is measured on one core, with the database's own
processes on it where the server is on this machine and was started there.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from unigate.accounting.record import FailedAttempt, Intent, Record, encode_entry
from unigate.accounting.redaction import Redactor
from unigate.clock import wall
from unigate.config import LogSettings
from unigate.journal import Journal
from unigate.sinks import ProxyLog, Sinks, Terminal
from unigate.storage.calls import CallFilter, page_of_calls
from unigate.storage.carrier import Carrier
from unigate.storage.database import Database
from unigate.storage.ledger import Batch, Ledger
from unigate.storage.opening import open_database
from unigate.storage.usage_sums import UsageFilter, usage_sums
from unigate.usage import Usage

NOW = time.time_ns()
DAY_NS = 86_400_000_000_000
MODELS = [("openai", "gpt-4o"), ("openai", "gpt-4o-mini"), ("anthropic", "claude-sonnet-4-5"), ("gemini", "gemini-3")]


def calls(count: int, seed: int = 1, days: int = 90) -> Iterator[Record]:
    """Calls as a busy team makes them, over some days, newest last; a few fail."""
    chance = random.Random(seed)
    start = NOW - days * DAY_NS
    for number in range(count):
        provider, model = chance.choice(MODELS)
        key = chance.randrange(200)
        status = chance.choices((200, 429, 502), (97, 2, 1))[0]
        yield Record(
            id=f"req_{seed & 0xFFFFFFFF:08x}{number:08x}",
            at_ns=start + days * DAY_NS * number // count,
            operation="openai.chat",
            status=status,
            end="ok" if status == 200 else "upstream_error",
            total_us=chance.randrange(200_000, 9_000_000),
            key=f"key_{key:012x}",
            name=f"team-{key}",
            model=model,
            streamed=chance.random() < 0.7,
            provider=provider,
            target=model,
            first_byte_us=chance.randrange(100_000, 900_000),
            overhead_us=chance.randrange(200, 900),
            usage=Usage(input_tokens=chance.randrange(20, 9000), output_tokens=chance.randrange(1, 3000)),
            attempts=(FailedAttempt("azure", model, "upstream_overloaded", 90_000),) if number % 50 == 0 else (),
            upstream_request_id=f"chatcmpl-{chance.getrandbits(96):024x}",
            project=f"proj_{key // 10:012x}",
            organisation=f"org_{key // 100:012x}",
            cost=chance.randrange(10_000, 90_000_000),
            price="2026-11",
            held=90_000_000,
        )


def intent(record: Record) -> Intent:
    return Intent(
        record.id,
        1,
        record.at_ns,
        record.operation,
        record.key or "",
        record.name or "",
        record.model or "",
        record.provider or "",
        record.target or "",
        record.project,
        record.organisation,
        record.held,
    )


def drain(database: Database, folder: Path, count: int) -> None:
    """Carries `count` calls, each an intent and a record, to the rows and the log."""
    journal = Journal(folder / "journal" / f"door-0-{os.getpid():08x}")
    for record in calls(count, seed=time.time_ns(), days=1):
        journal.append(encode_entry(intent(record)))
        journal.append(encode_entry(record))
    sinks = Sinks(ProxyLog(folder / "logs", LogSettings(), wall), Terminal(os.open(os.devnull, os.O_WRONLY), "error"))
    carrier = Carrier(folder / "journal", Ledger(database, f"gw-{os.getpid()}"), sinks, Redactor(frozenset, bool))
    used, theirs, started = _cpu(), _servers_cpu(), time.monotonic()
    while carrier.turn():
        pass
    took, used, theirs = time.monotonic() - started, _cpu() - used, _servers_cpu() - theirs
    print(f"drain: {count} calls in {took:.2f} s, {count / took:.0f} rows/s; {used / count * 1e6:.0f} µs CPU of ours")
    print(f"  {theirs / count * 1e6:.0f} µs of PostgreSQL's; {count / (used + theirs):.0f} rows for a second of CPU")


def fill(database: Database, count: int) -> None:
    """Rows as the keeper writes them, until there are so many."""
    with database.reading() as run:
        there = int(str(run("SELECT count(*) FROM calls")[0][0]))
    if there >= count:
        return
    ledger = Ledger(database, "gw-bench")
    started, batch = time.monotonic(), Batch()
    for record in calls(count - there, seed=there):
        batch.records.append((record, "door-0-bench"))
        if len(batch.records) == 5000:
            ledger.keep(batch)
            batch = Batch()
    ledger.keep(batch)
    print(f"filled {count - there} rows in {time.monotonic() - started:.0f} s")


def timed(what: str, act: Callable[[], object]) -> None:
    """The median and the worst of a few runs."""
    times: list[float] = []
    for _ in range(5):
        started = time.monotonic()
        act()
        times.append((time.monotonic() - started) * 1000)
    print(f"  {what:<48} median {sorted(times)[2]:7.1f} ms   worst {max(times):7.1f} ms")


def pages(database: Database) -> None:
    """What administration asks for, over all rows there are."""
    with database.reading() as run:
        print(f"pages over {run('SELECT count(*) FROM calls')[0][0]} calls:")
    filters = {
        "newest": CallFilter(),
        "one key": CallFilter(key=f"key_{7:012x}"),
        "a key that has none": CallFilter(key="key_none"),
        "status 502": CallFilter(status=502),
        "status 502 of one model and key": CallFilter(status=502, model="gpt-4o", key=f"key_{7:012x}"),
        "two common things that never meet": CallFilter(status=200, end="upstream_error"),
        "a month ago": CallFilter(until_ns=NOW - 30 * DAY_NS),
        "an id of the client's": CallFilter(some_id="none-of-ours"),
    }
    for name, wanted in filters.items():
        timed(name, partial(page_of_calls, database, wanted))
    middle = page_of_calls(database, CallFilter(until_ns=NOW - 45 * DAY_NS)).next
    timed("a page in the middle", partial(page_of_calls, database, CallFilter(), cursor=middle))
    for by in (("day",), ("key",), ("day", "model"), ("hour", "status"), ("organisation", "project", "provider")):
        timed(f"usage by {', '.join(by)}", partial(usage_sums, database, by, UsageFilter()))
    timed("usage of one key by hour", partial(usage_sums, database, ("hour",), UsageFilter(key=f"key_{7:012x}")))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _servers_cpu() -> float:
    """CPU seconds of all processes of PostgreSQL on this machine."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, fields = path.read_text().partition(") ")
        except OSError:
            continue
        if name.endswith("(postgres"):
            ticks += sum(map(int, fields.split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger")
    parser.add_argument("url", nargs="?", help="an empty database; SQLite in a folder of its own if left out")
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where journal, log and SQLite file are kept")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        database = open_database(chosen.url, folder)
        print(database.name)
        if chosen.calls:
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
            drain(database, folder, chosen.calls)
        if chosen.rows:
            fill(database, chosen.rows)
            database.tidy()
            pages(database)
        database.close()


if __name__ == "__main__":
    main()
