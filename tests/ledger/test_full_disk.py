"""A disk that is full: nothing is lost, nothing is doubled, and carrying goes on by itself once there is room."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from ledger.test_rows import Gateway, is_clean, record
from unigate.accounting.record import encode_entry
from unigate.errors import StorageError
from unigate.storage.calls import CallFilter, page_of_calls
from unigate.storage.opening import open_database


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 32 MB."""
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", folder], capture_output=True, check=False
        )
        if made.returncode != 0:
            pytest.skip("mounting a small file system needs root's rights")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


def fill(path: Path) -> None:
    """Takes all room there is."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(os.urandom(65536))
        except OSError:
            pass


def test_a_full_disk_holds_rows_back_and_loses_none(small_disk: Path, tmp_path: Path) -> None:
    path = small_disk / "unigate.db"
    with closing(open_database(f"sqlite:///{path}", tmp_path)) as database:
        gateway = Gateway(database, tmp_path)
        journal = gateway.journal(*(record(n, error="x" * 1000) for n in range(2000)))
        gateway.carry()
        fill(small_disk / "filler")
        for number in range(2000, 4000):
            journal.append(encode_entry(record(number, error="x" * 1000)))
        failures = 0
        while failures < 3:  # what fits into the side file's own room may still get in
            try:
                gateway.carrier.turn()
            except StorageError:
                failures += 1
        seen = len(page_of_calls(database, CallFilter(), limit=1000).calls)
        (small_disk / "filler").unlink()
        gateway.carry()

        assert seen == 1000 and is_clean(gateway)
        assert gateway.paper.ids == [record(n).id for n in range(4000)]
        with database.reading() as run:
            assert run("SELECT count(*) FROM calls")[0][0] == 4000
        journal.close()
    assert apsw.Connection(str(path)).execute("PRAGMA integrity_check").fetchall() == [("ok",)]
