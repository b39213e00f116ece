"""How tests start the real processes they talk to, and end them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CLIENT_KEY = "sk-ug-client-5vR9wXb2LqTz8KpN"
ADMIN_KEY = "sk-ug-admin-Yh3mQ7cVt6JfW1sD"
UPSTREAM_KEY = "upstream-key-Gp4ZkE9uRx2B"
# Many, as machines may be busy; whoever expects a test to fail need not wait for that so long.
PATIENCE_S = float(os.environ.get("TEST_PATIENCE_S", "60"))

CONFIG = """
server: {{port: {port}, drain: 2}}
providers:
  mock: {{kind: openai, base_url: "{upstream}/v1", api_key: "${{UPSTREAM_KEY}}",
         timeouts: {{connect: 2, first_byte: 60, idle: 60, total: 120}}}}
keys:
  - {{name: tester, key: "${{CLIENT_KEY}}"}}
  - {{name: operator, key: "${{ADMIN_KEY}}", role: admin}}
"""


@dataclass
class Gateway:
    """A running gateway, its addresses and its folders."""

    process: subprocess.Popen[bytes]
    folder: Path
    port: int
    upstream: str = ""
    client_key: str = CLIENT_KEY
    admin_key: str = ADMIN_KEY
    output: Path = field(default=Path())

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without providers' keys and proxies, so that a developer's own settings change nothing."""
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH") if name in os.environ
    }
    return {**kept, "LANG": "C.UTF-8", **more}


def wait_for(url: str, process: subprocess.Popen[bytes], output: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.02)
    raise AssertionError(f"{url} did not answer:\n{output.read_text('utf-8', 'replace')}")


def start_gateway(folder: Path, *arguments: str, port: int, environment: Mapping[str, str] | None = None) -> Gateway:
    """`unigate serve` in a folder of its own, once it answers."""
    output, desk = folder / "output", folder / "data" / "bank.sock"
    left_behind = changed_at(desk)
    with output.open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "unigate", "serve", *arguments],
            cwd=folder,
            env=clean_environment(**(environment or {})),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    wait_for(f"http://127.0.0.1:{port}/health", process, output)
    end = time.monotonic() + PATIENCE_S
    while "curl http" not in output.read_text("utf-8", "replace") and time.monotonic() < end:
        time.sleep(0.02)  # it answers a moment before it says so
    # Calls are carried before there is a keeper; its desk opens last. Asking it anything would have it load all pages.
    while changed_at(desk) == left_behind and time.monotonic() < end:
        time.sleep(0.02)
    return Gateway(process, folder, port, output=output)


def changed_at(path: Path) -> int:
    """When this file was made or changed, in nanoseconds; 0 where there is none."""
    try:
        return path.stat().st_ctime_ns
    except OSError:
        return 0


def wait_for_models(gateway: Gateway) -> None:
    """The provider's list of models is fetched in the background, a moment after the start."""
    request = urllib.request.Request(f"{gateway.url}/v1/models", headers={"authorization": f"Bearer {CLIENT_KEY}"})
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with urllib.request.urlopen(request, timeout=60) as answer:
            if json.load(answer)["data"]:
                return
        time.sleep(0.02)
    raise AssertionError("The list of models stayed empty.")


def kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait(PATIENCE_S)
