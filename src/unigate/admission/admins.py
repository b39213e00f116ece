"""Who administers: what an admin key may do, and the organisation or project that is all it sees."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from unigate.errors import Refusal
from unigate.snapshot import GroupEntry, KeyEntry

__all__ = ["ALL_RIGHTS", "OPERATOR", "Admin", "Right", "admin_of"]


class Right(StrEnum):
    """What an admin key may do: look, make and end keys, change everything else, see what calls said."""

    READ = "read"
    KEYS = "keys"
    SETTINGS = "settings"
    BODIES = "bodies"


ALL_RIGHTS = frozenset(Right)


class Admin(msgspec.Struct, frozen=True):
    """Somebody who administers; `who` is what the audit log says."""

    who: str
    rights: frozenset[Right] = ALL_RIGHTS
    # The id of an organisation or a project; None is everything.
    confined: str | None = None

    def need(self, right: Right) -> None:
        """Raises Refusal (403) if this is not among the rights."""
        if right not in self.rights:
            reason = f"This admin key may not do that: it lacks the scope '{right}'."
            raise Refusal(403, "not_allowed", reason, type="permission_error")

    def need_everything(self) -> None:
        """Raises Refusal (403) if it is confined to an organisation or a project."""
        if self.confined is not None:
            reason = "This admin key is confined to an organisation or a project, and this belongs to all of them."
            raise Refusal(403, "not_allowed", reason, type="permission_error")

    def sees_project(self, project: GroupEntry) -> bool:
        """Whether a project is within what it sees."""
        return self.confined is None or self.confined in (project.id, project.organisation)

    def sees_organisation(self, organisation: GroupEntry) -> bool:
        """Whether an organisation is within what it sees."""
        return self.confined is None or self.confined == organisation.id

    def sees_key(self, key: KeyEntry, projects: Mapping[str, GroupEntry]) -> bool:
        """Whether a key is within what it sees: it belongs there, or administers there."""
        if self.confined is None or self.confined == key.confined:
            return True
        named = (key.project, key.confined)
        return any(one in projects and self.sees_project(projects[one]) for one in named if one is not None)

    def covers(self, key: KeyEntry) -> bool:
        """Whether a key can do nothing that this admin cannot."""
        if key.role != "admin":
            return True
        return admin_of(key).rights <= self.rights and (self.confined is None or key.confined is not None)


OPERATOR = Admin("operator")
"""Whoever may open the operator's socket."""


def admin_of(key: KeyEntry) -> Admin:
    """The admin that an admin key names."""
    rights = ALL_RIGHTS if key.scopes is None else frozenset(Right(one) for one in key.scopes)
    return Admin(f"{key.id} {key.name}", rights, key.confined)
