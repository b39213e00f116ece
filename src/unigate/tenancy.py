"""Who shares what: organisations, their projects, the projects' keys, and the limits of each as plain facts."""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = ["CAPTURES", "Capture", "Limits", "Quota", "QuotaKind", "Scope", "Standing", "quotas_of"]


class QuotaKind(StrEnum):
    """What can be limited: money each UTC day, each month or ever; a minute's requests or tokens; calls at once."""

    USD_DAY = "usd_day"
    USD_MONTH = "usd_month"
    USD_TOTAL = "usd_total"
    REQUESTS = "requests"
    TOKENS = "tokens"
    SLOTS = "slots"


class Capture(StrEnum):
    """How much of a call is kept: what accounting needs, its facts, its bodies with secrets blackened, or all of it."""

    NONE = "none"
    METADATA = "metadata"
    REDACTED = "redacted"
    FULL = "full"


CAPTURES = tuple(Capture)


class Limits(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """The limits of one scope; None is no limit. Money is in nano-dollars."""

    usd_day: int | None = None
    usd_month: int | None = None
    usd_total: int | None = None
    requests: int | None = None
    tokens: int | None = None
    slots: int | None = None

    def each(self) -> tuple[tuple[QuotaKind, int | None], ...]:
        """The limit of each kind."""
        return (
            (QuotaKind.USD_DAY, self.usd_day),
            (QuotaKind.USD_MONTH, self.usd_month),
            (QuotaKind.USD_TOTAL, self.usd_total),
            (QuotaKind.REQUESTS, self.requests),
            (QuotaKind.TOKENS, self.tokens),
            (QuotaKind.SLOTS, self.slots),
        )


_UNLIMITED = Limits()


class Scope(msgspec.Struct, frozen=True):
    """What has limits: a key, its project or its organisation. `sort` is the word people read."""

    id: str
    name: str
    sort: str
    limits: Limits = Limits()


class Quota(msgspec.Struct, frozen=True, gc=False):
    """One limit of one scope, as a call is judged by it."""

    scope: str
    kind: QuotaKind
    limit: int
    # For the sentence a refused client reads: `project 'web'`.
    shown: str


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What a key's calls are judged and kept by, besides its own name: where it belongs, all limits, what is kept."""

    project: str | None = None
    organisation: str | None = None
    quotas: tuple[Quota, ...] = ()
    capture: Capture = Capture.METADATA


def quotas_of(scopes: tuple[Scope, ...]) -> tuple[Quota, ...]:
    """All limits that a call of these scopes is judged by."""
    found: list[Quota] = []
    for scope in scopes:
        if scope.limits != _UNLIMITED:
            shown = f"{scope.sort} '{scope.name}'"
            found += [Quota(scope.id, kind, limit, shown) for kind, limit in scope.limits.each() if limit is not None]
    return tuple(found)
