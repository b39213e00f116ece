"""A door that the kernel ends for want of memory, in the middle of large requests, loses nothing that was confirmed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness import Mock, start_mock, until
from ledger.check import until_all_agree
from ledger.load import Told, asks, load
from ledger.stage import Stage, stage

CGROUP = Path("/sys/fs/cgroup/memory")
ROOM = 40 * 1024 * 1024


@pytest.fixture
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


@contextmanager
def confined(pid: int, room: int) -> Iterator[Path]:
    """A process that may take so much more memory, and is killed for another byte."""
    group = CGROUP / f"unigate-{pid}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(room))
        (group / "cgroup.procs").write_text(str(pid))
    except OSError as error:
        pytest.skip(f"no memory cgroup can be made here: {error}")
    try:
        yield group
    finally:
        until(lambda: not (group / "cgroup.procs").read_text(), "the end of the process")
        group.rmdir()


def test_a_door_without_memory_loses_nothing_confirmed(mock: Mock, tmp_path: Path) -> None:
    with stage(tmp_path / "g", mock) as where:
        told: list[Told] = asyncio.run(load(where.port, asks(1, 20)))
        door = where.child("door-0")
        with confined(door, ROOM):
            large = [replace(one, padding=8 * 1024 * 1024) for one in asks(2, 40)]
            told += asyncio.run(load(where.port, [*asks(3, 40), *large], concurrency=20))
            if not was_replaced(where, door):
                os.kill(door, 9)
                pytest.skip("the kernel did not enforce the limit")
        told += asyncio.run(load(where.port, asks(4, 20)))

        assert all(one.was_confirmed for one in told[-20:])
        until_all_agree(where, told, mock)


def was_replaced(where: Stage, door: int) -> bool:
    return until(lambda: where.children().get("door-0"), "a door") != door
