"""The words in which people write a key's terms, and what they mean: instants, dollars, tags."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from unigate.price import NANO

__all__ = ["day_ns", "dollars_of", "expiry_ns", "instant_of", "nano_of", "tags_fault"]

_LINE_SAFE = re.compile(r"[^\x00-\x1f\x7f]*")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_TAG = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LONGEST_TAG = 200
_MOST_TAGS = 32
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_NS = 86_400_000_000_000
_DAY_AFTER = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)


def expiry_ns(text: str) -> int | None:
    """The instant a key ends, from its last day (UTC) or an RFC 3339 instant; None if the text is neither."""
    try:
        if _DAY.fullmatch(text):
            end = datetime.combine(datetime.fromisoformat(text), time(), UTC) + _DAY_AFTER
        else:
            end = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    if end.tzinfo is None or not 1970 <= end.year < 2200:
        return None
    return (end - _EPOCH) // _MICROSECOND * 1000


def day_ns(text: str) -> int | None:
    """The first instant of a day in UTC; None if the text is none."""
    ends = expiry_ns(text) if _DAY.fullmatch(text) else None
    return ends - _DAY_NS if ends is not None else None


def instant_of(at_ns: int) -> str:
    """An instant as RFC 3339 in UTC, to the second."""
    return (_EPOCH + timedelta(microseconds=at_ns // 1000)).strftime("%Y-%m-%dT%H:%M:%SZ")


def nano_of(dollars: float | None) -> int | None:
    """Nano-dollars, exact for what a person writes: the shortest decimal that means this float."""
    return int(Decimal(repr(dollars)) * NANO) if dollars is not None else None


def dollars_of(nano: int | None) -> float | None:
    """Dollars as a number to look at; whoever adds up uses the nano-dollars."""
    return nano / NANO if nano is not None else None


def tags_fault(tags: Mapping[str, str]) -> str | None:
    """What keeps words from being a key's tags."""
    if len(tags) > _MOST_TAGS:
        return f"there are more than {_MOST_TAGS}"
    for name, value in tags.items():
        if not _TAG.fullmatch(name):
            return f"'{name[:60]}' may hold only letters, digits, '.', '_' and '-', 64 at most"
        if len(value) > _LONGEST_TAG or not _LINE_SAFE.fullmatch(value):
            return f"'{name}' has a control character, or more than {_LONGEST_TAG} characters"
    return None
