"""A record as the database keeps it: the call's row, its failed attempts, and what it adds to each counter."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache

from unigate.accounting.record import LONGEST_NAME, SHORT_NAME, Record
from unigate.storage.database import Value
from unigate.tenancy import QuotaKind

__all__ = [
    "ADD_ATTEMPT",
    "ADD_DAY",
    "ADD_HOUR",
    "ADD_SPEND",
    "CALL_COLUMNS",
    "SHRINK_LEASE",
    "Sums",
    "attempt_rows",
    "call_row",
    "model_name",
    "sums_of",
]

CALL_COLUMNS = (
    'id, at_ns, ended_ns, operation, status, "end", key, name, project, organisation, model, provider, target, '
    "streamed, demo, total_us, first_byte_us, overhead_us, input_tokens, output_tokens, cached_tokens, "
    "reasoning_tokens, cache_write_tokens, audio_input_tokens, audio_output_tokens, estimated, cost_nano, price, "
    "held_nano, flags, error, peer, client_request_id, upstream_request_id, dropped, gateway, life"
)
ADD_ATTEMPT = (
    'INSERT INTO failed_attempts (call, number, provider, target, "end", us) VALUES (?, ?, ?, ?, ?, ?) '
    "ON CONFLICT (call, number) DO NOTHING"
)
ADD_SPEND = (
    'INSERT INTO spend (scope, "window", nano, calls, tokens) VALUES (?, ?, ?, ?, ?) '
    'ON CONFLICT (scope, "window") DO UPDATE SET nano = spend.nano + excluded.nano, '
    "calls = spend.calls + excluded.calls, tokens = spend.tokens + excluded.tokens"
)
ADD_HOUR = (
    "INSERT INTO usage_hours (hour_ns, key, project, organisation, model, provider, status, calls, unpriced, nano, "
    "input_tokens, output_tokens, cached_tokens, total_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (hour_ns, key, project, organisation, model, provider, status) DO UPDATE SET "
    "calls = usage_hours.calls + excluded.calls, unpriced = usage_hours.unpriced + excluded.unpriced, "
    "nano = usage_hours.nano + excluded.nano, input_tokens = usage_hours.input_tokens + excluded.input_tokens, "
    "output_tokens = usage_hours.output_tokens + excluded.output_tokens, "
    "cached_tokens = usage_hours.cached_tokens + excluded.cached_tokens, "
    "total_us = usage_hours.total_us + excluded.total_us"
)
ADD_DAY = (
    "INSERT INTO usage_days (day_ns, key, project, organisation, model, provider, status, calls, unpriced, nano, "
    "input_tokens, output_tokens, cached_tokens, total_us) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (day_ns, key, project, organisation, model, provider, status) DO UPDATE SET "
    "calls = usage_days.calls + excluded.calls, unpriced = usage_days.unpriced + excluded.unpriced, "
    "nano = usage_days.nano + excluded.nano, input_tokens = usage_days.input_tokens + excluded.input_tokens, "
    "output_tokens = usage_days.output_tokens + excluded.output_tokens, "
    "cached_tokens = usage_days.cached_tokens + excluded.cached_tokens, "
    "total_us = usage_days.total_us + excluded.total_us"
)
SHRINK_LEASE = 'UPDATE leases SET amount = amount - ? WHERE life = ? AND scope = ? AND kind = ? AND "window" = ?'

_HOUR_NS = 3_600_000_000_000
_DAY_NS = 24 * _HOUR_NS
# The hour, key, project, organisation, model, provider and status that a call is counted under.
_Hour = tuple[int, str, str, str, str, str, int]
# Beyond these a number is no count but a defect, and a sum of them must not stop the rows behind it.
_MOST_TOKENS = 10**12
_MOST_NANO = 10**16


def call_row(record: Record, gateway: str, life: str) -> tuple[Value, ...]:
    """The values of CALL_COLUMNS."""
    usage = record.usage
    return (
        record.id,
        record.at_ns,
        record.at_ns + record.total_us * 1000,
        record.operation,
        record.status,
        record.end,
        _text(record.key),
        _text(record.name),
        _text(record.project),
        _text(record.organisation),
        model_name(record.model),
        _text(record.provider),
        _text(record.target),
        int(record.streamed),
        int(record.demo),
        record.total_us,
        record.first_byte_us,
        record.overhead_us,
        _tokens(usage.input_tokens),
        _tokens(usage.output_tokens),
        _tokens(usage.cached_tokens),
        _tokens(usage.reasoning_tokens),
        _tokens(usage.cache_write_tokens),
        _tokens(usage.audio_input_tokens),
        _tokens(usage.audio_output_tokens),
        int(usage.estimated),
        _nano(record.cost),
        _text(record.price),
        _nano(record.held),
        " ".join(record.flags),
        _text(record.error),
        _text(record.peer),
        _text(record.client_request_id),
        _text(record.upstream_request_id),
        "\n".join(record.dropped).replace("\0", "\ufffd"),
        gateway,
        life,
    )


def attempt_rows(record: Record) -> Iterator[tuple[Value, ...]]:
    """The values of ADD_ATTEMPT, for each attempt that failed."""
    for number, one in enumerate(record.attempts, 1):
        yield record.id, number, one.provider, _text(one.target), one.end, one.us


class Sums:
    """What many records add to the counters, each counter once; in one order everywhere, so that no two deadlock."""

    def __init__(self) -> None:
        self._hours: dict[_Hour, list[int]] = {}
        self._leased: Counter[tuple[str, str, str, str]] = Counter()

    def add(self, record: Record, life: str) -> None:
        """One call more."""
        usage = record.usage
        cost = _nano(record.cost) or 0
        place = _hour(record)
        sums = self._hours.get(place)
        if sums is None:
            sums = self._hours[place] = [0] * 7
        sums[0] += 1
        sums[1] += record.cost is None and record.provider is not None
        sums[2] += cost
        sums[3] += _tokens(usage.input_tokens) or 0
        sums[4] += _tokens(usage.output_tokens) or 0
        sums[5] += _tokens(usage.cached_tokens) or 0
        sums[6] += record.total_us
        if cost and record.budgets:
            windows = _windows(place[0])
            for scope, kind in record.budgets:
                self._leased[life, scope, kind, windows[kind]] += cost

    def spend(self) -> Sequence[tuple[Value, ...]]:
        """The values of ADD_SPEND."""
        spent: dict[tuple[str, str], list[int]] = {}
        for place, (calls, _, nano, come, gone, _, _) in self._hours.items():
            windows = _windows(place[0]).values()
            for scope in filter(None, place[1:4]):
                for window in windows:
                    sums = spent.setdefault((scope, window), [0, 0, 0])
                    sums[0] += nano
                    sums[1] += calls
                    sums[2] += come + gone
        return [(*place, *sums) for place, sums in sorted(spent.items())]

    def leased(self) -> Sequence[tuple[Value, ...]]:
        """The values of SHRINK_LEASE."""
        return [(nano, *place) for place, nano in sorted(self._leased.items())]

    def hours(self) -> Sequence[tuple[Value, ...]]:
        """The values of ADD_HOUR."""
        return [(*place, *sums) for place, sums in sorted(self._hours.items())]

    def days(self) -> Sequence[tuple[Value, ...]]:
        """The values of ADD_DAY."""
        days: dict[_Hour, list[int]] = {}
        for place, sums in self._hours.items():
            day = days.setdefault((place[0] // _DAY_NS * _DAY_NS, *place[1:]), [0] * 7)
            for index, value in enumerate(sums):
                day[index] += value
        return [(*place, *sums) for place, sums in sorted(days.items())]


def sums_of(records: Iterable[tuple[Record, str]]) -> Sums:
    """The sums of records, each with the life it belongs to."""
    sums = Sums()
    for record, life in records:
        sums.add(record, life)
    return sums


def _hour(record: Record) -> _Hour:
    """Where a call is counted; a name that led nowhere is the client's own invention, and not a model."""
    return (
        record.at_ns // _HOUR_NS * _HOUR_NS,
        _text(record.key) or "",
        _text(record.project) or "",
        _text(record.organisation) or "",
        (model_name(record.model) or "") if record.provider is not None else "",
        _text(record.provider) or "",
        record.status,
    )


