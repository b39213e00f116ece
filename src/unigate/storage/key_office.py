"""Makes, changes, rotates and ends keys, each within one change."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import msgspec

from unigate.admission.admins import Admin, Right
from unigate.admission.keys import hash_key, new_key
from unigate.errors import Refusal
from unigate.snapshot import KeyEntry
from unigate.storage.change import Desk, Work, named_in_file, no_such, taken
from unigate.storage.keys import KeptKey, add_key, end_key, has_key_named, key_by_id, set_key
from unigate.tenancy import Capture

__all__ = ["KeyOffice", "NewKey"]

_SECOND = 1_000_000_000


class NewKey(msgspec.Struct, frozen=True):
    """A key that was just made or rotated, with its text for the one time it is shown."""

    kept: KeptKey
    text: str


class KeyOffice:
    """All that can be done to keys."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def make(self, by: Admin, wanted: KeyEntry) -> NewKey:
        """A new key like `wanted`, whose id and hash are made here. Raises Refusal, StorageError."""
        text = new_key(wanted.role)
        entry = msgspec.structs.replace(wanted, id="key_" + secrets.token_hex(6), hash=_hash(text))
        with self._desk.change(by) as work:
            self._check(work, entry)
            _check_name(work, entry.name)
            add_key(work.run, entry, work.now_ns)
            work.note("made", "key", None, entry)
        return NewKey(KeptKey(entry, work.now_ns), text)

    def change(self, by: Admin, id: str, edit: Callable[[KeyEntry], KeyEntry]) -> KeptKey:
        """The key as `edit` makes it. Raises Refusal, StorageError."""
        with self._desk.change(by) as work:
            kept = self._find(work, id)
            entry = edit(kept.entry)
            self._check(work, entry, kept.entry)
            if entry.name != kept.entry.name:
                _check_name(work, entry.name)
            if entry != kept.entry:
                set_key(work.run, entry)
                work.note("changed", "key", kept.entry, entry)
        return KeptKey(entry, kept.created_ns)

    def rotate(self, by: Admin, id: str, overlap_s: int) -> NewKey:
        """The same key with a new text; the old one works until the overlap has passed."""
        with self._desk.change(by) as work:
            kept = self._find(work, id)
            text = new_key(kept.entry.role)
            until = work.now_ns + overlap_s * _SECOND
            entry = msgspec.structs.replace(kept.entry, hash=_hash(text), old_hash=kept.entry.hash, old_until_ns=until)
            set_key(work.run, entry)
            work.note("rotated", "key", kept.entry, entry)
        return NewKey(KeptKey(entry, kept.created_ns), text)

    def revoke(self, by: Admin, id: str) -> KeyEntry:
        """Ends a key for good, with both its texts. Raises StorageError also if the doors cannot be told of it now."""
        with self._desk.change(by, must_be_told=True) as work:
            kept = self._find(work, id)
            end_key(work.run, id, work.now_ns)
            work.note("revoked", "key", kept.entry, None)
        return kept.entry

    def _find(self, work: Work, id: str) -> KeptKey:
        """A key that this admin sees and may change."""
        named = next((one for one in work.named.keys if one.id == id), None)
        kept = key_by_id(work.run, id)
        entry = named or (kept.entry if kept is not None else None)
        if entry is None or not work.by.sees_key(entry, work.projects()):
            raise no_such("key", id)
        if named is not None or kept is None:
            raise named_in_file("key", entry.name)
        if not work.by.covers(entry):
            raise _too_strong(entry.name)
        return kept

    def _check(self, work: Work, entry: KeyEntry, before: KeyEntry | None = None) -> None:
        """Whether this admin may have a key be so. Raises Refusal."""
        projects = work.projects()
        if entry.project is not None and (
            entry.project not in projects or not work.by.sees_project(projects[entry.project])
        ):
            raise Refusal(400, "invalid_value", f"There is no project with the id '{entry.project}'.", param="project")
        groups = {**projects, **work.organisations()}
        if entry.confined is not None and entry.confined not in groups:
            reason = f"There is no organisation or project with the id '{entry.confined}'."
            raise Refusal(400, "invalid_value", reason, param="confined_to")
        if work.by.confined is not None and not _is_within(work.by, entry, work):
            reason = "A key made by an admin key that is confined must belong to a project within."
            raise Refusal(403, "not_allowed", reason, type="permission_error", param="project")
        if not work.by.covers(entry):
            raise _too_strong(entry.name)
        is_revealing = entry.capture in (Capture.REDACTED, Capture.FULL)
        if is_revealing and (before is None or before.capture != entry.capture):
            work.by.need(Right.BODIES)


def _is_within(by: Admin, entry: KeyEntry, work: Work) -> bool:
    """Whether all that a key belongs to or administers is seen by a confined admin."""
    projects = work.projects()
    named = [one for one in (entry.project, entry.confined) if one is not None]
    seen = [one == by.confined or (one in projects and by.sees_project(projects[one])) for one in named]
    return bool(seen) and all(seen)


def _check_name(work: Work, name: str) -> None:
    if any(one.name == name for one in work.named.keys):
        raise named_in_file("key", name, "name")
    if has_key_named(work.run, name):
        raise taken("key", name)


def _too_strong(name: str) -> Refusal:
    reason = f"The key '{name}' may do more than this admin key itself; only one that may as much can do that."
    return Refusal(403, "not_allowed", reason, type="permission_error")


def _hash(text: str) -> str:
    return hash_key(text.encode()).hex()
