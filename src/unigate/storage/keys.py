"""Organisations, projects and keys as rows: read and written within somebody's transaction."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from unigate.snapshot import GroupEntry, KeyEntry
from unigate.storage.database import Row, Rows, Value
from unigate.tenancy import Capture, Limits

__all__ = [
    "KeptGroup",
    "KeptKey",
    "add_key",
    "add_organisation",
    "add_project",
    "all_keys",
    "all_organisations",
    "all_projects",
    "end_key",
    "end_organisation",
    "end_project",
    "has_key_named",
    "has_key_of",
    "key_by_id",
    "set_key",
    "set_organisation",
    "set_project",
]

_KEY = (
    "SELECT id, name, hash, role, models, project, limits, expires_ns, addresses, tags, capture, old_hash,"
    " old_until_ns, scopes, confined, created_ns FROM keys WHERE revoked_ns IS NULL"
)
_ALL_KEYS = _KEY + " ORDER BY created_ns, id"
_ONE_KEY = _KEY + " AND id = ?"
_NAMED_KEY = "SELECT 1 FROM keys WHERE revoked_ns IS NULL AND name = ?"
_KEY_OF = "SELECT 1 FROM keys WHERE revoked_ns IS NULL AND (project = ? OR confined = ?) LIMIT 1"
_ADD_KEY = (
    "INSERT INTO keys (name, hash, role, models, project, limits, expires_ns, addresses, tags, capture, old_hash,"
    " old_until_ns, scopes, confined, id, created_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SET_KEY = (
    "UPDATE keys SET name = ?, hash = ?, role = ?, models = ?, project = ?, limits = ?, expires_ns = ?, addresses = ?,"
    " tags = ?, capture = ?, old_hash = ?, old_until_ns = ?, scopes = ?, confined = ? WHERE id = ?"
)
_END_KEY = "UPDATE keys SET revoked_ns = ? WHERE id = ?"

_ALL_ORGANISATIONS = (
    "SELECT id, name, NULL, models, limits, created_ns FROM organisations WHERE ended_ns IS NULL"
    " ORDER BY created_ns, id"
)
_ADD_ORGANISATION = "INSERT INTO organisations (id, name, models, limits, created_ns) VALUES (?, ?, ?, ?, ?)"
_SET_ORGANISATION = "UPDATE organisations SET name = ?, models = ?, limits = ?, ended_ns = NULL WHERE id = ?"
_END_ORGANISATION = "UPDATE organisations SET ended_ns = ? WHERE id = ?"

_ALL_PROJECTS = (
    "SELECT id, name, organisation, models, limits, created_ns FROM projects WHERE ended_ns IS NULL"
    " ORDER BY created_ns, id"
)
_ADD_PROJECT = "INSERT INTO projects (id, name, organisation, models, limits, created_ns) VALUES (?, ?, ?, ?, ?, ?)"
_SET_PROJECT = "UPDATE projects SET name = ?, organisation = ?, models = ?, limits = ?, ended_ns = NULL WHERE id = ?"
_END_PROJECT = "UPDATE projects SET ended_ns = ? WHERE id = ?"


class KeptKey(msgspec.Struct, frozen=True):
    """A key, and when it was made."""

    entry: KeyEntry
    created_ns: int


class KeptGroup(msgspec.Struct, frozen=True):
    """An organisation or a project, and when it was made."""

    entry: GroupEntry
    created_ns: int


class _KeyRow(msgspec.Struct, frozen=True, array_like=True):
    id: str
    name: str
    hash: str
    role: str
    models: str | None
    project: str | None
    limits: str | None
    expires_ns: int | None
    addresses: str | None
    tags: str | None
    capture: str | None
    old_hash: str | None
    old_until_ns: int | None
    scopes: str | None
    confined: str | None
    created_ns: int


class _GroupRow(msgspec.Struct, frozen=True, array_like=True):
    id: str
    name: str
    organisation: str | None
    models: str | None
    limits: str | None
    created_ns: int


_names = msgspec.json.Decoder(tuple[str, ...])
_limits = msgspec.json.Decoder(Limits)
_tags = msgspec.json.Decoder(dict[str, str])

# --- keys


def all_keys(run: Rows) -> list[KeptKey]:
    """All keys that were not revoked, oldest first."""
    return [_kept_key(row) for row in run(_ALL_KEYS)]


def key_by_id(run: Rows, id: str) -> KeptKey | None:
    """One key that was not revoked."""
    rows = run(_ONE_KEY, (id,))
    return _kept_key(rows[0]) if rows else None


def has_key_named(run: Rows, name: str) -> bool:
    """Whether a key that was not revoked has this name."""
    return bool(run(_NAMED_KEY, (name,)))


def has_key_of(run: Rows, group: str) -> bool:
    """Whether a key belongs to this project, or is confined to this project or organisation."""
    return bool(run(_KEY_OF, (group, group)))


def add_key(run: Rows, entry: KeyEntry, created_ns: int) -> None:
    """Keeps a new key."""
    run(_ADD_KEY, (*_key_values(entry), entry.id, created_ns))


def set_key(run: Rows, entry: KeyEntry) -> None:
    """Keeps a key as it is now."""
    run(_SET_KEY, (*_key_values(entry), entry.id))


def end_key(run: Rows, id: str, now_ns: int) -> None:
    """Marks a key as revoked; its row stays, for the calls that name it."""
    run(_END_KEY, (now_ns, id))


def _kept_key(row: Row) -> KeptKey:
    told = msgspec.convert(row, _KeyRow)
    entry = KeyEntry(
        told.id,
        told.name,
        told.hash,
        told.role,
        _some_names(told.models),
        told.project,
        _limits.decode(told.limits) if told.limits else Limits(),
        told.expires_ns,
        _some_names(told.addresses),
        _tags.decode(told.tags) if told.tags else {},
        Capture(told.capture) if told.capture else Capture.METADATA,
        told.old_hash,
        told.old_until_ns,
        _some_names(told.scopes),
        told.confined,
    )
    return KeptKey(entry, told.created_ns)


def _key_values(entry: KeyEntry) -> tuple[Value, ...]:
    return (
        entry.name,
        entry.hash,
        entry.role,
        _text(entry.models),
        entry.project,
        _text(entry.limits),
        entry.expires_ns,
        _text(entry.addresses),
        _text(entry.tags),
        entry.capture.value,
        entry.old_hash,
        entry.old_until_ns,
        _text(entry.scopes),
        entry.confined,
    )


# --- organisations and projects


def all_organisations(run: Rows) -> list[KeptGroup]:
    """All organisations that were not ended, oldest first."""
    return [_kept_group(row) for row in run(_ALL_ORGANISATIONS)]


def add_organisation(run: Rows, entry: GroupEntry, created_ns: int) -> None:
    """Keeps a new organisation."""
    run(_ADD_ORGANISATION, (entry.id, entry.name, _text(entry.models), _text(entry.limits), created_ns))


def set_organisation(run: Rows, entry: GroupEntry) -> None:
    """Keeps an organisation as it is now; one that was ended lives again."""
    run(_SET_ORGANISATION, (entry.name, _text(entry.models), _text(entry.limits), entry.id))


def end_organisation(run: Rows, id: str, now_ns: int) -> None:
    """Marks an organisation as ended; its row stays, for the calls that name it."""
    run(_END_ORGANISATION, (now_ns, id))


def all_projects(run: Rows) -> list[KeptGroup]:
    """All projects that were not ended, oldest first."""
    return [_kept_group(row) for row in run(_ALL_PROJECTS)]


def add_project(run: Rows, entry: GroupEntry, created_ns: int) -> None:
    """Keeps a new project."""
    values = (entry.id, entry.name, entry.organisation, _text(entry.models), _text(entry.limits), created_ns)
    run(_ADD_PROJECT, values)


def set_project(run: Rows, entry: GroupEntry) -> None:
    """Keeps a project as it is now; one that was ended lives again."""
    run(_SET_PROJECT, (entry.name, entry.organisation, _text(entry.models), _text(entry.limits), entry.id))


def end_project(run: Rows, id: str, now_ns: int) -> None:
    """Marks a project as ended; its row stays, for the calls that name it."""
    run(_END_PROJECT, (now_ns, id))


def _kept_group(row: Row) -> KeptGroup:
    told = msgspec.convert(row, _GroupRow)
    limits = _limits.decode(told.limits) if told.limits else Limits()
    return KeptGroup(
        GroupEntry(told.id, told.name, told.organisation, _some_names(told.models), limits), told.created_ns
    )


def _some_names(text: str | None) -> tuple[str, ...] | None:
    return _names.decode(text) if text is not None else None


def _text(value: Sequence[str] | dict[str, str] | Limits | None) -> str | None:
    return msgspec.json.encode(value).decode() if value is not None else None
