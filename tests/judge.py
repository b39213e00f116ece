"""Judges: programs of others that are installed apart, started once, and asked one thing after the other."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from gateways import clean_environment

__all__ = ["NODE", "Judge", "installed", "installed_before"]

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".cache" / "judges"
NODE = HOME / "node" / "bin" / "node"
INSTALL_S = 900
PATIENCE_S = 120.0  # a library may take its time to be imported on a busy machine


def installed(kind: str) -> Path:
    """The folder with these judges, installed on first use; what cannot be had skips the test, but not in CI."""
    done = subprocess.run(
        [str(ROOT / "scripts" / "sdks.sh"), kind], stdin=subprocess.DEVNULL, capture_output=True, timeout=INSTALL_S
    )
    if done.returncode and os.environ.get("CI") != "true":
        pytest.skip(f"scripts/sdks.sh {kind} could not install: {done.stderr.decode()[-500:]}")
    assert done.returncode == 0, done.stderr.decode()
    return HOME / kind


def installed_before(kind: str) -> Path:
    """The same for what is too large to install unasked: only CI does."""
    if os.environ.get("CI") != "true" and not (HOME / kind / ".stamp").exists():
        pytest.skip(f"scripts/sdks.sh {kind} installs what this test needs.")
    return installed(kind)


def command_of(program: Path, folder: Path, scratch: Path) -> list[str]:
    """What starts a program with the packages of this folder in its reach."""
    if program.suffix == ".py":
        return [str(folder / "bin" / "python"), str(program)]
    for source in program.parent.glob("*.mjs"):
        shutil.copy(source, scratch)
    (scratch / "node_modules").symlink_to(folder / "node_modules")
    return [str(NODE), str(scratch / program.name)]


class Judge:
    """A running program that takes a job as a line of JSON and answers with one, as often as it is asked."""

    def __init__(self, program: Path, kind: str, scratch: Path) -> None:
        command = command_of(program, installed(kind), scratch)
        self.complaints = scratch / "stderr"
        with self.complaints.open("wb") as sink:
            self.process = subprocess.Popen(
                command,
                cwd=scratch,
                env=clean_environment(NO_PROXY="*", PYTHONUTF8="1", HOME=str(scratch)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                bufsize=0,
            )

    def ask(self, **job: object) -> dict:
        """What the program makes of the job."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        return json.loads(self._line())

    def _line(self) -> bytes:
        assert self.process.stdout is not None
        line, end = b"", time.monotonic() + PATIENCE_S
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, end - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 1 << 20) if ready else b""
            assert piece, f"the judge said nothing: {self.complaints.read_text('utf-8', 'replace')[-2000:]}"
            line += piece
        return line

    def dismiss(self) -> None:
        """Ends the program."""
        self.process.kill()
        self.process.communicate(timeout=PATIENCE_S)
