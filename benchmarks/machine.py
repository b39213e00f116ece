"""What a result was measured on: machine, commit, versions."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from benchmarks.peers import PINS, peer_version
from benchmarks.processes import BenchError
from benchmarks.subjects import ROOT

NEEDED = ("nginx", "wrk", "openssl", "taskset")


def require_tools() -> None:
    """Refuses to start without the tools a run needs."""
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    if missing:
        raise BenchError(f"not installed: {', '.join(missing)}; run scripts/bench_tools.sh")


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def commit() -> str:
    """The short name of the commit measured, with a plus if files of the product differ from it."""
    changed = _git("status", "--porcelain", "--", "src", "benchmarks", "pyproject.toml")
    return (_git("rev-parse", "--short=10", "HEAD") or "unknown") + ("+" if changed else "")


def describe() -> dict[str, object]:
    """The machine: processor, cores, memory, kernel, Python."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*:\s*(.+)", cpuinfo)
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(memory.group(1)) / 1e6, 1) if memory else None,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "hot path": "compiled" if _is_compiled() else "plain Python",
    }


def _is_compiled() -> bool:
    relay = importlib.util.find_spec("unigate.relay")
    return relay is not None and not str(relay.origin).endswith(".py")


def versions() -> dict[str, str]:
    """The version of each subject that is installed."""
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=False).stderr
    found = {name: peer_version(name) for name in PINS}
    return {"nginx": nginx.strip().rpartition("/")[2], **{name: text for name, text in found.items() if text}}
