"""Real database servers that tests start, freeze, cut and restart: PostgreSQL and Redis on ports of their own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from gateways import PATIENCE_S, clean_environment, free_port
from harness import until

__all__ = ["Database", "Postgres", "Redis", "database", "postgres", "redis", "servers"]

INSTALLER = Path(__file__).parents[2] / "scripts" / "servers.sh"
USER = "unigate"
# The disk need not survive the machine here, only the process: a commit is then no wait for the disk.
QUICK = ("fsync=off", "full_page_writes=off", "synchronous_commit=on", "max_connections=60", "shared_buffers=32MB")


@cache
def servers() -> str:
    """Installs what is missing, once; why it cannot be done, or nothing."""
    told = subprocess.run([INSTALLER], capture_output=True, text=True, timeout=600, check=False)
    return "" if told.returncode == 0 else told.stderr.strip().rpartition("\n")[2]


def needed() -> None:
    """Leaves the test out where the servers cannot be had."""
    if reason := servers():
        pytest.skip(reason)


def program(name: str) -> str:
    """The newest of PostgreSQL's programs of this name; Debian keeps them out of the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return str(found[-1]) if found else shutil.which(name) or name


def as_nobody_special() -> list[str]:
    """What a command begins with to run without privileges, and to end with the tests; PostgreSQL refuses root."""
    ends_with_us = ["setpriv", "--pdeathsig", "INT"]
    if os.geteuid() != 0:
        return ends_with_us
    return [*ends_with_us, f"--reuid={_account().pw_name}", f"--regid={_account().pw_gid}", "--clear-groups"]


def _account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def private_folder(name: str) -> Path:
    """A folder that the servers' account owns and can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix=f"unigate-{name}-"))
    if os.geteuid() == 0:
        os.chown(folder, _account().pw_uid, _account().pw_gid)
    return folder


class _Server:
    """A process that listens on a port: started, frozen, thawed, killed."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        # Only for the server itself: whoever drops privileges first must not load what it names.
        self._with = ["env", *(f"{name}={value}" for name, value in (environment or {}).items())]
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def start(self, port: int | None = None) -> None:
        """Runs from here on, at another port if one is named."""
        self.port = port or self.port
        output = self.folder / "output"
        with output.open("ab") as sink:
            self.process = subprocess.Popen(
                [*as_nobody_special(), *self._with, *self.command()],
                cwd=self.folder,
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE_S
        while not self.answers():
            alive = self.process.poll() is None and time.monotonic() < deadline
            assert alive, f"{self.command()[0]} did not start:\n{output.read_text('utf-8', 'replace')[-2000:]}"
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGINT) -> None:
        """Ends it and waits; SIGKILL for a crash."""
        process, self.process = self.process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(number)
            process.wait(PATIENCE_S)

    def restart(self, port: int | None = None) -> None:
        """Stops and starts it, at another port if one is named."""
        self.stop()
        self.start(port)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def freeze(self) -> None:
        """SIGSTOP for it and all its children: connections stay open and nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT for all that `freeze` stopped."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: int) -> None:
        # Each of PostgreSQL's processes leads a group of its own, so the parent is asked for its children.
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in (self.process.pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def remove(self) -> None:
        """Ends it for good and leaves nothing."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True)
class Database:
    """One fresh database of a server."""

    server: Postgres
    name: str

    @property
    def url(self) -> str:
        """What the gateway's configuration wants; it changes when the server moves to another port."""
        return self.url_through(self.server.port)

    def url_through(self, port: int) -> str:
        """The same database behind another port, such as a fault proxy's."""
        return f"postgresql://{USER}@127.0.0.1:{port}/{self.name}"

    def run(self, statement: str) -> list[list[str]]:
        """The rows of one statement, as texts."""
        return self.server.run(statement, self.name)


