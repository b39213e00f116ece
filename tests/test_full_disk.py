"""A disk that is full while the gateway serves: no answer without its row, and service again once there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateways import ADMIN_KEY, CLIENT_KEY, CONFIG, UPSTREAM_KEY, Gateway, free_port, kill_group, start_gateway
from harness import Answer, Wire, chat, request, until
from unigate.storage.calls import one_call
from unigate.storage.opening import open_database

CALLS = 60


class Disk:
    """A disk in memory that can be made larger and smaller while it is used."""

    def __init__(self, place: Path, size: str) -> None:
        place.mkdir()
        self.place = place
        self._mount("-t", "tmpfs", "-o", f"size={size}", "none", str(place))

    def resize(self, size: str) -> None:
        self._mount("-o", f"remount,size={size}", str(self.place))

    def fill(self) -> None:
        """Leaves no room at all."""
        disk = os.statvfs(self.place)
        self.resize(f"{(disk.f_blocks - disk.f_bfree) * disk.f_frsize}")

    def _mount(self, *arguments: str) -> None:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no disk can be made here: {done.stderr}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "data", "14m")  # room for one segment and the database, not for the segment after it
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk.place)], check=False)


@pytest.fixture
def gateway(disk: Disk, upstream: str, tmp_path: Path) -> Iterator[Gateway]:
    port = free_port()
    (tmp_path / "unigate.yaml").write_text(CONFIG.format(port=port, upstream=upstream))
    environment = {"UPSTREAM_KEY": UPSTREAM_KEY, "CLIENT_KEY": CLIENT_KEY, "ADMIN_KEY": ADMIN_KEY}
    gateway = start_gateway(tmp_path, port=port, environment=environment)
    try:
        yield gateway
    finally:
        kill_group(gateway.process)


def call(gateway: Gateway) -> Answer:
    with Wire(gateway.port, timeout=60) as wire:
        return wire.send(request(chat("mock/script:text=ok"), key=CLIENT_KEY)).answer()


def missing(gateway: Gateway, ids: list[str]) -> list[str]:
    """Those of the calls that have no row."""
    database = open_database(None, gateway.data)
    try:
        return [id for id in ids if one_call(database, id) is None]
    finally:
        database.close()


def test_a_full_disk_costs_no_answered_call_and_service_comes_back_by_itself(gateway: Gateway, disk: Disk) -> None:
    refused = until(lambda: [one for one in [call(gateway)] if one.status != 200], "a refusal")[0]
    assert (refused.status, b'"storage_full"' in refused.body) == (503, True)

    disk.resize("64m")
    first = until(lambda: [one for one in [call(gateway)] if one.status == 200], "an answer")

    disk.fill()
    answers = [call(gateway) for _ in range(CALLS)]
    assert {one.status for one in answers} <= {200, 503}

    disk.resize("64m")
    until(lambda: call(gateway).status == 200, "an answer")
    ids = [one.headers["x-request-id"] for one in (*first, *answers) if one.status == 200]
    assert len(ids) > 1
    until(lambda: not missing(gateway, ids), "the rows of all answered calls")
