"""Goes back to an older version: settings as they were, while keys that were revoked stay revoked.

Providers stay as they are: the history has no credentials, and those of today go to no address but their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from unigate.admission.admins import Admin
from unigate.errors import Refusal
from unigate.snapshot import GroupEntry, KeyEntry, RouteEntry
from unigate.storage.change import Desk, Work, taken
from unigate.storage.history import Change, newest_version, oldest_version, versions_after
from unigate.storage.keys import (
    all_organisations,
    all_projects,
    end_organisation,
    end_project,
    has_key_named,
    has_key_of,
    key_by_id,
    set_key,
    set_organisation,
    set_project,
)
from unigate.storage.provider_rows import all_providers, all_routes, drop_route, put_route

__all__ = ["restore"]

# What names and proves a key is no setting.
_KEPT_OF_A_KEY = ("id", "hash", "old_hash", "old_until_ns")


def restore(desk: Desk, by: Admin, number: int) -> int:
    """Makes a new version with the settings of that one; its number.

    Raises Refusal for a version that there is not, or that is no different.
    """
    with desk.change(by) as work:
        newest = newest_version(work.run)
        if not oldest_version(work.run) <= number <= newest:
            raise Refusal(404, "no_such_id", f"There is no version with the number {number}.")
        newer = versions_after(work.run, number)
        # The newest come first, so what stays is what the oldest of them replaced.
        oldest = {(change.kind, change.id): change for version in newer for change in version.changes}
        for kind in _RESTORERS:
            for (changed, id), change in oldest.items():
                if changed == kind:
                    _RESTORERS[kind](work, id, change)
        if not work.changes:
            raise Refusal(409, "nothing_differs", f"The settings are already those of version {number}.")
    return newest + 1


def _restore_organisation(work: Work, id: str, change: Change) -> None:
    now = next((kept.entry for kept in all_organisations(work.run) if kept.entry.id == id), None)
    before = _group(change)
    if before is not None and before != now:
        _check_name(work, "organisation", before, work.organisations())
        set_organisation(work.run, before)
        work.note("restored", "organisation", now, before)
    elif before is None and now is not None and not any(one.organisation == id for one in work.projects().values()):
        end_organisation(work.run, id, work.now_ns)
        work.note("ended", "organisation", now, None)


def _restore_project(work: Work, id: str, change: Change) -> None:
    now = next((kept.entry for kept in all_projects(work.run) if kept.entry.id == id), None)
    before = _group(change)
    if before is not None and before != now:
        _check_name(work, "project", before, work.projects())
        set_project(work.run, before)
        work.note("restored", "project", now, before)
    elif before is None and now is not None and not has_key_of(work.run, id):
        end_project(work.run, id, work.now_ns)
        work.note("ended", "project", now, None)


def _restore_key(work: Work, id: str, change: Change) -> None:
    kept = key_by_id(work.run, id)
    if kept is None or change.before is None:
        return
    now = kept.entry
    same = {name: value for name, value in msgspec.structs.asdict(now).items() if name in _KEPT_OF_A_KEY}
    facts = {**change.before, "id": now.id, "hash": now.hash}
    before = msgspec.structs.replace(msgspec.convert(facts, KeyEntry), **same)
    if before != now:
        if before.name != now.name and has_key_named(work.run, before.name):
            raise taken("key", before.name)
        set_key(work.run, before)
        work.note("restored", "key", now, before)


def _restore_model(work: Work, name: str, change: Change) -> None:
    now = next((one for one in all_routes(work.run) if one.name == name), None)
    before = msgspec.convert(change.before, RouteEntry) if change.before is not None else None
    known = {*work.named.providers, *(one.name for one in all_providers(work.run))}
    if before == now or name in work.named.routes:
        return
    if before is None:
        drop_route(work.run, name)
    elif all(place[0] in known for place in before.targets):
        put_route(work.run, before, work.now_ns)
    else:
        return  # a provider of it has ended since
    facts = msgspec.to_builtins(now) if now is not None else None
    work.changes.append(Change("model.restored" if before else "model.ended", "model", name, facts, change.before))


def _check_name(work: Work, kind: str, entry: GroupEntry, living: Mapping[str, GroupEntry]) -> None:
    if any(one.name == entry.name and one.id != entry.id for one in living.values()):
        raise taken(kind, entry.name)


def _group(change: Change) -> GroupEntry | None:
    return msgspec.convert(change.before, GroupEntry) if change.before is not None else None


# In the order in which they need each other.
_RESTORERS: dict[str, Callable[[Work, str, Change], None]] = {
    "organisation": _restore_organisation,
    "project": _restore_project,
    "key": _restore_key,
    "model": _restore_model,
}
