"""A wall clock that a test turns, for real processes; their other clocks go on as ever.

Database servers read it through libfaketime. Python's processes cannot: libfaketime 0.9.10 makes each timed wait of a
thread a busy loop, or an error. Their `time.time` is replaced as they start, before any module of ours is loaded.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

__all__ = ["TurnedClock", "turned_clock"]

_SECOND = 1_000_000_000
_SITE = """
import mmap, struct, time
with open(%r, "rb") as file:
    offset = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
real = time.time_ns
time.time_ns = lambda: real() + struct.unpack("q", offset)[0]
time.time = lambda: time.time_ns() / 1e9
"""


class TurnedClock:
    """The wall clock of those processes that were started with its environment."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        self._offset_s = 0
        self._for_ours = folder / "nanoseconds"
        self._for_servers = folder / "seconds"
        self._for_ours.write_bytes(bytes(8))
        (folder / "sitecustomize.py").write_text(_SITE % str(self._for_ours))
        others = os.environ.get("PYTHONPATH", "")
        self.environment = {"PYTHONPATH": f"{folder}{os.pathsep}{others}" if others else str(folder)}
        """What a gateway needs to live by this clock, with all its children."""
        self.turn(timedelta())

    @property
    def server_environment(self) -> dict[str, str]:
        """The same for a database server."""
        return {
            "LD_PRELOAD": _library(),
            "FAKETIME_TIMESTAMP_FILE": str(self._for_servers),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def turn(self, by: timedelta) -> None:
        """Jumps, back or forward."""
        self._offset_s += int(by.total_seconds())
        fresh = self._for_servers.with_suffix(".new")
        fresh.write_text(f"{self._offset_s:+d}\n")
        fresh.chmod(0o644)
        fresh.replace(self._for_servers)
        with self._for_ours.open("r+b") as file:
            file.write(struct.pack("q", self._offset_s * _SECOND))

    def turn_to(self, moment: datetime) -> None:
        """Jumps to a moment, to the second."""
        self.turn(moment - self.now)

    @property
    def now(self) -> datetime:
        """What it shows."""
        return datetime.fromtimestamp(time.time() + self._offset_s, UTC)


@cache
def _library() -> str:
    if shutil.which("faketime") is None:
        pytest.skip("scripts/servers.sh installs faketime")
    asked = ["faketime", "-f", "+0", "printenv", "LD_PRELOAD"]
    return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


@pytest.fixture
def turned_clock() -> Iterator[TurnedClock]:
    """A clock that shows the real time until it is turned; servers read it too, and they are not who runs the tests."""
    with tempfile.TemporaryDirectory(prefix="unigate-clock-") as folder:
        Path(folder).chmod(0o755)
        yield TurnedClock(Path(folder) / "clock")
