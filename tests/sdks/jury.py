"""Judges: programs that use one library each and stay for as many questions as there are."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

from vendors import JUDGES, Client

from formats import NODE, installed
from gateways import clean_environment

PATIENCE_S = 30.0


def command(client: Client, scratch: Path) -> list[str]:
    """What starts this client's judge."""
    folder = installed("sdks")
    if client.language == "python":
        return [str(folder / "bin" / "python"), str(JUDGES / client.program)]
    for source in JUDGES.glob("*.mjs"):
        shutil.copy(source, scratch)
    (scratch / "node_modules").symlink_to(folder / "node_modules")
    return [str(NODE), str(scratch / client.program)]


class Judge:
    """A running program that answers one question at a time."""

    def __init__(self, client: Client, scratch: Path) -> None:
        self.complaints = scratch / "stderr"
        with self.complaints.open("wb") as sink:
            self.process = subprocess.Popen(
                command(client, scratch),
                cwd=scratch,
                env=clean_environment(NO_PROXY="*", PYTHONUTF8="1"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=sink,
                bufsize=0,
            )

    def ask(self, **job: object) -> dict:
        """What the library made of it."""
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
        self.process.kill()
        self.process.communicate(timeout=PATIENCE_S)
