"""What several nouns of the administration have in common: limits, pages, and what may be written of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from unigate.admission.terms import day_ns, dollars_of, expiry_ns, nano_of
from unigate.errors import Refusal
from unigate.tenancy import Limits

__all__ = [
    "NAME",
    "After",
    "Asked",
    "Count",
    "Ended",
    "LimitsShape",
    "ModelName",
    "Page",
    "Search",
    "Written",
    "instant_from",
    "limits_from",
    "page_of",
    "shown_limits",
]

_MOST = 1_000_000_000
_UNSEEN = r"\x00-\x1F\x7F-\x9F\u202A-\u202E\u2066-\u2069"
NAME = rf"^[^\s{_UNSEEN}]([^{_UNSEEN}]*[^\s{_UNSEEN}])?$"
"""A name has no space at its ends and stands on one line; nothing in it is unseen or turns around what follows."""

T = TypeVar("T")
ModelName = Annotated[str, Field(min_length=1, max_length=500, pattern=rf"^[^{_UNSEEN}]+$")]
After = Annotated[str | None, Query(max_length=200, description="The `next` of the page before · 上一页的 `next`")]
Count = Annotated[int, Query(ge=1, le=1000, description="Lines of a page · 每页条数")]
Search = Annotated[
    str | None, Query(min_length=2, max_length=200, description="Part of a name or id · 名称或编号的一部分")
]


class Written(BaseModel):
    """What a client writes: nothing unknown, nothing of another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Asked(BaseModel):
    """What a client asks for in a query: nothing unknown."""

    model_config = ConfigDict(extra="forbid")


class LimitsShape(Written):
    """What may be used; null is not limited."""

    requests_per_minute: int | None = Field(default=None, ge=1, le=_MOST, examples=[600])
    tokens_per_minute: int | None = Field(default=None, ge=1, le=_MOST, examples=[200000])
    concurrency: int | None = Field(default=None, ge=1, le=_MOST, examples=[50])
    budget_usd_per_day: float | None = Field(default=None, ge=0, le=_MOST, examples=[20])
    budget_usd_per_month: float | None = Field(default=None, ge=0, le=_MOST, examples=[500])
    budget_usd_total: float | None = Field(default=None, ge=0, le=_MOST, examples=[None])


def limits_from(shape: LimitsShape) -> Limits:
    """Limits in the units they are enforced in."""
    return Limits(
        usd_day=nano_of(shape.budget_usd_per_day),
        usd_month=nano_of(shape.budget_usd_per_month),
        usd_total=nano_of(shape.budget_usd_total),
        requests=shape.requests_per_minute,
        tokens=shape.tokens_per_minute,
        slots=shape.concurrency,
    )


def shown_limits(limits: Limits) -> LimitsShape:
    """Limits in the units people write them in."""
    return LimitsShape(
        requests_per_minute=limits.requests,
        tokens_per_minute=limits.tokens,
        concurrency=limits.slots,
        budget_usd_per_day=dollars_of(limits.usd_day),
        budget_usd_per_month=dollars_of(limits.usd_month),
        budget_usd_total=dollars_of(limits.usd_total),
    )


class Page(BaseModel, Generic[T]):
    """Part of a list; `next` is the `after` of the page that follows, null on the last one."""

    object: str = "list"
    data: list[T]
    next: str | None = None


class Ended(BaseModel):
    """Something that was ended."""

    id: str
    object: str
    deleted: bool = True


def instant_from(text: str | None, param: str) -> int | None:
    """An instant that a query names: the beginning of a day (UTC), or RFC 3339. Raises Refusal (400)."""
    if text is None:
        return None
    day = day_ns(text)
    instant = day if day is not None else expiry_ns(text)
    if instant is None:
        reason = "Expected a day, such as 2026-11-23, or an instant, such as 2026-11-23T18:00:00Z."
        raise Refusal(400, "invalid_value", reason, param=param)
    return instant


def page_of(
    lines: Sequence[T], id_of: Callable[[T], str], after: str | None, count: int
) -> tuple[Sequence[T], str | None]:
    """The lines behind `after`, and what the next page begins behind. Raises Refusal for one that is not there."""
    start = 0
    if after is not None:
        start = next((place for place, line in enumerate(lines, 1) if id_of(line) == after), 0)
        if not start:
            reason = "The list has no such place any more; begin again without 'after'."
            raise Refusal(400, "invalid_value", reason, param="after")
    part = lines[start : start + count]
    return part, id_of(part[-1]) if start + count < len(lines) else None
