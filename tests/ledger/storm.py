"""Storms: a load during which processes are killed at moments that a seed decides, and the story told afterwards."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ledger.load import Ask, Told, load
from ledger.stage import Stage

__all__ = ["Storm", "storm"]

# Who dies: the doors hold calls, the keeper holds the database, and sometimes it is everybody.
VICTIMS = ("door-0", "door-0", "keeper", "all")


@dataclass
class Storm:
    """What happened in one storm."""

    seed: int
    told: list[Told] = field(default_factory=list)
    kills: list[str] = field(default_factory=list)

    @property
    def confirmed(self) -> int:
        return sum(one.was_confirmed for one in self.told)


async def storm(
    where: Stage,
    calls: Iterator[Ask],
    *,
    seed: int,
    kills: int,
    calls_per_kill: int,
    concurrency: int = 50,
    victims: Sequence[str] = VICTIMS,
) -> Storm:
    """Runs the calls, and kills one of the victims at a random moment of each `calls_per_kill` of them."""
    print(f"storm: seed={seed} kills={kills} calls_per_kill={calls_per_kill}")
    rng = random.Random(seed)
    seen = Storm(seed)
    for _ in range(kills):
        victim = rng.choice(victims)
        moment = rng.randrange(calls_per_kill)
        due = asyncio.Event()
        done = 0

        def count(_: Told, moment: int = moment, due: asyncio.Event = due) -> None:
            nonlocal done
            done += 1
            if done > moment:
                due.set()

        if rng.random() < 0.5:
            # Every other time the keeper has come back and caught up; else it is found at its start.
            await asyncio.to_thread(where.until_ready)
            seen.told += await load(where.port, [next(calls) for _ in range(10)], concurrency=1)
        batch = [next(calls) for _ in range(calls_per_kill)]
        running = asyncio.create_task(load(where.port, batch, concurrency=concurrency, told=count))
        await due.wait()
        await asyncio.sleep(rng.random() * 0.01)
        await asyncio.to_thread(where.kill, victim)
        seen.kills.append(victim)
        if victim == "all":
            await asyncio.to_thread(where.start)
        seen.told += await running
    return seen
