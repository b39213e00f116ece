"""Real processes for all tests: a gateway, and the scripted upstream behind it."""

from __future__ import annotations

import gc
import importlib.util
import subprocess
import sys
from collections.abc import Iterator

import pytest

from gateways import (
    ADMIN_KEY,
    CLIENT_KEY,
    CONFIG,
    PATIENCE_S,
    UPSTREAM_KEY,
    Gateway,
    free_port,
    kill_group,
    start_gateway,
    wait_for,
    wait_for_models,
)

pytest_plugins = ["recordings.option", "ledger.servers"]


def pytest_report_header() -> str:
    """Which of the two is tested, the sources or the compiled wheel."""
    relay = importlib.util.find_spec("unigate.relay")
    return f"unigate: {relay.origin if relay is not None else 'not installed'}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spreads the long tests of the vendors' libraries evenly, so that no worker is left with them at the end."""
    longer = [item for item in items if "sdks" in item.path.parts]
    others = [item for item in items if "sdks" not in item.path.parts]
    if longer and others:
        places = [(at + 0.5) / len(longer) for at in range(len(longer))] + [
            at / len(others) for at in range(len(others))
        ]
        items[:] = [item for _, item in sorted(zip(places, longer + others, strict=True), key=lambda one: one[0])]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Says how the run ended, for scripts/again.sh: the list of what failed may be of a run that broke."""
    cache = getattr(session.config, "cache", None)  # a run may go without
    if cache is not None and not hasattr(session.config, "workerinput"):
        cache.set("unigate/exitstatus", int(exitstatus))


def pytest_collection_finish() -> None:
    """What was collected stays to the end, so that no later collection of garbage looks through all of it anew."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scripted upstream that wants UPSTREAM_KEY."""
    port = free_port()
    output = tmp_path_factory.mktemp("upstream") / "output"
    with output.open("wb") as sink:
        arguments = ["--port", str(port), "--key", UPSTREAM_KEY]
        process = subprocess.Popen([sys.executable, "-m", "unigate.mock", *arguments], stdout=sink, stderr=sink)
    try:
        wait_for(f"http://127.0.0.1:{port}/mock/bill", process, output)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(PATIENCE_S)


@pytest.fixture(scope="session")
def gateway(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with one provider, the scripted upstream, and keys for a client and an operator."""
    folder = tmp_path_factory.mktemp("gateway")
    port = free_port()
    (folder / "unigate.yaml").write_text(CONFIG.format(port=port, upstream=upstream))
    environment = {"UPSTREAM_KEY": UPSTREAM_KEY, "CLIENT_KEY": CLIENT_KEY, "ADMIN_KEY": ADMIN_KEY}
    gateway = start_gateway(folder, port=port, environment=environment)
    gateway.upstream = upstream
    try:
        wait_for_models(gateway)
        yield gateway
    finally:
        kill_group(gateway.process)
