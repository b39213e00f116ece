"""Organisations and projects under /admin/v1: listed, made, changed, ended."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import Path
from pydantic import BaseModel, Field

from unigate.admission.admins import Right
from unigate.errors import Refusal
from unigate.http.admin.access import By, Routes
from unigate.http.admin.shapes import (
    After,
    Count,
    Ended,
    LimitsShape,
    ModelName,
    Page,
    Search,
    Written,
    limits_from,
    page_of,
    shown_limits,
)
from unigate.snapshot import GroupEntry
from unigate.storage.keys import KeptGroup
from unigate.storage.registry import Registry

__all__ = ["GroupsApi"]

_SECOND = 1_000_000_000
_WORD = r"^[A-Za-z0-9._-]{1,64}$"

_Id = Annotated[str, Path(max_length=300, description="Its id · 编号")]
_Source = Literal["store", "file"]


class Organisation(BaseModel):
    """An organisation: projects that share limits."""

    id: str = Field(examples=["org_0b7d42e1c9aa"])
    object: Literal["organisation"] = "organisation"
    name: str = Field(examples=["acme"])
    models: list[str] | None = Field(description="Names its keys may call; null for all.", examples=[None])
    limits: LimitsShape
    source: _Source = Field(description="`file`: named in the configuration file, read-only here.")
    created: int | None = Field(description="Seconds since 1970; null for those of the file.", examples=[1764000000])


class Project(BaseModel):
    """A project: keys that share limits."""

    id: str = Field(examples=["proj_5d1f00aa93c2"])
    object: Literal["project"] = "project"
    name: str = Field(examples=["web"])
    organisation: str | None = Field(description="The id of its organisation.", examples=["org_0b7d42e1c9aa"])
    models: list[str] | None = Field(description="Names its keys may call; null for all.", examples=[None])
    limits: LimitsShape
    source: _Source = Field(description="`file`: named in the configuration file, read-only here.")
    created: int | None = Field(description="Seconds since 1970; null for those of the file.", examples=[1764000000])


class _Shared(Written):
    models: list[ModelName] | None = Field(
        None, max_length=1000, description="Names its keys may call; all if left out.", examples=[None]
    )
    limits: LimitsShape = LimitsShape()


class OrganisationToMake(_Shared):
    """What a new organisation is to be."""

    name: str = Field(pattern=_WORD, description="Letters, digits, `.`, `_` and `-`.", examples=["acme"])


class OrganisationChange(_Shared):
    """What is to be different; what is left out stays."""

    name: str | None = Field(default=None, pattern=_WORD, examples=["acme"])


class ProjectToMake(_Shared):
    """What a new project is to be."""

    name: str = Field(pattern=_WORD, description="Letters, digits, `.`, `_` and `-`.", examples=["web"])
    organisation: str | None = Field(
        default=None, max_length=300, description="The id of an organisation.", examples=[None]
    )


class ProjectChange(_Shared):
    """What is to be different; what is left out stays."""

    name: str | None = Field(default=None, pattern=_WORD, examples=["web"])
    organisation: str | None = Field(
        default=None, max_length=300, description="The id of an organisation.", examples=[None]
    )


class GroupsApi:
    """The routes of organisations and projects."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def add_to(self, routes: Routes) -> None:
        """Adds the routes."""
        add = routes.add
        one, all_ = "/organisations/{id}", "/organisations"
        add("GET", all_, self.list_organisations, Right.READ, "List organisations · 列出组织")
        add("POST", all_, self.make_organisation, Right.SETTINGS, "Make an organisation · 新建组织", status=201)
        add("GET", one, self.get_organisation, Right.READ, "Look at an organisation · 查看组织")
        add("PATCH", one, self.change_organisation, Right.SETTINGS, "Change an organisation · 修改组织")
        add("DELETE", one, self.end_organisation, Right.SETTINGS, "End an organisation · 删除组织")
        one, all_ = "/projects/{id}", "/projects"
        add("GET", all_, self.list_projects, Right.READ, "List projects · 列出项目")
        add("POST", all_, self.make_project, Right.SETTINGS, "Make a project · 新建项目", status=201)
        add("GET", one, self.get_project, Right.READ, "Look at a project · 查看项目")
        add("PATCH", one, self.change_project, Right.SETTINGS, "Change a project · 修改项目")
        add("DELETE", one, self.end_project, Right.SETTINGS, "End a project · 删除项目")

    # --- organisations

    def list_organisations(
        self, by: By, after: After = None, limit: Count = 100, search: Search = None
    ) -> Page[Organisation]:
        """Organisations; those of the file first, then the oldest first.

        列出组织（先列配置文件中的，再按时间先后）。
        """
        lines = [line for line in self._registry.organisation_lines() if by.sees_organisation(line.entry)]
        page, following = page_of(_found(lines, search), lambda line: line.entry.id, after, limit)
        return Page[Organisation](data=[_organisation(line) for line in page], next=following)

    def get_organisation(self, by: By, id: _Id) -> Organisation:
        """One organisation.

        查看一个组织。
        """
        for line in self._registry.organisation_lines():
            if line.entry.id == id and by.sees_organisation(line.entry):
                return _organisation(line)
        raise Refusal(404, "no_such_id", f"There is no organisation with the id '{id}'.")

    def make_organisation(self, by: By, wanted: OrganisationToMake) -> Organisation:
        """Makes an organisation, without projects.

        新建组织（尚无项目）。
        """
        entry = _with_shared(GroupEntry("", wanted.name), wanted, {"models", "limits"})
        return _organisation(self._registry.groups.make_organisation(by, entry))

    def change_organisation(self, by: By, id: _Id, wanted: OrganisationChange) -> Organisation:
        """Changes what is given and leaves the rest; the doors follow within two seconds.

        只修改给出的字段，两秒之内生效。
        """

        def edit(entry: GroupEntry) -> GroupEntry:
            if wanted.name is not None:
                entry = msgspec.structs.replace(entry, name=wanted.name)
            return _with_shared(entry, wanted, wanted.model_fields_set)

        return _organisation(self._registry.groups.change_organisation(by, id, edit))

    def end_organisation(self, by: By, id: _Id) -> Ended:
        """Ends an organisation; one that still has projects is a 409.

        删除组织；仍有项目时返回 409。
        """
        return Ended(id=self._registry.groups.end_organisation(by, id).id, object="organisation")

    # --- projects

    def list_projects(self, by: By, after: After = None, limit: Count = 100, search: Search = None) -> Page[Project]:
        """Projects; those of the file first, then the oldest first.

        列出项目（先列配置文件中的，再按时间先后）。
        """
        lines = [line for line in self._registry.project_lines() if by.sees_project(line.entry)]
        page, following = page_of(_found(lines, search), lambda line: line.entry.id, after, limit)
        return Page[Project](data=[_project(line) for line in page], next=following)

    def get_project(self, by: By, id: _Id) -> Project:
        """One project.

        查看一个项目。
        """
        for line in self._registry.project_lines():
            if line.entry.id == id and by.sees_project(line.entry):
                return _project(line)
        raise Refusal(404, "no_such_id", f"There is no project with the id '{id}'.")

    def make_project(self, by: By, wanted: ProjectToMake) -> Project:
        """Makes a project, without keys.

        新建项目（尚无密钥）。
        """
        entry = _with_shared(GroupEntry("", wanted.name, wanted.organisation), wanted, {"models", "limits"})
        if by.confined is not None and "organisation" not in wanted.model_fields_set:
            entry = msgspec.structs.replace(entry, organisation=by.confined)
        return _project(self._registry.groups.make_project(by, entry))

    def change_project(self, by: By, id: _Id, wanted: ProjectChange) -> Project:
        """Changes what is given and leaves the rest; the doors follow within two seconds.

        只修改给出的字段，两秒之内生效。
        """

        def edit(entry: GroupEntry) -> GroupEntry:
            if wanted.name is not None:
                entry = msgspec.structs.replace(entry, name=wanted.name)
            if "organisation" in wanted.model_fields_set:
                entry = msgspec.structs.replace(entry, organisation=wanted.organisation)
            return _with_shared(entry, wanted, wanted.model_fields_set)

        return _project(self._registry.groups.change_project(by, id, edit))

    def end_project(self, by: By, id: _Id) -> Ended:
        """Ends a project; one that still has keys is a 409.

        删除项目；仍有密钥时返回 409。
        """
        return Ended(id=self._registry.groups.end_project(by, id).id, object="project")


