"""A commit whose answer comes too late is done all the same: nothing stays lent for it, and nothing is lent twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import pytest

from harness import Mock, start_mock, until
from ledger.load import Ask, Told, asks, load
from ledger.money import limited, spent, until_no_drift, until_quiet
from ledger.servers import Database
from ledger.stage import PRICES, Stage, stage

KEY = "sk-ug-budget-1b9XcQ7mVtR2"
OTHER_KEY = "sk-ug-other-1b9XcQ7mVtR2"
SCOPE = "key_file:spender"
# 60 calls of four tokens in and ten out.
LIMIT = 60 * 34_000
LARGEST_HOLD = 400_000
# More than a keeper waits for an answer of its server.
LATE_S = 1.5
DAWDLE = (
    "CREATE OR REPLACE FUNCTION unigate.dawdle() RETURNS trigger LANGUAGE plpgsql "
    f"AS 'BEGIN PERFORM pg_sleep({LATE_S}); RETURN NULL; END'",
    "CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT OR UPDATE ON unigate.leases "
    "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION unigate.dawdle()",
)


@pytest.fixture
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


@contextmanager
def late_commits(database: Database) -> Iterator[None]:
    """Whatever changes a lease is kept, and the keeper hears of it too late."""
    for statement in DAWDLE:
        database.run(statement)
    try:
        yield
    finally:
        database.run("DROP TRIGGER dawdle ON unigate.leases")


def call(where: Stage, seed: str, many: int = 1, key: str = KEY) -> list[Told]:
    fresh: list[Ask] = asks(seed, many, script="tokens=10,latency=20", key=key, max_tokens=10)
    return asyncio.run(load(where.port, fresh, concurrency=many))


def test_what_was_lent_by_a_commit_that_was_given_up_is_there_for_all(
    mock: Mock, database: Database, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        limits = f"budget_usd_total: {LIMIT / 1e9:.9f}"
        more = limited("spender", KEY, limits) + limited("other", OTHER_KEY, limits) + PRICES
        both = [stack.enter_context(stage(tmp_path / name, mock, database, more=more)) for name in ("a", "b")]
        turns = count()

        def codes(key: str) -> set[str]:
            return {told.code for where in both for told in call(where, f"{next(turns)}", key=key)}

        until(lambda: codes(OTHER_KEY) == {""}, "the first calls")
        with late_commits(database):
            late = [told.code for told in call(both[0], "late", 6)]
        assert set(late) == {"budget_unavailable"}, "the first slices were not late"

        until(lambda: codes(KEY) == {"insufficient_quota"}, "the end of the budget")
        until_no_drift(both[0], mock)
        assert LIMIT - LARGEST_HOLD < spent(both[0], SCOPE) <= LIMIT
        until_quiet(both[0])
