"""Starts, watches and ends the processes that a benchmark needs."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
POLL_S = 0.005


class BenchError(Exception):
    """A measurement that cannot be trusted or could not be made."""


@dataclass(frozen=True)
class Cores:
    """Which core each part of a measurement runs on."""

    gateway: int
    upstream: int
    client: int


def choose_cores() -> Cores:
    """The gateway alone on the first core; client and upstream on the others, or together where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    return Cores(gateway=cores[0], upstream=cores[1 % len(cores)], client=cores[-1])


def raise_file_limit() -> int:
    """Lets this process and its children open as many files as the machine allows."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Daemon:
    """One process group that we started, pinned to a core, with its output in a file."""

    popen: subprocess.Popen[bytes]
    log: Path
    began: float

    @property
    def pid(self) -> int:
        return self.popen.pid

    def tail(self) -> str:
        """The end of what the process said, for an error message."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-4:])[-600:]

    def stop(self) -> None:
        """Ends the process and what it started: politely, then for good."""
        self._signal(signal.SIGTERM)
        try:
            self.popen.wait(5)
        except subprocess.TimeoutExpired:
            pass
        self._signal(signal.SIGKILL)
        self.popen.wait()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass


def spawn(argv: Sequence[str], *, core: int, log: Path, env: Mapping[str, str] | None = None) -> Daemon:
    """Starts a command on one core, in a process group of its own."""
    began = time.perf_counter()
    with log.open("wb") as output:
        popen = subprocess.Popen(
            ["taskset", "-c", str(core), *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    return Daemon(popen, log, began)


def wait_until(met: Callable[[], bool], *, deadline_s: float, daemon: Daemon, what: str) -> None:
    """Polls a condition; a dead process or a passed deadline is an error with the process's last words."""
    end = time.monotonic() + deadline_s
    while not met():
        if daemon.popen.poll() is not None:
            raise BenchError(f"{what}: ended with code {daemon.popen.returncode}: {daemon.tail()}")
        if time.monotonic() > end:
            raise BenchError(f"{what}: not ready after {deadline_s:.0f} s: {daemon.tail()}")
        time.sleep(POLL_S)


def _parent_and_cpu_s(pid: int) -> tuple[int, float]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[1]), (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def family(pid: int) -> list[int]:
    """A process and all its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = _parent_and_cpu_s(int(entry.name))[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for member in found:
        found.extend(children.get(member, []))
    return found


def roles(pid: int, named: Sequence[str], rest: str) -> dict[str, list[int]]:
    """Sorts a family by the role word on each command line; members without one share a name."""
    found: dict[str, list[int]] = {}
    for member in family(pid):
        try:
            words = Path(f"/proc/{member}/cmdline").read_text().split("\0")
        except OSError:
            continue
        role = next((name for name in named if name in words), rest)
        found.setdefault(role, []).append(member)
    return found


def cpu_s(pids: Sequence[int]) -> float:
    """User and system time that processes have used so far."""
    try:
        return sum(_parent_and_cpu_s(pid)[1] for pid in pids)
    except OSError as error:
        raise BenchError(f"a process ended while it was measured: {error}") from error


def pss_bytes(pids: Sequence[int]) -> int:
    """Memory of processes, each shared page counted by its share."""
    try:
        rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in pids]
    except OSError as error:
        raise BenchError(f"a process ended while it was measured: {error}") from error
    lines = [line.split() for rollup in rollups for line in rollup.splitlines()]
    return sum(int(words[1]) * 1024 for words in lines if words[0] == "Pss:")


def wait_quiet(pids: Sequence[int], *, deadline_s: float = 5.0) -> None:
    """Waits until processes have finished what they put off: at most one clock tick of work in 0.3 s."""
    end = time.monotonic() + deadline_s
    before = cpu_s(pids)
    while time.monotonic() < end:
        time.sleep(0.3)
        after = cpu_s(pids)
        if after - before <= 1 / TICKS_PER_SECOND:
            return
        before = after