def _with_shared(entry: GroupEntry, wanted: _Shared, given: set[str]) -> GroupEntry:
    if "models" in given:
        models = tuple(wanted.models) if wanted.models is not None else None
        entry = msgspec.structs.replace(entry, models=models)
    if "limits" in given:
        entry = msgspec.structs.replace(entry, limits=limits_from(wanted.limits))
    return entry


def _found(lines: list[KeptGroup], search: str | None) -> list[KeptGroup]:
    part = search.casefold() if search is not None else ""
    return [line for line in lines if not part or part in line.entry.name.casefold() or part in line.entry.id]


def _organisation(line: KeptGroup) -> Organisation:
    entry = line.entry
    return Organisation(
        id=entry.id,
        name=entry.name,
        models=list(entry.models) if entry.models is not None else None,
        limits=shown_limits(entry.limits),
        source="store" if line.created_ns else "file",
        created=line.created_ns // _SECOND or None,
    )


def _project(line: KeptGroup) -> Project:
    entry = line.entry
    return Project(
        id=entry.id,
        name=entry.name,
        organisation=entry.organisation,
        models=list(entry.models) if entry.models is not None else None,
        limits=shown_limits(entry.limits),
        source="store" if line.created_ns else "file",
        created=line.created_ns // _SECOND or None,
    )
