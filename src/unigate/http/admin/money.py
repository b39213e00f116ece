"""What was used and what is left, under /admin/v1/usage, /budgets and /prices."""

from __future__ import annotations

import time
from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, Field

from unigate.accounting.prices import Listed, listed
from unigate.admission.admins import Admin, Right
from unigate.admission.terms import dollars_of, instant_of
from unigate.admission.windows import MONEY, end_of, window_of
from unigate.http.admin.access import By, Routes
from unigate.http.admin.shapes import After, Asked, Count, Page, Search, instant_from, page_of
from unigate.snapshot import Settings
from unigate.storage.registry import Registry
from unigate.storage.spending import Standing, standings
from unigate.storage.usage_sums import UsageFilter, UsageSum, usage_sums
from unigate.tenancy import Quota, QuotaKind, Scope, quotas_of

__all__ = ["MoneyApi"]

_USUAL_DAYS = 7
_DAY_NS = 86_400_000_000_000
_MOST_DIMENSIONS = 3

_Dimension = Literal["day", "hour", "key", "project", "organisation", "model", "provider", "status"]
_Id = Annotated[str | None, Query(max_length=300, description="Only this one · 只看这一个")]
_Name = Annotated[str | None, Query(max_length=1000, description="Only this one · 只看这一个")]


class UsageShown(BaseModel):
    """What one group used."""

    object: Literal["usage"] = "usage"
    group: dict[str, str | int] = Field(description="A value for each dimension.", examples=[{"model": "gpt-4o-mini"}])
    calls: int = Field(examples=[1200])
    unpriced: int = Field(description="Calls of which nobody knows the cost.", examples=[0])
    cost_usd: float = Field(examples=[1.25])
    cost_nano: int = Field(description="The same, exactly, in nano-dollars.", examples=[1250000000])
    input_tokens: int = Field(examples=[900000])
    output_tokens: int = Field(examples=[120000])
    cached_tokens: int = Field(examples=[0])
    seconds: float = Field(description="How long the calls took, added up.", examples=[812.5])


class UsageQuery(Asked):
    """Whose usage, of when, in which groups."""

    group_by: list[_Dimension] = Field(default=["day"], max_length=_MOST_DIMENSIONS)
    since: str | None = Field(default=None, max_length=60, description="A day (UTC) or RFC 3339 · 日期或时刻")
    until: str | None = Field(default=None, max_length=60, description="A day (UTC) or RFC 3339 · 日期或时刻")
    key_id: str | None = Field(default=None, max_length=300, description="`key` would be a credential.")
    project: str | None = Field(default=None, max_length=300)
    organisation: str | None = Field(default=None, max_length=300)
    model: str | None = Field(default=None, max_length=1000)
    provider: str | None = Field(default=None, max_length=100)
    limit: int = Field(default=1000, ge=1, le=10_000)


class Budget(BaseModel):
    """How one money limit stands in its present window."""

    object: Literal["budget"] = "budget"
    scope: str = Field(description="The id of a key, project or organisation.", examples=["proj_5d1f00aa93c2"])
    name: str = Field(examples=["web"])
    sort: Literal["key", "project", "organisation"]
    limit: Literal["budget_usd_per_day", "budget_usd_per_month", "budget_usd_total"]
    window: str = Field(description="A day, a month, or `total`.", examples=["2026-11-23"])
    ends: str | None = Field(description="When the window ends; null for never.", examples=["2026-11-24T00:00:00Z"])
    limit_usd: float = Field(examples=[20])
    spent_usd: float = Field(examples=[3.5])
    held_usd: float = Field(description="Held for running calls, and lent to doors for the next ones.", examples=[0.5])
    left_usd: float = Field(examples=[16])
    limit_nano: int
    spent_nano: int
    held_nano: int


class TierShown(BaseModel):
    """What a model costs in another tier of service; rates are US dollars for a million tokens."""

    rates: dict[str, float] = Field(examples=[{"input": 0.25, "output": 1.0}])
    long_from: int | None = Field(description="From so many input tokens on, the long rates count.", examples=[None])
    long: dict[str, float] | None = Field(examples=[None])


class PriceShown(BaseModel):
    """What a model costs at a provider today; rates are US dollars for a million tokens."""

    object: Literal["price"] = "price"
    provider: str = Field(examples=["openai"])
    model: str = Field(examples=["gpt-4o-mini"])
    rates: dict[str, float] = Field(examples=[{"input": 0.15, "output": 0.6}])
    long_from: int | None = Field(description="From so many input tokens on, the long rates count.", examples=[None])
    long: dict[str, float] | None = Field(examples=[None])
    tiers: dict[str, TierShown] = Field(description="By the tier's name: `flex`, `priority`, …", examples=[{}])
    per_call: float = Field(description="US dollars for each call.", examples=[0])
    context: int | None = Field(examples=[128000])
    max_output: int | None = Field(examples=[16384])
    version: str = Field(description="Which table said so.", examples=["2026-11-20"])
    since: str | None = Field(description="Its first day.", examples=[None])


_LIMITS: dict[QuotaKind, str] = {
    QuotaKind.USD_DAY: "budget_usd_per_day",
    QuotaKind.USD_MONTH: "budget_usd_per_month",
    QuotaKind.USD_TOTAL: "budget_usd_total",
}


