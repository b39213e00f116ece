"""Compares journal, rows and counters: three books that must say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from unigate.accounting.record import Record, decode_entry
from unigate.journal import read_frames, segments_of
from unigate.storage.database import Database, Row, Rows
from unigate.storage.ledger import Place
from unigate.storage.retention import removed_until

__all__ = ["Difference", "Findings", "check_books"]

_SPEND = 'SELECT scope, "window", nano, calls, tokens FROM spend'
_BY_SCOPE = (
    "SELECT key, day_ns, CAST(SUM(nano) AS BIGINT), CAST(SUM(calls) AS BIGINT), "
    "CAST(SUM(input_tokens + output_tokens) AS BIGINT) FROM usage_days WHERE key <> '' GROUP BY 1, 2",
    "SELECT project, day_ns, CAST(SUM(nano) AS BIGINT), CAST(SUM(calls) AS BIGINT), "
    "CAST(SUM(input_tokens + output_tokens) AS BIGINT) FROM usage_days WHERE project <> '' GROUP BY 1, 2",
    "SELECT organisation, day_ns, CAST(SUM(nano) AS BIGINT), CAST(SUM(calls) AS BIGINT), "
    "CAST(SUM(input_tokens + output_tokens) AS BIGINT) FROM usage_days WHERE organisation <> '' GROUP BY 1, 2",
)
_OLDEST = "SELECT MIN(at_ns) FROM calls"
_ROWS_BY_HOUR = (
    "SELECT at_ns / 3600000000000, CAST(SUM(COALESCE(cost_nano, 0)) AS BIGINT), COUNT(*), "
    "CAST(SUM(COALESCE(input_tokens, 0) + COALESCE(output_tokens, 0)) AS BIGINT) "
    "FROM calls WHERE at_ns >= ? GROUP BY 1"
)
_SUMS_BY_HOUR = (
    "SELECT hour_ns / 3600000000000, CAST(SUM(nano) AS BIGINT), CAST(SUM(calls) AS BIGINT), "
    "CAST(SUM(input_tokens + output_tokens) AS BIGINT) FROM usage_hours WHERE hour_ns >= ? GROUP BY 1"
)
_PLACES = "SELECT folder, segment, reached FROM journal_offsets WHERE gateway = ?"
_HAS_CALL = "SELECT 1 FROM calls WHERE id = ?"
_HOUR_NS = 3_600_000_000_000
_PATIENT = 600.0


class Difference(msgspec.Struct, frozen=True):
    """Two books that disagree: about what, and what each has, as nano-dollars, calls and tokens."""

    about: str
    here: tuple[int, int, int]
    there: tuple[int, int, int]


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found; only `waiting` may be anything but empty while all is well."""

    calls: int
    nano: int
    # Counters beside the hours' sums, and hours' sums beside the rows that are still kept.
    counters: tuple[Difference, ...]
    hours: tuple[Difference, ...]
    # Calls that the journal has in a part already carried, and the rows have not.
    missing: tuple[str, ...]
    # Records in the journal that were not carried yet.
    waiting: int

    @property
    def is_clean(self) -> bool:
        """Whether the books say the same."""
        return not (self.counters or self.hours or self.missing)


def check_books(database: Database, gateway: str, journals: Path) -> Findings:
    """Compares everything in one view of the database. Raises StorageError, OSError."""
    with database.reading(_PATIENT) as run:
        missing, waiting = _read_journals(run, gateway, journals)
        hours = _sums(run(_SUMS_BY_HOUR, (0,)))
        return Findings(
            calls=sum(calls for _, calls, _ in hours.values()),
            nano=sum(nano for nano, _, _ in hours.values()),
            counters=tuple(_counters(run)),
            hours=tuple(_hours(run)),
            missing=tuple(missing),
            waiting=waiting,
        )


def _counters(run: Rows) -> Iterator[Difference]:
    kept = {(str(scope), str(window)): _three(sums) for scope, window, *sums in run(_SPEND)}
    made: Counter[tuple[str, str, int]] = Counter()
    for statement in _BY_SCOPE:
        for scope, day, *sums in run(statement):
            date = datetime.fromtimestamp(int(str(day)) // 1_000_000_000, UTC).strftime("%Y-%m-%d")
            for window in (date, date[:7], "total"):
                for index, value in enumerate(_three(sums)):
                    made[str(scope), window, index] += value
    for scope, window in sorted(kept.keys() | {(scope, window) for scope, window, _ in made}):
        counted = (made[scope, window, 0], made[scope, window, 1], made[scope, window, 2])
        if kept.get((scope, window), (0, 0, 0)) != counted:
            yield Difference(f"{scope} {window}", kept.get((scope, window), (0, 0, 0)), counted)


def _hours(run: Rows) -> Iterator[Difference]:
    oldest = run(_OLDEST)[0][0]
    if oldest is None:
        return
    # The oldest hour may be half removed; calls that came late may be older than those that were removed.
    start = (max(int(str(oldest)), removed_until(run)) // _HOUR_NS + 1) * _HOUR_NS
    sums, rows = _sums(run(_SUMS_BY_HOUR, (start,))), _sums(run(_ROWS_BY_HOUR, (start,)))
    for hour in sorted(sums.keys() | rows.keys()):
        if sums.get(hour) != rows.get(hour):
            when = datetime.fromtimestamp(hour * 3600, UTC).strftime("%Y-%m-%d %H:00Z")
            yield Difference(when, sums.get(hour, (0, 0, 0)), rows.get(hour, (0, 0, 0)))


def _read_journals(run: Rows, gateway: str, journals: Path) -> tuple[list[str], int]:
    """Ids that were carried and have no row, and how many records wait to be carried."""
    places = {place.folder: place for place in msgspec.convert(run(_PLACES, (gateway,)), list[Place])}
    missing: list[str] = []
    waiting, removed_ns = 0, removed_until(run)
    for folder in sorted(journals.iterdir()) if journals.is_dir() else []:
        place = places.get(folder.name) or Place(folder.name, "", 0)
        for segment in segments_of(folder):
            for entry, end in _records(segment):
                if segment.name > place.segment or (segment.name == place.segment and end > place.offset):
                    waiting += 1
                elif entry.at_ns > removed_ns and not run(_HAS_CALL, (entry.id,)):
                    missing.append(entry.id)
    return missing, waiting


def _records(segment: Path) -> Iterator[tuple[Record, int]]:
    """Each record of a segment, and the offset behind it."""
    offset, is_more = 0, True
    while is_more:
        is_more = False
        for payload, end in read_frames(segment, offset, 1024 * 1024):
            offset, is_more = end, True
            try:
                entry = decode_entry(payload)
            except msgspec.DecodeError:
                continue
            if isinstance(entry, Record):
                yield entry, end


def _sums(rows: Sequence[Row]) -> dict[int, tuple[int, int, int]]:
    return {int(str(hour)): _three(sums) for hour, *sums in rows}


def _three(values: Sequence[object]) -> tuple[int, int, int]:
    nano, calls, tokens = (int(str(value)) for value in values)
    return nano, calls, tokens
