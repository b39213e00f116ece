"""A call belongs to the day and the month in which it began, to the nanosecond, whatever the clocks say later."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from unigate.accounting.record import Record
from unigate.storage.ledger import Batch, Ledger
from unigate.storage.opening import open_database

SECOND = 1_000_000_000
EDGES = ("2026-12-01", "2027-01-01", "2028-03-01", "2026-03-29", "2026-11-23")


@pytest.mark.parametrize("day", EDGES)
def test_the_windows_of_a_call_are_those_of_its_start(day: str, tmp_path: Path) -> None:
    midnight = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) * SECOND
    before = [call("a", midnight - 1), call("b", midnight - 30 * SECOND)]
    after = [call("c", midnight), call("d", midnight + 1)]
    database = open_database(None, tmp_path)
    try:
        Ledger(database, "gw-1").keep(Batch(records=[(one, "door-0-aa") for one in (*before, *after)]))
        with database.reading() as run:
            rows = run("SELECT \"window\", nano FROM spend WHERE scope = 'key_1'")
    finally:
        database.close()
    eve = datetime.fromtimestamp(midnight / SECOND - 1, UTC)
    expected: dict[str, int] = {"total": 28, day: 14, f"{eve:%Y-%m-%d}": 14}
    for month in (f"{eve:%Y-%m}", day[:7]):
        expected[month] = expected.get(month, 0) + 14
    assert {str(window): nano for window, nano in rows} == expected


def call(name: str, at_ns: int) -> Record:
    """A call of a minute."""
    return Record(f"req_{name}", at_ns, "openai.chat", 200, "ok", 60_000_000, key="key_1", cost=7)
