"""Makes, changes and ends organisations and projects, each within one change."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

import msgspec

from unigate.admission.admins import Admin
from unigate.errors import Refusal
from unigate.snapshot import GroupEntry
from unigate.storage.change import Desk, Work, named_in_file, no_such, taken
from unigate.storage.keys import (
    KeptGroup,
    add_organisation,
    add_project,
    all_organisations,
    all_projects,
    end_organisation,
    end_project,
    has_key_of,
    set_organisation,
    set_project,
)

__all__ = ["GroupOffice"]


class GroupOffice:
    """All that can be done to organisations and projects."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    # --- organisations

    def make_organisation(self, by: Admin, wanted: GroupEntry) -> KeptGroup:
        """A new organisation like `wanted`, whose id is made here. Raises Refusal, StorageError."""
        by.need_everything()
        entry = msgspec.structs.replace(wanted, id="org_" + secrets.token_hex(6))
        with self._desk.change(by) as work:
            _check_name("organisation", entry.name, work.organisations(), work.named.organisations)
            add_organisation(work.run, entry, work.now_ns)
            work.note("made", "organisation", None, entry)
        return KeptGroup(entry, work.now_ns)

    def change_organisation(self, by: Admin, id: str, edit: Callable[[GroupEntry], GroupEntry]) -> KeptGroup:
        """The organisation as `edit` makes it. Raises Refusal, StorageError."""
        with self._desk.change(by) as work:
            kept = _find_organisation(work, id)
            by.need_everything()
            entry = edit(kept.entry)
            if entry.name != kept.entry.name:
                _check_name("organisation", entry.name, work.organisations(), work.named.organisations)
            if entry != kept.entry:
                set_organisation(work.run, entry)
                work.note("changed", "organisation", kept.entry, entry)
        return KeptGroup(entry, kept.created_ns)

    def end_organisation(self, by: Admin, id: str) -> GroupEntry:
        """Ends an organisation that has no projects. Raises Refusal, StorageError."""
        with self._desk.change(by) as work:
            kept = _find_organisation(work, id)
            by.need_everything()
            if any(one.organisation == id for one in work.projects().values()):
                raise _in_use("organisation", kept.entry.name, "projects")
            end_organisation(work.run, id, work.now_ns)
            work.note("ended", "organisation", kept.entry, None)
        return kept.entry

    # --- projects

    def make_project(self, by: Admin, wanted: GroupEntry) -> KeptGroup:
        """A new project like `wanted`, whose id is made here. Raises Refusal, StorageError."""
        entry = msgspec.structs.replace(wanted, id="proj_" + secrets.token_hex(6))
        with self._desk.change(by) as work:
            _check_organisation(work, entry)
            _check_name("project", entry.name, work.projects(), work.named.projects)
            add_project(work.run, entry, work.now_ns)
            work.note("made", "project", None, entry)
        return KeptGroup(entry, work.now_ns)

    def change_project(self, by: Admin, id: str, edit: Callable[[GroupEntry], GroupEntry]) -> KeptGroup:
        """The project as `edit` makes it. Raises Refusal, StorageError."""
        with self._desk.change(by) as work:
            kept = _find_project(work, id)
            entry = edit(kept.entry)
            if entry.name != kept.entry.name:
                _check_name("project", entry.name, work.projects(), work.named.projects)
            _check_organisation(work, entry)
            if entry != kept.entry:
                set_project(work.run, entry)
                work.note("changed", "project", kept.entry, entry)
        return KeptGroup(entry, kept.created_ns)

    def end_project(self, by: Admin, id: str) -> GroupEntry:
        """Ends a project that has no keys. Raises Refusal, StorageError."""
        with self._desk.change(by) as work:
            kept = _find_project(work, id)
            if has_key_of(work.run, id):
                raise _in_use("project", kept.entry.name, "keys")
            end_project(work.run, id, work.now_ns)
            work.note("ended", "project", kept.entry, None)
        return kept.entry


def _find_organisation(work: Work, id: str) -> KeptGroup:
    """An organisation that this admin sees and that may be changed."""
    entry = work.organisations().get(id)
    if entry is None or not work.by.sees_organisation(entry):
        raise no_such("organisation", id)
    kept = next((one for one in all_organisations(work.run) if one.entry.id == id), None)
    if kept is None:
        raise named_in_file("organisation", entry.name)
    return kept


def _find_project(work: Work, id: str) -> KeptGroup:
    """A project that this admin sees and may change; one that confines the admin is not its to change."""
    entry = work.projects().get(id)
    if entry is None or not work.by.sees_project(entry):
        raise no_such("project", id)
    kept = next((one for one in all_projects(work.run) if one.entry.id == id), None)
    if kept is None:
        raise named_in_file("project", entry.name)
    if work.by.confined == id:
        work.by.need_everything()
    return kept


def _check_organisation(work: Work, project: GroupEntry) -> None:
    above = work.organisations().get(project.organisation) if project.organisation is not None else None
    if project.organisation is not None and (above is None or not work.by.sees_organisation(above)):
        reason = f"There is no organisation with the id '{project.organisation}'."
        raise Refusal(400, "invalid_value", reason, param="organisation")
    if above is None:
        work.by.need_everything()


def _check_name(kind: str, name: str, living: Mapping[str, GroupEntry], named: tuple[GroupEntry, ...]) -> None:
    if any(one.name == name for one in named):
        raise named_in_file(kind, name, "name")
    if any(one.name == name for one in living.values()):
        raise taken(kind, name)


def _in_use(kind: str, name: str, by: str) -> Refusal:
    return Refusal(409, "in_use", f"The {kind} '{name}' still has {by}; end or move them first.")