class Postgres(_Server):
    """A PostgreSQL server with a data folder of its own, on a TCP port and a unix socket beside its data."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(private_folder("postgres"), environment)
        self._made = 0
        made = [program("initdb"), "-D", str(self.data), "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(
            [*as_nobody_special(), *made, "--locale=C.UTF-8"],
            cwd=self.folder,
            env=clean_environment(),
            check=True,
            capture_output=True,
            timeout=120,
        )

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def command(self) -> list[str]:
        settings = (f"port={self.port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.folder}", *QUICK)
        return [program("postgres"), "-D", str(self.data), *(word for one in settings for word in ("-c", one))]

    def answers(self) -> bool:
        asked = ["-q", "-h", str(self.folder), "-p", str(self.port)]
        return subprocess.run([program("pg_isready"), *asked], timeout=60, check=False).returncode == 0

    def run(self, statement: str, database: str = "postgres") -> list[list[str]]:
        """The rows of one statement, as texts; not through the port, so that it works whatever is done to that."""
        where = ["-h", str(self.folder), "-p", str(self.port), "-U", USER, "-d", database]
        told = subprocess.run(
            [program("psql"), *where, "-X", "-q", "-A", "-t", "-F", "\x1f", "-v", "ON_ERROR_STOP=1", "-c", statement],
            env=clean_environment(PGCONNECT_TIMEOUT="5"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert told.returncode == 0, told.stderr
        return [line.split("\x1f") for line in told.stdout.splitlines()]

    def fresh(self) -> Database:
        """A new, empty database."""
        self._made += 1
        database = Database(self, f"t{os.getpid()}_{self._made}")
        self.run(f"CREATE DATABASE {database.name}")
        return database

    def terminate_backends(self) -> int:
        """Cuts every client's connection from the server's side; how many there were."""
        rows = self.run(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return int(rows[0][0])

    def read_only(self) -> None:
        """Refuses all writing from here on, on each connection."""
        self.run("ALTER SYSTEM SET default_transaction_read_only = on")
        self._reload(read_only="on")

    def heal(self) -> None:
        """As it was at first: running, thawed, writable."""
        if self.is_running:
            self.thaw()
        else:
            self.start()
        # One that is read-only writes its own settings nevertheless.
        self.run("ALTER SYSTEM RESET ALL")
        self._reload(read_only="off")

    def _reload(self, *, read_only: str) -> None:
        """Returns when the settings hold: the server tells its connections before it lets a new one in."""
        self.run("SELECT pg_reload_conf()")
        shown = "SHOW default_transaction_read_only"
        until(lambda: self.run(shown) == [[read_only]], "the settings that were read anew")


class Redis(_Server):
    """A Redis or Valkey server that keeps nothing on the disk unless told to."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(private_folder("redis"), environment)

    @property
    def url(self) -> str:
        return self.url_through(self.port)

    def url_through(self, port: int) -> str:
        """The same server behind another port, such as a fault proxy's."""
        return f"redis://127.0.0.1:{port}/0"

    def command(self) -> list[str]:
        server = shutil.which("valkey-server") or shutil.which("redis-server") or "redis-server"
        return [server, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]

    def answers(self) -> bool:
        try:
            return self.run("PING") == "PONG"
        except OSError:
            return False

    def run(self, *words: str) -> str:
        """The answer to one command: the text of a simple or bulk string, the digits of a number."""
        told = b"".join(b"$%d\r\n%b\r\n" % (len(word.encode()), word.encode()) for word in words)
        with socket.create_connection(("127.0.0.1", self.port), 5) as line, line.makefile("rb") as lines:
            line.sendall(b"*%d\r\n%b" % (len(words), told))
            first = lines.readline().decode().rstrip("\r\n")
            assert not first.startswith("-"), first
            return lines.readline().decode().rstrip("\r\n") if first.startswith("$") else first[1:]


@pytest.fixture(scope="session")
def _postgres() -> Iterator[Postgres]:
    needed()
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgres(_postgres: Postgres) -> Iterator[Postgres]:
    """This worker's PostgreSQL server; whatever a test did to it is mended afterwards."""
    yield _postgres
    _postgres.heal()


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    """A fresh database of this worker's PostgreSQL server."""
    fresh = postgres.fresh()
    yield fresh
    postgres.heal()
    postgres.run(f"DROP DATABASE IF EXISTS {fresh.name} WITH (FORCE)")


@pytest.fixture
def redis() -> Iterator[Redis]:
    """A Redis server of its own for each test."""
    needed()
    server = Redis()
    try:
        server.start()
        yield server
    finally:
        server.remove()
