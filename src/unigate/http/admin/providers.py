"""Providers and models under /admin/v1: how they stand, and those that administration makes."""

from __future__ import annotations

import time
from collections import Counter
from functools import cached_property
from typing import Annotated, Literal

import msgspec
from fastapi import Path
from pydantic import BaseModel, Field

from unigate.admission.admins import Right
from unigate.config import ProviderSettings
from unigate.config_checks import is_name, loops
from unigate.config_file import load_table
from unigate.config_judge import provider_faults
from unigate.errors import Refusal
from unigate.http.admin.access import By, Routes
from unigate.http.admin.shapes import Ended, ModelName, Page, Written
from unigate.routing.table import Table, TableError, build_provider
from unigate.secret import Secret
from unigate.snapshot import RouteEntry, Settings
from unigate.storage.registry import Registry
from unigate.storage.usage_sums import UsageFilter, usage_sums
from unigate.target import Provider

__all__ = ["ProvidersApi"]

_HOUR_NS = 3_600_000_000_000

_Name = Annotated[str, Path(min_length=1, max_length=500, description="Its name · 名称")]


class ProviderShown(BaseModel):
    """A provider, and how its calls went in this hour and the one before; its credentials are never shown."""

    object: Literal["provider"] = "provider"
    name: str = Field(examples=["openai"])
    addresses: list[str] = Field(examples=[["https://api.openai.com/v1"]])
    speaks: list[str] = Field(examples=[["openai.chat", "openai.responses"]])
    has_credential: bool
    models: int = Field(description="Models in its list; 0 if it has not told one.", examples=[40])
    calls: int = Field(examples=[1200])
    failed: int = Field(description="Of these, answered with a status from 500 on.", examples=[3])
    source: Literal["file", "store"]
    broken: str | None = Field(description="Why its secrets cannot be opened, if they cannot.", examples=[None])


class ProviderWritten(Written):
    """A provider's facts; the credentials are sealed before they are kept, and shown to nobody."""

    kind: str | None = Field(default=None, max_length=100, description="Row of the table; the name if left out.")
    api_key: str | None = Field(default=None, max_length=10_000, examples=["sk-…"])
    base_url: str | None = Field(default=None, max_length=2000, examples=[None])
    api_version: str | None = Field(default=None, max_length=100, examples=[None])
    account: str | None = Field(default=None, max_length=100, examples=[None])
    region: str | None = Field(default=None, max_length=100, examples=[None])
    project: str | None = Field(default=None, max_length=100, examples=[None])
    location: str | None = Field(default=None, max_length=100, examples=[None])
    access_key_id: str | None = Field(default=None, max_length=200, examples=[None])
    secret_access_key: str | None = Field(default=None, max_length=10_000, examples=[None])
    session_token: str | None = Field(default=None, max_length=10_000, examples=[None])
    access_token: str | None = Field(default=None, max_length=10_000, examples=[None])
    headers: dict[str, str] = Field(default={}, max_length=50)
    prices: str | None = Field(default=None, max_length=100, description="Section of the price table, not the row's.")


class TargetShape(Written):
    """A model at a provider."""

    provider: str = Field(min_length=1, max_length=64, examples=["openai"])
    model: ModelName = Field(examples=["gpt-4o"])
    weight: int = Field(default=1, ge=1, le=1_000_000)


class ModelWritten(Written):
    """A name of your own for one model, or for several that stand in for each other."""

    targets: list[TargetShape] = Field(min_length=1, max_length=100)
    policy: Literal["ordered", "weighted"] = "ordered"


class ModelShown(BaseModel):
    """A name of your own, and what it means."""

    object: Literal["model"] = "model"
    name: str = Field(examples=["smart"])
    policy: str
    targets: list[TargetShape]
    source: Literal["file", "store"]


