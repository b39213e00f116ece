"""Which period of a limit an instant belongs to: the UTC day, the UTC month, or all time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from unigate.tenancy import QuotaKind

__all__ = ["MONEY", "Span", "end_of", "span_of", "window_of"]

MONEY = (QuotaKind.USD_DAY, QuotaKind.USD_MONTH, QuotaKind.USD_TOTAL)

_SECOND = 1_000_000_000


class Span(msgspec.Struct, frozen=True):
    """A UTC day, within which no window changes: its first instant, the first after it, and the windows' names."""

    starts_ns: int
    ends_ns: int
    day: str
    month: str

    def window(self, kind: QuotaKind) -> str:
        """The name of a limit's window; a sliding minute and calls at once have none."""
        return {QuotaKind.USD_DAY: self.day, QuotaKind.USD_MONTH: self.month, QuotaKind.USD_TOTAL: "total"}.get(
            kind, ""
        )


def span_of(at_ns: int) -> Span:
    """The UTC day of an instant."""
    day = datetime.fromtimestamp(at_ns // _SECOND, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    after = day + timedelta(days=1)
    return Span(_ns(day), _ns(after), f"{day:%Y-%m-%d}", f"{day:%Y-%m}")


def window_of(kind: QuotaKind, at_ns: int) -> str:
    """The window of a limit at an instant."""
    return span_of(at_ns).window(kind)


def end_of(kind: QuotaKind, at_ns: int) -> int | None:
    """The instant at which the window of an instant ends; None if it never does."""
    span = span_of(at_ns)
    if kind is QuotaKind.USD_DAY:
        return span.ends_ns
    if kind is QuotaKind.USD_MONTH:
        day = datetime.fromtimestamp(span.starts_ns // _SECOND, UTC).replace(day=1)
        return _ns((day + timedelta(days=32)).replace(day=1))
    return None


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * _SECOND
