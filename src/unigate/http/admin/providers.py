"""How the configured providers stand, under /admin/v1/providers."""

from __future__ import annotations

import time
from collections import Counter
from typing import Literal

from pydantic import BaseModel, Field

from unigate.admission.admins import Right
from unigate.http.admin.access import By, Routes
from unigate.http.admin.shapes import Page
from unigate.snapshot import Settings
from unigate.storage.registry import Registry
from unigate.storage.usage_sums import UsageFilter, usage_sums

__all__ = ["ProvidersApi"]

_HOUR_NS = 3_600_000_000_000


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
    source: Literal["file"] = "file"


class ProvidersApi:
    """The routes of providers."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self._registry = registry
        self._settings = settings

    def add_to(self, routes: Routes) -> None:
        """Adds the routes."""
        routes.add("GET", "/providers", self.list_providers, Right.READ, "How providers stand · 服务商状态")

    def list_providers(self, by: By) -> Page[ProviderShown]:
        """The configured providers, and how their calls went in this hour and the one before.

        列出所配置的服务商，以及最近两个整点以来调用的情况。
        """
        by.need_everything()
        since = time.time_ns() // _HOUR_NS * _HOUR_NS - _HOUR_NS
        sums = usage_sums(self._registry.desk.database, ("provider", "status"), UsageFilter(since_ns=since))
        calls: Counter[str] = Counter()
        failed: Counter[str] = Counter()
        for one in sums:
            name, status = str(one.place[0]), int(one.place[1])
            calls[name] += one.calls
            failed[name] += one.calls if status >= 500 else 0
        lists = self._registry.stored.lists
        lines = [
            ProviderShown(
                name=one.name,
                addresses=[endpoint.base_url for endpoint in one.endpoints],
                speaks=sorted({word for endpoint in one.endpoints for word in endpoint.speaks}),
                has_credential=bool(one.key.reveal() or one.signing.credentials_file),
                models=len(lists.get(one.name, ())),
                calls=calls[one.name],
                failed=failed[one.name],
            )
            for one in self._settings.providers
        ]
        return Page[ProviderShown](data=lines)
