"""One change by an administrator: a transaction that is written down, numbered, and then told to the doors."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

import msgspec

from unigate.admission.admins import Admin
from unigate.errors import Refusal
from unigate.snapshot import GroupEntry, KeyEntry, Settings
from unigate.storage.database import Database, Rows
from unigate.storage.history import Change, facts_of, record
from unigate.storage.keys import all_organisations, all_projects

__all__ = ["Desk", "Named", "Work", "named_by", "named_in_file", "no_such", "taken"]

_LOCK = "settings"


class Named(msgspec.Struct, frozen=True):
    """What the configuration file names; it is read-only for administration."""

    keys: tuple[KeyEntry, ...] = ()
    organisations: tuple[GroupEntry, ...] = ()
    projects: tuple[GroupEntry, ...] = ()
    # Names of providers and of models.
    providers: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()


def named_by(settings: Settings) -> Named:
    """What a configuration names."""
    return Named(
        settings.keys,
        settings.organisations,
        settings.projects,
        tuple(one.name for one in settings.providers),
        tuple(one.name for one in settings.routes),
    )


class Work:
    """One transaction in progress: what it sees, and what it has changed so far."""

    def __init__(self, run: Rows, by: Admin, named: Named, now_ns: int) -> None:
        self.run = run
        self.by = by
        self.named = named
        self.now_ns = now_ns
        self.changes: list[Change] = []

    def note(
        self, what: str, kind: str, before: KeyEntry | GroupEntry | None, after: KeyEntry | GroupEntry | None
    ) -> None:
        """Remembers one change for the audit log."""
        entry = after or before
        assert entry is not None, "a change is of something"
        self.changes.append(
            Change(
                f"{kind}.{what}",
                kind,
                entry.id,
                facts_of(before) if before is not None else None,
                facts_of(after) if after is not None else None,
            )
        )

    def organisations(self) -> Mapping[str, GroupEntry]:
        """All organisations by id, the file's as well."""
        return {
            one.id: one for one in (*(kept.entry for kept in all_organisations(self.run)), *self.named.organisations)
        }

    def projects(self) -> Mapping[str, GroupEntry]:
        """All projects by id, the file's as well."""
        return {one.id: one for one in (*(kept.entry for kept in all_projects(self.run)), *self.named.projects)}


class Desk:
    """Where changes are made, one at a time over all gateways of one database; `tell` brings them to the doors."""

    def __init__(self, database: Database, named: Named, tell: Callable[[bool], None]) -> None:
        self.database = database
        self.named = named
        self._tell = tell

    @contextmanager
    def change(self, by: Admin, *, must_be_told: bool = False) -> Generator[Work]:
        """One change, kept whole or not at all, with its line in the audit log. Raises Refusal, StorageError.

        Where it must be told, it is an error (though kept) if the doors cannot hear of it now.
        """
        with self.database.transaction() as run:
            run.lock(_LOCK)
            work = Work(run, by, self.named, run.now_ns())
            yield work
            if work.changes:
                record(run, by.who, work.changes, work.now_ns)
        if work.changes:
            self._tell(must_be_told)


def no_such(kind: str, id: str) -> Refusal:
    """What is said of an id that is not there, or not for this admin: the same words."""
    return Refusal(404, "no_such_id", f"There is no {kind} with the id '{id}'.")


def taken(kind: str, name: str) -> Refusal:
    """What is said of a name that is in use."""
    reason = f"There is a{'n' if kind[0] in 'aeiou' else ''} {kind} named '{name}'; choose another name."
    return Refusal(409, "name_taken", reason, param="name")


def named_in_file(kind: str, name: str, param: str | None = None) -> Refusal:
    """What is said of a change to something that the configuration file names."""
    reason = f"The {kind} '{name}' is named in the configuration file; change it there and restart."
    return Refusal(409, "named_in_file", reason, param=param)