@lru_cache(maxsize=64)
def _windows(hour_ns: int) -> dict[str, str]:
    """By kind of limit, the window of money that an hour belongs to."""
    day = datetime.fromtimestamp(hour_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d")
    return {QuotaKind.USD_DAY.value: day, QuotaKind.USD_MONTH.value: day[:7], QuotaKind.USD_TOTAL.value: "total"}


def model_name(name: str | None) -> str | None:
    """A model's name that fits into every index; one that was cut stays apart from others that begin alike."""
    name = _text(name)
    if name is None or len(name) <= SHORT_NAME or len(content := name.encode()) <= LONGEST_NAME:
        return name
    ending = "…" + hashlib.sha256(content).hexdigest()[:16]
    return content[: LONGEST_NAME - len(ending.encode())].decode("utf-8", "ignore") + ending


def _text(text: str | None) -> str | None:
    """A text that both databases can keep: PostgreSQL's have no NUL."""
    return text if text is None or "\0" not in text else text.replace("\0", "\ufffd")


def _tokens(count: int | None) -> int | None:
    return count if count is None or 0 <= count <= _MOST_TOKENS else min(max(count, 0), _MOST_TOKENS)


def _nano(amount: int | None) -> int | None:
    return amount if amount is None or 0 <= amount <= _MOST_NANO else min(max(amount, 0), _MOST_NANO)
