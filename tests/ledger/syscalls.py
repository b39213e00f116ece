"""The disk fails under a serving gateway: strace makes the n-th system call of a kind return an error."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from harness import Mock, until
from ledger.check import until_all_agree
from ledger.load import asks, endless, load
from ledger.stage import Stage

__all__ = ["KINDS", "attached", "fail_and_recover", "is_whole"]

KINDS = ("fsync", "fdatasync", "pwrite64", "ftruncate", "fallocate", "openat")


@contextmanager
def attached(where: Stage, call: str, error: str, when: str) -> Iterator[None]:
    """From here to the end of the block the calls of that kind that `when` names (`3`, or `3+`) fail."""
    pids = [where.supervisor, *where.children().values()]
    strace = shutil.which("strace")
    assert strace is not None, "scripts/servers.sh installs it"
    tracing = subprocess.Popen(
        [
            strace,
            "-f",
            "-q",
            "-o",
            str(_output(where)),
            "-e",
            f"trace={call}",
            "-e",
            f"inject={call}:error={error}:when={when}",
        ]
        + [word for pid in pids for word in ("-p", str(pid))],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: all(_is_traced(pid) for pid in pids) or tracing.poll() is not None, "strace")
        assert tracing.poll() is None, "strace cannot attach here"
        yield
    finally:
        tracing.terminate()
        tracing.wait(60)


def _output(where: Stage) -> Path:
    return where.folder / "strace"


def _is_traced(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/status") as file:
            return not any(line.startswith("TracerPid:\t0") for line in file)
    except OSError:
        return True


def fail_and_recover(where: Stage, mock: Mock, *, call: str, error: str, when: str, seed: int = 0) -> int:
    """Serves through failing calls and after them, until everybody tells the same story; how many calls failed."""
    print(f"syscalls: {call}:error={error}:when={when} seed={seed}")
    told = asyncio.run(load(where.port, asks(seed * 3, 5)))
    until_all_agree(where, told, mock)  # the keeper is at work
    with attached(where, call, error, when):
        told += asyncio.run(load(where.port, asks(seed * 3 + 1, 60, script="tokens=3,latency=50"), concurrency=5))
    fresh = endless(seed * 3 + 2)

    def serves() -> bool:
        told.extend(asyncio.run(load(where.port, [next(fresh)])))
        return told[-1].was_confirmed

    until(serves, "recovery")
    last = asyncio.run(load(where.port, [next(fresh) for _ in range(20)]))
    assert [one for one in last if not one.was_confirmed] == []
    until_all_agree(where, told + last, mock)
    return _output(where).read_text("utf-8", "replace").count("(INJECTED)")


def is_whole(where: Stage) -> bool:
    """Whether SQLite finds nothing wrong with the gateway's file."""
    connection = apsw.Connection(str(where.folder / "data" / "unigate.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return list(connection.execute("PRAGMA integrity_check")) == [("ok",)]
    finally:
        connection.close()
