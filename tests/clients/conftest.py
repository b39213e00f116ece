"""Runs client programs the way a person would: with an address and a key in the environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import toolchains

from gateways import Gateway

PATIENCE_S = 60
# Who lives a second has no use for the second compiler, nor for several threads that collect garbage.
JAVA_OPTIONS = "-Dfile.encoding=UTF-8 -Dstdout.encoding=UTF-8 -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
JAVA_NOTICE = f"Picked up JAVA_TOOL_OPTIONS: {JAVA_OPTIONS}\n"


@dataclass(frozen=True)
class Server:
    """Where client programs find their server, and what it is."""

    url: str
    key: str


@dataclass(frozen=True)
class Run:
    """What became of a program."""

    status: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        return self.out.rstrip().rpartition("\n")[2]

    def said(self, label: str) -> list[str]:
        """What follows this label on each line that begins with it."""
        return [line.removeprefix(label) for line in self.out.splitlines() if line.startswith(label)]


Runner = Callable[..., Run]


@pytest.fixture(scope="session")
def server(gateway: Gateway) -> Server:
    """A real gateway in front of the scripted upstream."""
    return Server(gateway.url, gateway.client_key)


@pytest.fixture
def run(server: Server, tmp_path: Path) -> Runner:
    """Runs one command against the server; settings are added to its environment."""

    def run_one(command: list[str], path: str = "", **settings: str) -> Run:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "UNIGATE_"))}
        kept |= {"OPENAI_BASE_URL": server.url + path, "OPENAI_API_KEY": server.key, "NO_PROXY": "*"}
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**kept, "PYTHONUTF8": "1", "JAVA_TOOL_OPTIONS": JAVA_OPTIONS, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE_S,
        )
        return Run(done.returncode, done.stdout, done.stderr.replace(JAVA_NOTICE, ""))

    return run_one


@pytest.fixture
def node(tmp_path: Path) -> Callable[[Path], list[str]]:
    """Gives the command that runs a JavaScript program with the installed modules in its reach."""

    def command(source: Path) -> list[str]:
        modules = tmp_path / "node_modules"
        if not modules.exists():
            modules.symlink_to(toolchains.node_modules())
        shutil.copy(source, tmp_path / source.name)
        return ["node", str(tmp_path / source.name)]

    return command
