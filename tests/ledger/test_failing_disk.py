"""System calls fail while the gateway serves: a call is refused cleanly or has its row, and it recovers by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Mock, start_mock
from ledger.servers import needed
from ledger.stage import stage
from ledger.syscalls import fail_and_recover, is_whole


@pytest.fixture
def mock() -> Iterator[Mock]:
    needed()
    with start_mock() as mock:
        yield mock


# One of each kind; `make soak` goes through the n-th calls one by one.
@pytest.mark.parametrize(
    ("call", "error", "when"),
    [
        ("fsync", "EIO", "1+"),
        ("fdatasync", "EIO", "1+"),
        ("pwrite64", "ENOSPC", "2+"),
        ("openat", "ENOSPC", "5+"),
    ],
)
def test_a_failing_disk_costs_no_confirmed_row(call: str, error: str, when: str, mock: Mock, tmp_path: Path) -> None:
    with stage(tmp_path / "g", mock) as where:
        assert fail_and_recover(where, mock, call=call, error=error, when=when) > 0
        assert is_whole(where)
