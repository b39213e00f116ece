"""A gateway whose processes are killed, frozen and restarted one by one, on the database that is named."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateways import (
    ADMIN_KEY,
    CLIENT_KEY,
    PATIENCE_S,
    UPSTREAM_KEY,
    Gateway,
    free_port,
    kill_group,
    start_gateway,
)
from harness import UPSTREAM_KEY as MOCK_KEY
from harness import Mock, until
from ledger.servers import Database

__all__ = ["CLIENT", "PRICES", "Stage", "children", "stage"]

# A process that is paused for three seconds may be making connections: that is no fault of the upstream.
CONFIG = """
server: {{port: {port}, drain: {drain}, workers: {workers}}}
{database}
providers:
  mock: {{kind: openai, base_url: "http://127.0.0.1:{upstream}/v1", api_key: "${{UPSTREAM_KEY}}",
         timeouts: {{connect: 6, first_byte: {idle}, idle: {idle}, total: 60}}}}
keys:
  - {{name: operator, key: "${{ADMIN_KEY}}", role: admin}}
{more}
"""
PRICES = """
prices:
  "mock/*": {input: 1.0, output: 3.0, context: 20000, max_output: 1000}
"""
CLIENT = '  - {name: tester, key: "${CLIENT_KEY}"}\n'


def children(supervisor: int) -> dict[str, int]:
    """A gateway's living children by name: `door-0`, `door-1`, `keeper`."""
    found: dict[str, int] = {}
    for pid in _children_of(supervisor):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"unigate.app" in words and _is_there(pid):
                role = words[words.index(b"unigate.app") + 1].decode()
                name = role if role == "keeper" else f"door-{sum(one.startswith('door') for one in found)}"
                found[name] = pid
    return found


def _children_of(pid: int) -> list[int]:
    """All children of a process, whichever of its threads made them."""
    with contextlib.suppress(OSError):
        lists = [one.read_text().split() for one in Path(f"/proc/{pid}/task").glob("*/children")]
        return sorted(int(child) for one in lists for child in one)
    return []


@dataclass
class Stage:
    """One gateway: its folder and settings outlive its processes."""

    folder: Path
    mock: Mock
    database: Database | None = None
    workers: int = 1
    drain: int = 5
    idle: int = 20
    # More of the configuration, as YAML: keys first (indented by two), then whole sections.
    more: str = CLIENT
    upstream_port: int = 0
    database_port: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    gateway: Gateway | None = None

    def write(self) -> None:
        """The configuration file, as these settings have it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        url = "" if self.database is None else self.database.url_through(self.database_port or self._server_port)
        text = CONFIG.format(
            port=self.port,
            drain=self.drain,
            idle=self.idle,
            workers=self.workers,
            upstream=self.upstream_port or self.mock.port,
            database=f'database: "{url}"' if url else "",
            more=self.more,
        )
        (self.folder / "unigate.yaml").write_text(text)

    @property
    def _server_port(self) -> int:
        assert self.database is not None
        return self.database.server.port

    def start(self) -> None:
        """Runs, and answers."""
        self.write()
        keys = {"UPSTREAM_KEY": UPSTREAM_KEY, "CLIENT_KEY": CLIENT_KEY, "ADMIN_KEY": ADMIN_KEY}
        given = {**keys, "UPSTREAM_KEY": MOCK_KEY, **self.environment}
        self.gateway = start_gateway(self.folder, port=self.port, environment=given)

    def children(self) -> dict[str, int]:
        return children(self.supervisor)

    @property
    def supervisor(self) -> int:
        assert self.gateway is not None
        return self.gateway.process.pid

    def child(self, name: str) -> int:
        """The process of that name, as soon as it lives."""
        return until(lambda: self.children().get(name), name, within=PATIENCE_S)

    def until_ready(self) -> None:
        """Waits until all doors have a line to the keeper's bank: before, they serve, but lend nothing of a limit."""
        path = self.folder / "data" / "bank.sock"
        until(lambda: _is_listening(path), "the bank", PATIENCE_S)
        # The path is as the keeper names it, from its own folder.
        until(lambda: _lines_at(self.child("keeper")) >= self.workers, "the doors' lines to the bank", PATIENCE_S)

    def kill(self, name: str) -> None:
        """kill -9 for one child, which its supervisor replaces, or for `all` of them, supervisor included."""
        if name != "all":
            if pid := self.children().get(name):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return
        assert self.gateway is not None
        os.kill(self.supervisor, signal.SIGSTOP)  # so that it replaces nobody meanwhile
        pids = self.children().values()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        kill_group(self.gateway.process)
        until(lambda: not any(_is_there(pid) for pid in pids), "the end of the children")

    def stop(self) -> int:
        """SIGTERM, as an operator stops it; the exit code."""
        assert self.gateway is not None
        self.gateway.process.send_signal(signal.SIGTERM)
        return self.gateway.process.wait(self.drain + PATIENCE_S)

    def log(self) -> str:
        """All that its processes said on standard error and output."""
        return (self.folder / "output").read_text("utf-8", "replace")

    def end(self) -> None:
        """Ends whatever is left of it."""
        if self.gateway is not None and self.gateway.process.poll() is None:
            for pid in (*self.children().values(), self.supervisor):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            self.kill("all")


def _is_listening(path: Path) -> bool:
    """Whether somebody answers at a unix socket; the file alone may be one that a killed process left."""
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(str(path))
        except OSError:
            return False
        return True


def _lines_at(keeper: int) -> int:
    """How many doors have a line to this keeper's bank."""
    mine: set[str] = set()
    with contextlib.suppress(OSError):  # it, or one of its descriptors, may be gone by now
        mine.update(os.readlink(entry) for entry in Path(f"/proc/{keeper}/fd").iterdir())
    lines = (line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:])
    sockets = (line for line in lines if len(line) > 7 and line[7].endswith("bank.sock") and line[5] == "03")
    return sum(f"socket:[{line[6]}]" in mine for line in sockets)


def _is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextmanager
def stage(folder: Path, mock: Mock, database: Database | None = None, **more: object) -> Iterator[Stage]:
    """A running gateway, ended with the block; what it says in between must name no defect."""
    one = Stage(folder, mock, database, **more)
    try:
        one.start()
        yield one
    finally:
        one.end()
    _, defect, what = one.log().partition("Traceback")
    assert not defect, f"{one.folder}: {what[:5000]}"
