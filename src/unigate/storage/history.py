"""Who changed what: the audit log, and the numbered versions that a roll back goes through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from unigate.snapshot import GroupEntry, KeyEntry
from unigate.storage.database import Row, Rows

__all__ = [
    "AuditLine",
    "Change",
    "VersionLine",
    "audit_page",
    "facts_of",
    "forget_history",
    "newest_version",
    "oldest_version",
    "record",
    "version_page",
    "versions_after",
]

_VERSION = "SELECT value FROM meta WHERE name = 'version'"
_SET_VERSION = (
    "INSERT INTO meta (name, value) VALUES ('version', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_ADD_AUDIT = "INSERT INTO audit (number, at_ns, who, what, target, detail) VALUES (?, ?, ?, ?, ?, ?)"
_LAST_AUDIT = "SELECT COALESCE(MAX(number), 0) FROM audit"
_ADD_VERSION = "INSERT INTO versions (number, at_ns, who, content) VALUES (?, ?, ?, ?)"
_AUDIT = "SELECT number, at_ns, who, what, target, detail FROM audit WHERE number < ? ORDER BY number DESC LIMIT ?"
_AUDIT_OF = (
    "SELECT number, at_ns, who, what, target, detail FROM audit WHERE number < ? AND target = ?"
    " ORDER BY number DESC LIMIT ?"
)
_VERSIONS = "SELECT number, at_ns, who, content FROM versions WHERE number < ? ORDER BY number DESC LIMIT ?"
_VERSIONS_AFTER = "SELECT number, at_ns, who, content FROM versions WHERE number > ? ORDER BY number DESC"
_OLD = {
    name: f"SELECT MAX(number), COUNT(*) FROM (SELECT number, at_ns FROM {name} ORDER BY number LIMIT ?) AS oldest"
    " WHERE at_ns < ?"
    for name in ("audit", "versions")
}
# The newest stays, so that numbers go on and never begin again.
_FORGET = {
    name: f"DELETE FROM {name} WHERE number <= ? AND number < (SELECT MAX(number) FROM {name})"
    for name in ("audit", "versions")
}
_OLDEST = "SELECT MIN(number) - 1 FROM versions"
_FORGOTTEN = "SELECT value FROM meta WHERE name = 'forgotten_version'"
_SET_FORGOTTEN = (
    "INSERT INTO meta (name, value) VALUES ('forgotten_version', ?)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)

# Never written down a second time: they are as good as the key for whoever can guess, and of no use to anybody else.
_HASHES = ("hash", "old_hash")


class Change(msgspec.Struct, frozen=True):
    """One thing that was changed: what it was, and what it is; None is `not there`."""

    what: str
    kind: str
    id: str
    before: dict[str, object] | None
    after: dict[str, object] | None


class AuditLine(msgspec.Struct, frozen=True):
    """One line of the audit log; `before` and `after` hold only what differs."""

    number: int
    at_ns: int
    who: str
    what: str
    target: str
    before: dict[str, object]
    after: dict[str, object]


class VersionLine(msgspec.Struct, frozen=True):
    """One numbered version: what it changed."""

    number: int
    at_ns: int
    who: str
    changes: tuple[Change, ...]


class _Detail(msgspec.Struct):
    before: dict[str, object] = {}
    after: dict[str, object] = {}


def facts_of(entry: KeyEntry | GroupEntry) -> dict[str, object]:
    """What may be written down of a key, a project or an organisation."""
    facts: dict[str, object] = msgspec.to_builtins(entry)
    return {name: value for name, value in facts.items() if name not in _HASHES}


def newest_version(run: Rows) -> int:
    """The number of the newest version."""
    rows = run(_VERSION)
    return int(str(rows[0][0])) if rows else 0


def oldest_version(run: Rows) -> int:
    """The number of the oldest version that can be gone back to."""
    rows = run(_FORGOTTEN)
    return int(str(rows[0][0])) if rows else 0


def forget_history(run: Rows, before_ns: int, most: int) -> bool:
    """Removes up to so many of the oldest lines of the audit log, and of the versions; whether there may be more."""
    is_full = False
    for name, old in _OLD.items():
        last, count = run(old, (most, before_ns))[0]
        if last is not None:
            run(_FORGET[name], (int(str(last)),))
            is_full = is_full or int(str(count)) == most
            if name == "versions":
                run(_SET_FORGOTTEN, (str(run(_OLDEST)[0][0]),))
    return is_full


def record(run: Rows, who: str, changes: Sequence[Change], now_ns: int) -> int:
    """Writes changes into the audit log and as a new version; its number."""
    number = newest_version(run) + 1
    run(_SET_VERSION, (str(number),))
    run(_ADD_VERSION, (number, now_ns, who, msgspec.json.encode(changes).decode()))
    last = int(str(run(_LAST_AUDIT)[0][0]))
    for place, change in enumerate(changes, last + 1):
        run(_ADD_AUDIT, (place, now_ns, who, change.what, change.id, _detail(change)))
    return number


def audit_page(run: Rows, before: int, count: int, target: str | None) -> list[AuditLine]:
    """The newest lines of the audit log with numbers below `before`."""
    rows = run(_AUDIT, (before, count)) if target is None else run(_AUDIT_OF, (before, target, count))
    return [_audit_line(row) for row in rows]


def version_page(run: Rows, before: int, count: int) -> list[VersionLine]:
    """The newest versions with numbers below `before`."""
    return [_version_line(row) for row in run(_VERSIONS, (before, count))]


def versions_after(run: Rows, number: int) -> list[VersionLine]:
    """All versions above that number, newest first."""
    return [_version_line(row) for row in run(_VERSIONS_AFTER, (number,))]


def _detail(change: Change) -> str:
    before, after = change.before or {}, change.after or {}
    names = [name for name in (before | after) if before.get(name) != after.get(name)]
    return msgspec.json.encode(_Detail(_only(before, names), _only(after, names))).decode()


def _only(facts: Mapping[str, object], names: Sequence[str]) -> dict[str, object]:
    return {name: facts[name] for name in names if name in facts}


def _audit_line(row: Row) -> AuditLine:
    number, at_ns, who, what, target, detail = row
    told = msgspec.json.decode(str(detail), type=_Detail)
    return AuditLine(int(str(number)), int(str(at_ns)), str(who), str(what), str(target), told.before, told.after)


def _version_line(row: Row) -> VersionLine:
    number, at_ns, who, content = row
    changes = msgspec.json.decode(str(content), type=tuple[Change, ...])
    return VersionLine(int(str(number)), int(str(at_ns)), str(who), changes)