class MoneyApi:
    """The routes of usage, budgets and prices."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._registry = registry
        self._settings = settings

    def add_to(self, routes: Routes) -> None:
        """Adds the routes."""
        add = routes.add
        add("GET", "/usage", self.list_usage, Right.READ, "What was used · 用量统计")
        add("GET", "/budgets", self.list_budgets, Right.READ, "What is left · 预算余额")
        add("GET", "/prices", self.list_prices, Right.READ, "List prices · 列出价格")

    def list_usage(self, by: By, asked: Annotated[UsageQuery, Query()]) -> Page[UsageShown]:
        """Calls, tokens and dollars of each group, whole hours (UTC) counted; the last 7 days if nothing is said.

        按任意维度和时间段统计调用数、token 和美元（按整小时，UTC）；默认最近 7 天。
        """
        since = instant_from(asked.since, "since")
        if since is None:
            since = (time.time_ns() - _USUAL_DAYS * _DAY_NS) // _DAY_NS * _DAY_NS
        wanted = UsageFilter(
            key=asked.key_id,
            project=asked.project,
            organisation=asked.organisation,
            model=asked.model,
            provider=asked.provider,
            since_ns=since,
            until_ns=instant_from(asked.until, "until"),
        )
        confined = self._registry.confined(by, wanted)
        sums = usage_sums(self._registry.desk.database, asked.group_by, confined, limit=asked.limit) if confined else ()
        return Page[UsageShown](data=[_usage(one, asked.group_by) for one in sums])

    def list_budgets(
        self, by: By, after: After = None, limit: Count = 100, search: Search = None, scope: _Id = None
    ) -> Page[Budget]:
        """Every money limit in its present window: its size, what is spent, held and left.

        列出各项金额限额在当前周期的额度、已花费、占用和剩余。
        """
        part = search.casefold() if search is not None else ""
        found = [
            (owner, quota)
            for owner in self._scopes(by)
            if (scope is None or owner.id == scope) and (not part or part in owner.name.casefold() or part in owner.id)
            for quota in quotas_of((owner,))
            if quota.kind in MONEY
        ]
        page, following = page_of(found, lambda one: f"{one[1].scope}:{one[1].kind}", after, limit)
        now = time.time_ns()
        places = [(quota.scope, quota.kind.value, window_of(quota.kind, now)) for _, quota in page]
        told = standings(self._registry.desk.database, places)
        lines = [_budget(owner, quota, one, now) for (owner, quota), one in zip(page, told, strict=True)]
        return Page[Budget](data=lines, next=following)

    def _scopes(self, by: Admin) -> list[Scope]:
        registry, projects = self._registry, self._registry.projects()
        seen = [one.entry for one in registry.organisation_lines() if by.sees_organisation(one.entry)]
        scopes = [Scope(one.id, one.name, "organisation", one.limits) for one in seen]
        scopes += [Scope(one.id, one.name, "project", one.limits) for one in projects.values() if by.sees_project(one)]
        keys = [one.entry for one in registry.key_lines() if by.sees_key(one.entry, projects)]
        return scopes + [Scope(one.id, one.name, "key", one.limits) for one in keys]

    def list_prices(
        self, by: By, after: After = None, limit: Count = 100, search: Search = None, provider: _Name = None
    ) -> Page[PriceShown]:
        """What each model of the configured providers costs today, the operator's own prices first.

        列出所配置服务商各模型今日的价格，自定义价格在前。
        """
        part = search.casefold() if search is not None else ""
        prices = self._settings.prices.with_sections(self._registry.stored.sections)
        providers = (*self._settings.providers, *self._registry.added.providers.values())
        found = [
            one
            for one in listed(prices, providers, time.time_ns())
            if (provider is None or one.provider == provider) and part in f"{one.provider}/{one.model}".casefold()
        ]
        page, following = page_of(found, lambda one: f"{one.provider}/{one.model}", after, limit)
        return Page[PriceShown](data=[_price(one) for one in page], next=following)


def _usage(one: UsageSum, dimensions: list[_Dimension]) -> UsageShown:
    group = {
        name: instant_of(int(value)) if name in ("day", "hour") else value
        for name, value in zip(dimensions, one.place, strict=True)
    }
    return UsageShown(
        group=group,
        calls=one.calls,
        unpriced=one.unpriced,
        cost_usd=one.nano / 1_000_000_000,
        cost_nano=one.nano,
        input_tokens=one.input_tokens,
        output_tokens=one.output_tokens,
        cached_tokens=one.cached_tokens,
        seconds=one.total_us / 1_000_000,
    )


def _budget(owner: Scope, quota: Quota, one: Standing, now: int) -> Budget:
    ends = end_of(quota.kind, now)
    left = max(quota.limit - one.spent - one.held, 0)
    return Budget.model_validate(
        {
            "scope": owner.id,
            "name": owner.name,
            "sort": owner.sort,
            "limit": _LIMITS[quota.kind],
            "window": window_of(quota.kind, now),
            "ends": instant_of(ends) if ends is not None else None,
            "limit_usd": dollars_of(quota.limit),
            "spent_usd": dollars_of(one.spent),
            "held_usd": dollars_of(one.held),
            "left_usd": dollars_of(left),
            "limit_nano": quota.limit,
            "spent_nano": one.spent,
            "held_nano": one.held,
        }
    )


def _price(one: Listed) -> PriceShown:
    return PriceShown(
        provider=one.provider,
        model=one.model,
        rates=one.rates,
        long_from=one.long_from,
        long=one.long,
        tiers={
            name: TierShown(rates=tier.rates, long_from=tier.long_from, long=tier.long)
            for name, tier in one.tiers.items()
        },
        per_call=one.per_call,
        context=one.context,
        max_output=one.max_output,
        version=one.version,
        since=one.since,
    )