class ProvidersApi:
    """The routes of providers and of models."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._registry = registry
        self._settings = settings

    def add_to(self, routes: Routes) -> None:
        """Adds the routes."""
        add = routes.add
        add("GET", "/providers", self.list_providers, Right.READ, "How providers stand · 服务商状态")
        add("PUT", "/providers/{name}", self.put_provider, Right.SETTINGS, "Keep a provider · 保存服务商")
        add("DELETE", "/providers/{name}", self.end_provider, Right.SETTINGS, "End a provider · 删除服务商")
        add("GET", "/models", self.list_own_models, Right.READ, "List models · 列出模型")
        add("PUT", "/models/{name:path}", self.put_model, Right.SETTINGS, "Keep a model · 保存模型")
        add("DELETE", "/models/{name:path}", self.end_model, Right.SETTINGS, "End a model · 删除模型")

    @cached_property
    def _table(self) -> Table:
        return load_table()

    def list_providers(self, by: By) -> Page[ProviderShown]:
        """All providers, and how their calls went in this hour and the one before.

        列出全部服务商，以及最近两个整点以来调用的情况。
        """
        by.need_everything()
        added = self._registry.added
        calls, failed = self._counts()
        lines = [_shown(one, "file", calls, failed) for one in self._settings.providers]
        lines += [_shown(one, "store", calls, failed) for one in added.providers.values()]
        for line in lines:
            line.models = len(self._registry.stored.lists.get(line.name, ()))
        return Page[ProviderShown](data=[*lines, *(_broken(*one) for one in added.broken.items())])

    def _counts(self) -> tuple[Counter[str], Counter[str]]:
        """Calls, and failed ones, by provider."""
        since = time.time_ns() // _HOUR_NS * _HOUR_NS - _HOUR_NS
        sums = usage_sums(self._registry.desk.database, ("provider", "status"), UsageFilter(since_ns=since))
        calls: Counter[str] = Counter()
        failed: Counter[str] = Counter()
        for one in sums:
            name, status = str(one.place[0]), int(one.place[1])
            calls[name] += one.calls
            failed[name] += one.calls if status >= 500 else 0
        return calls, failed

    def put_provider(self, by: By, name: _Name, wanted: ProviderWritten) -> ProviderShown:
        """Keeps a provider under this name, new or in place of the one there was; give its credentials each time.

        以此名称保存服务商（新建或整体替换）；每次都要给出凭据，凭据加密保存，不再显示。
        """
        by.need_everything()
        provider = self._built(name, wanted)
        self._registry.providers.put_provider(by, provider)
        return _shown(provider, "store", Counter(), Counter())

    def _built(self, name: str, wanted: ProviderWritten) -> Provider:
        """The provider that was asked for. Raises Refusal (400) by the name of what is wrong."""
        if not is_name(name):
            reason = "A provider's name has letters, digits, '.', '_' and '-', 64 at most."
            raise Refusal(400, "invalid_value", reason, param="name")
        given = wanted.model_dump(exclude_unset=True)
        settings = msgspec.convert(given, ProviderSettings, dec_hook=lambda _, value: Secret(str(value)))
        for field, fault in provider_faults(settings, self._table):
            if fault:
                raise Refusal(400, "invalid_value", f"'{field}' {fault}.", param=field)
        try:
            provider = build_provider(name, settings, self._table)
        except TableError as error:
            raise Refusal(400, "invalid_value", f"{error}.") from error
        server = self._settings.server
        if any(loops(one.base_url, server.host, server.port) for one in provider.endpoints):
            raise Refusal(400, "invalid_value", "The provider leads back to this gateway.", param="base_url")
        return provider

    def end_provider(self, by: By, name: _Name) -> Ended:
        """Ends a provider and forgets its credentials; one that a model names is a 409.

        删除服务商及其凭据；仍被模型引用时返回 409。
        """
        self._registry.providers.end_provider(by, name)
        return Ended(id=name, object="provider")

    def list_own_models(self, by: By) -> Page[ModelShown]:
        """The names of your own, and what they mean.

        列出自定义的模型名称及其目标。
        """
        by.need_everything()
        lines = [_model(one, "file") for one in self._settings.routes]
        return Page[ModelShown](data=[*lines, *(_model(one, "store") for one in self._registry.stored.routes)])

    def put_model(self, by: By, name: _Name, wanted: ModelWritten) -> ModelShown:
        """Keeps a model under this name, new or in place of the one there was.

        以此名称保存模型（新建或整体替换）。
        """
        if not name.isprintable():
            raise Refusal(400, "invalid_value", "A model's name has no control characters.", param="name")
        targets = tuple((one.provider, one.model, one.weight) for one in wanted.targets)
        entry = RouteEntry(name, wanted.policy, targets)
        self._registry.providers.put_route(by, entry)
        return _model(entry, "store")

    def end_model(self, by: By, name: _Name) -> Ended:
        """Ends a model's name.

        删除模型名称。
        """
        self._registry.providers.end_route(by, name)
        return Ended(id=name, object="model")


def _shown(one: Provider, source: Literal["file", "store"], calls: Counter[str], failed: Counter[str]) -> ProviderShown:
    return ProviderShown(
        name=one.name,
        addresses=[endpoint.base_url for endpoint in one.endpoints],
        speaks=sorted({word for endpoint in one.endpoints for word in endpoint.speaks}),
        has_credential=bool(one.key.reveal() or one.signing.credentials_file),
        models=0,
        calls=calls[one.name],
        failed=failed[one.name],
        source=source,
        broken=None,
    )


def _broken(name: str, reason: str) -> ProviderShown:
    return ProviderShown(
        name=name,
        addresses=[],
        speaks=[],
        has_credential=False,
        models=0,
        calls=0,
        failed=0,
        source="store",
        broken=reason,
    )


def _model(entry: RouteEntry, source: Literal["file", "store"]) -> ModelShown:
    targets = [TargetShape(provider=provider, model=model, weight=weight) for provider, model, weight in entry.targets]
    return ModelShown(name=entry.name, policy=entry.policy, targets=targets, source=source)
