"""What was used: the sums of hours and days, grouped by whatever is asked for, and what each scope has spent."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from unigate.storage.database import Database, Value

__all__ = ["DIMENSIONS", "Spent", "UsageFilter", "UsageSum", "spent_by", "usage_sums"]

_DAY_NS = 86_400_000_000_000
# What usage can be grouped by. `day` and `hour` are their first nanosecond, in UTC.
DIMENSIONS = {
    "day": "hour_ns / 86400000000000 * 86400000000000",
    "hour": "hour_ns",
    "key": "key",
    "project": "project",
    "organisation": "organisation",
    "model": "model",
    "provider": "provider",
    "status": "status",
}
"""The words usage can be grouped by."""

_CONDITIONS = {
    "key": "key = ?",
    "project": "project = ?",
    "organisation": "organisation = ?",
    "model": "model = ?",
    "provider": "provider = ?",
    "status": "status = ?",
    "since_ns": "hour_ns >= ?",
    "until_ns": "hour_ns < ?",
}
_SUMS = (
    "CAST(SUM(calls) AS BIGINT), CAST(SUM(unpriced) AS BIGINT), CAST(SUM(nano) AS BIGINT), "
    "CAST(SUM(input_tokens) AS BIGINT), CAST(SUM(output_tokens) AS BIGINT), CAST(SUM(cached_tokens) AS BIGINT), "
    "CAST(SUM(total_us) AS BIGINT)"
)
_SPENT = 'SELECT "window", nano, calls, tokens FROM spend WHERE scope = ? ORDER BY "window" DESC LIMIT ?'


class UsageFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Whose usage is wanted, and of which hours."""

    key: str | None = None
    project: str | None = None
    organisation: str | None = None
    model: str | None = None
    provider: str | None = None
    status: int | None = None
    since_ns: int | None = None
    until_ns: int | None = None


class UsageSum(msgspec.Struct, frozen=True, array_like=True):
    """What was used in one group; `place` has a value for each dimension, in the order they were asked for."""

    place: tuple[str | int, ...]
    calls: int
    # Calls of which nobody knows what they cost.
    unpriced: int
    nano: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    total_us: int


class Spent(msgspec.Struct, frozen=True, array_like=True):
    """What a scope has spent in one window: a day, a month, or `total`."""

    window: str
    nano: int
    calls: int
    tokens: int


def usage_sums(
    database: Database, by: Sequence[str], wanted: UsageFilter, *, limit: int = 10_000
) -> tuple[UsageSum, ...]:
    """The sums of each group, in the groups' order, at most so many. Raises KeyError for what is no dimension."""
    bounds = (wanted.since_ns or 0, wanted.until_ns or 0)
    is_whole_days = "hour" not in by and not any(bound % _DAY_NS for bound in bounds)
    given: dict[str, Value] = {
        name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not None
    }
    with database.reading() as run:
        rows = run(_statement(tuple(by), tuple(given), days=is_whole_days), (*given.values(), limit))
    width = len(by)
    return tuple(msgspec.convert((row[:width], *row[width:]), UsageSum) for row in rows)


def spent_by(database: Database, scope: str, *, limit: int = 400) -> tuple[Spent, ...]:
    """What a key, project or organisation has spent: ever, and in its latest windows. Raises StorageError."""
    with database.reading() as run:
        return msgspec.convert(run(_SPENT, (scope, limit)), tuple[Spent, ...])


@lru_cache(maxsize=512)
def _statement(by: tuple[str, ...], names: tuple[str, ...], *, days: bool) -> str:
    """The statement for these groups and conditions: one of a finite set, whatever the values are."""
    groups = ", ".join([DIMENSIONS[name] for name in by])
    where = " AND ".join([_CONDITIONS[name] for name in names]) or "1 = 1"
    columns = f"{groups}, {_SUMS}" if by else _SUMS
    numbers = ", ".join([str(number) for number in range(1, len(by) + 1)])
    grouped = f" GROUP BY {numbers} ORDER BY {numbers}" if by else " HAVING COUNT(*) > 0"
    statement = f"SELECT {columns} FROM usage_hours WHERE {where}{grouped} LIMIT ?"
    return statement.replace("usage_hours", "usage_days").replace("hour_ns", "day_ns") if days else statement
