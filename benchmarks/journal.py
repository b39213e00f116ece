"""`python -m benchmarks.journal [FOLDER]`: what an append costs, and what waiting for that disk costs."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from unigate.accounting.record import Record, encode_entry
from unigate.flusher import Confirmed, Flusher, confirmed
from unigate.journal import Journal
from unigate.usage import Usage

RECORD = Record(
    "req_0123456789abcdef",
    1_700_000_000_000_000_000,
    "openai.chat",
    200,
    "ok",
    123_456,
    "key_0123456789",
    "team-a",
    "gpt-4o-mini",
    True,
    "openai",
    "gpt-4o-mini",
    1000,
    300,
    Usage(10, 20),
)
APPENDS = 60_000
SECONDS = 2.0
AT_ONCE = (1, 10, 100)


async def append(folder: Path) -> None:
    """Prints the cost of encoding and appending a record, as a call pays it."""
    journal = Journal(folder)
    flusher = asyncio.get_running_loop().create_task(Flusher(journal, 1.0).run())
    took: list[int] = []
    for number in range(APPENDS):
        began = time.perf_counter_ns()
        journal.append(encode_entry(RECORD))
        took.append(time.perf_counter_ns() - began)
        if number % 1000 == 0:
            await asyncio.sleep(0)
    await stop(flusher)
    print(f"encode and append: {shares(took, 1000)} µs")


async def confirm(folder: Path, at_once: int) -> None:
    """Prints how long entries wait for the disk, if so many wait at the same time."""
    journal = Journal(folder)
    flusher = Flusher(journal, 1.0)
    writer = Confirmed(journal, flusher)
    running = asyncio.get_running_loop().create_task(flusher.run())
    took: list[int] = []
    end = time.perf_counter() + SECONDS

    async def one() -> None:
        while time.perf_counter() < end:
            began = time.perf_counter_ns()
            await confirmed(writer.append(encode_entry(RECORD)))
            took.append(time.perf_counter_ns() - began)

    await asyncio.gather(*(one() for _ in range(at_once)))
    await stop(running)
    print(f"always, {at_once} at once: {len(took) / SECONDS:,.0f} entries/s, {shares(took, 1_000_000)} ms")


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))


def shares(took: list[int], unit: int) -> str:
    """The median and two high percentiles."""
    cuts = statistics.quantiles(took, n=1000)
    return f"p50 {cuts[499] / unit:.2f}, p99 {cuts[989] / unit:.2f}, p99.9 {cuts[998] / unit:.2f}"


def main() -> None:
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=folder) as place:
        works = [append(Path(place) / "append"), *(confirm(Path(place) / str(n), n) for n in AT_ONCE)]
        for work in works:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(work)


if __name__ == "__main__":
    main()
