"""Who changed what, under /admin/v1/audit and /admin/v1/versions: looked at, and gone back to."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import BaseModel, Field

from unigate.admission.admins import Right
from unigate.admission.terms import instant_of
from unigate.errors import Refusal
from unigate.http.admin.access import By, Routes
from unigate.http.admin.shapes import Count, Page
from unigate.storage.history import AuditLine, VersionLine, audit_page, version_page
from unigate.storage.registry import Registry

__all__ = ["HistoryApi"]

_NEWEST = 2**62

_Before = Annotated[int, Query(ge=1, le=_NEWEST, description="The `next` of the page before · 上一页的 `next`")]
_Number = Annotated[int, Path(ge=0, le=_NEWEST, description="The version's number · 版本号")]


class Audited(BaseModel):
    """One line of the audit log; `before` and `after` hold only what differs."""

    number: int = Field(examples=[17])
    object: Literal["audit"] = "audit"
    at: str = Field(examples=["2026-11-23T08:00:00Z"])
    who: str = Field(description="The admin key, or `operator` for the command line.", examples=["key_3f9c ops"])
    what: str = Field(examples=["key.changed"])
    target: str = Field(examples=["key_3f9c0d2b7a61"])
    before: dict[str, object]
    after: dict[str, object]


class Changed(BaseModel):
    """One thing that a version changed; null is `not there`."""

    what: str = Field(examples=["project.changed"])
    kind: str = Field(examples=["project"])
    id: str = Field(examples=["proj_5d1f00aa93c2"])
    before: dict[str, object] | None
    after: dict[str, object] | None


class Version(BaseModel):
    """One numbered version of the settings that administration made."""

    number: int = Field(examples=[42])
    object: Literal["version"] = "version"
    at: str = Field(examples=["2026-11-23T08:00:00Z"])
    who: str = Field(examples=["operator"])
    changes: list[Changed]


class HistoryApi:
    """The routes of the audit log and of versions."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def add_to(self, routes: Routes) -> None:
        """Adds the routes."""
        add = routes.add
        add("GET", "/audit", self.list_audit, Right.READ, "Read the audit log · 查看审计日志")
        add("GET", "/versions", self.list_versions, Right.READ, "List versions · 列出版本")
        add("GET", "/versions/{number}", self.get_version, Right.READ, "Look at a version · 查看版本")
        add("POST", "/versions/{number}/restore", self.restore_version, Right.SETTINGS, "Go back to it · 恢复到该版本")

    def list_audit(
        self,
        by: By,
        after: _Before = _NEWEST,
        limit: Count = 100,
        target: Annotated[str | None, Query(max_length=300, description="An id · 编号")] = None,
    ) -> Page[Audited]:
        """Every change ever made by administration, the newest first.

        管理操作的全部记录，最新的在前。
        """
        by.need_everything()
        with self._registry.desk.database.reading() as run:
            lines = audit_page(run, after, limit + 1, target)
        return Page[Audited](data=[_audited(line) for line in lines[:limit]], next=_next(lines, limit))

    def list_versions(self, by: By, after: _Before = _NEWEST, limit: Count = 100) -> Page[Version]:
        """The versions, the newest first, each with what it changed.

        列出版本（最新的在前）及各自的改动。
        """
        by.need_everything()
        with self._registry.desk.database.reading() as run:
            lines = version_page(run, after, limit + 1)
        return Page[Version](data=[_version(line) for line in lines[:limit]], next=_next(lines, limit))

    def get_version(self, by: By, number: _Number) -> Version:
        """One version, with what it changed.

        查看一个版本及其改动。
        """
        by.need_everything()
        with self._registry.desk.database.reading() as run:
            lines = version_page(run, number + 1, 1)
        if not lines or lines[0].number != number:
            raise Refusal(404, "no_such_id", f"There is no version with the number {number}.")
        return _version(lines[0])

    def restore_version(self, by: By, number: _Number) -> Version:
        """Makes a new version with the settings of an old one. Revoked keys stay revoked, newer ones stay as they are.

        以旧版本的设置生成新版本。已吊销的密钥仍然吊销，之后新建的密钥保持不变。
        """
        by.need_everything()
        by.need(Right.KEYS)
        made = self._registry.restore(by, number)
        return self.get_version(by, made)


def _audited(line: AuditLine) -> Audited:
    return Audited(
        number=line.number,
        at=instant_of(line.at_ns),
        who=line.who,
        what=line.what,
        target=line.target,
        before=line.before,
        after=line.after,
    )


def _version(line: VersionLine) -> Version:
    changes = [
        Changed(what=one.what, kind=one.kind, id=one.id, before=one.before, after=one.after) for one in line.changes
    ]
    return Version(number=line.number, at=instant_of(line.at_ns), who=line.who, changes=changes)


def _next(lines: list[AuditLine] | list[VersionLine], count: int) -> str | None:
    return str(lines[count - 1].number) if len(lines) > count else None
