"""What one gateway keeps: its keys, its providers' lists of models, and how far each journal was carried."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

import msgspec

from unigate.admission.keys import hash_key, new_key
from unigate.clock import Wall, wall
from unigate.errors import Refusal
from unigate.snapshot import KeyEntry, Stored
from unigate.storage.migrations import migrate
from unigate.storage.sqlite import Database, Rows

__all__ = ["OpenIntent", "Place", "Progress", "Store", "StoredKey"]

_ANY_KEY = "SELECT 1 FROM keys LIMIT 1"
_ADD_KEY = "INSERT INTO keys (id, name, hash, role, models, created_ns) VALUES (?, ?, ?, ?, ?, ?)"
_KEYS = "SELECT id, name, hash, role, models, created_ns FROM keys WHERE revoked_ns IS NULL ORDER BY created_ns, id"
_FIND_KEY = (
    "SELECT id, name, hash, role, models, created_ns FROM keys WHERE revoked_ns IS NULL AND (id = ?1 OR name = ?1) "
    "ORDER BY id = ?1 DESC LIMIT 1"
)
_REVOKE_KEY = "UPDATE keys SET revoked_ns = ? WHERE id = ?"
_LISTS = "SELECT provider, models FROM model_lists ORDER BY provider"
_LIST = "SELECT models FROM model_lists WHERE provider = ?"
_SET_LIST = (
    "INSERT INTO model_lists (provider, models, fetched_ns) VALUES (?, ?, ?) "
    "ON CONFLICT (provider) DO UPDATE SET models = excluded.models, fetched_ns = excluded.fetched_ns"
)
_META = "SELECT value FROM meta WHERE name = ?"
_SET_META = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_OFFSETS = "SELECT folder, segment, offset FROM journal_offsets"
_SET_OFFSET = (
    "INSERT INTO journal_offsets (folder, segment, offset) VALUES (?, ?, ?) "
    "ON CONFLICT (folder) DO UPDATE SET segment = excluded.segment, offset = excluded.offset"
)
_DROP_OFFSET = "DELETE FROM journal_offsets WHERE folder = ?"
_INTENTS = "SELECT id, folder, entry FROM open_intents"
_SET_INTENT = "INSERT OR REPLACE INTO open_intents (id, folder, entry) VALUES (?, ?, ?)"
_DROP_INTENT = "DELETE FROM open_intents WHERE id = ?"


class StoredKey(msgspec.Struct, frozen=True, array_like=True):
    """A key as its row has it; `models` is a JSON list, or None for all."""

    id: str
    name: str
    hash: str
    role: str
    models: str | None
    created_ns: int

    @property
    def entry(self) -> KeyEntry:
        """The key as the doors need it."""
        models = _names(self.models) if self.models is not None else None
        return KeyEntry(self.id, self.name, self.hash, self.role, models)


class Place(msgspec.Struct, frozen=True, array_like=True):
    """How far a life's journal was carried: all older segments, and this one up to `offset`."""

    folder: str
    segment: str
    offset: int


class OpenIntent(msgspec.Struct, frozen=True, array_like=True):
    """An attempt without a record yet: its call's id, the life that wrote it, and the entry's bytes."""

    id: str
    folder: str
    entry: bytes


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What carrying changed since the last save; `mark` is how far the sinks got, in their own words."""

    places: Sequence[Place]
    gone: Sequence[str] = ()
    opened: Sequence[OpenIntent] = ()
    closed: Sequence[str] = ()
    mark: str


class Store:
    """One open database; each method is one transaction and may be called from any thread."""

    def __init__(self, database: Database, clock: Wall) -> None:
        self._database = database
        self._clock = clock

    @classmethod
    def open(cls, path: Path, clock: Wall = wall) -> Store:
        """The database at `path`, made if need be, at the newest schema. Raises StorageError."""
        database = Database(path)
        migrate(database, path)
        return cls(database, clock)

    def close(self) -> None:
        """Gives the file back."""
        self._database.close()

    # --- keys

    def keys(self) -> tuple[StoredKey, ...]:
        """All keys that have not been revoked, oldest first."""
        with self._database.transaction() as run:
            return _keys(run)

    def add_key(self, name: str, role: str, models: Sequence[str] | None) -> tuple[KeyEntry, str]:
        """A new key and its text, which is kept nowhere. Raises Refusal (409) if the name is taken."""
        with self._database.transaction() as run:
            if run(_FIND_KEY, (name,)):
                reason = f"There is a key named '{name}'; revoke it first, or choose another name."
                raise Refusal(409, "key_exists", reason, param="name")
            return self._new_key(run, name, role, models)

    def add_first_keys(self) -> tuple[str, str] | None:
        """The texts of an admin's and a client's key, made together; None if there ever was a key."""
        with self._database.transaction() as run:
            if run(_ANY_KEY, ()):
                return None
            return self._new_key(run, "admin", "admin", None)[1], self._new_key(run, "default", "client", None)[1]

    def _new_key(self, run: Rows, name: str, role: str, models: Sequence[str] | None) -> tuple[KeyEntry, str]:
        text = new_key(role)
        allowed = tuple(models) if models is not None else None
        entry = KeyEntry("key_" + secrets.token_hex(6), name, hash_key(text.encode()).hex(), role, allowed)
        run(_ADD_KEY, (entry.id, name, entry.hash, role, _text(allowed), self._clock()))
        _next_version(run)
        return entry, text

    def revoke_key(self, id_or_name: str) -> KeyEntry:
        """Ends a key for good. Raises Refusal (404) if there is none of that id or name."""
        with self._database.transaction() as run:
            rows = run(_FIND_KEY, (id_or_name,))
            if not rows:
                raise Refusal(404, "key_not_found", f"There is no key with the id or name '{id_or_name}'.")
            entry = msgspec.convert(rows[0], StoredKey).entry
            run(_REVOKE_KEY, (self._clock(), entry.id))
            _next_version(run)
        return entry

    # --- what the doors read

    def set_list(self, provider: str, models: Sequence[str]) -> bool:
        """Keeps a provider's list of models; whether it differs from the one before."""
        text = _text(models)
        with self._database.transaction() as run:
            is_new = run(_LIST, (provider,)) != [(text,)]
            run(_SET_LIST, (provider, text, self._clock()))
            if is_new:
                _next_version(run)
        return is_new

    def stored(self) -> Stored:
        """What the doors need of all this; its version grows with each change."""
        with self._database.transaction() as run:
            lists = {str(provider): _names(str(models)) for provider, models in run(_LISTS)}
            version = int(_meta(run, "version") or "0")
            return Stored(version, tuple(key.entry for key in _keys(run)), lists)

    # --- the journal

    def progress(self) -> Progress:
        """All that is left of earlier saves: places, open intents, and the sinks' mark."""
        with self._database.transaction() as run:
            return Progress(
                places=msgspec.convert(run(_OFFSETS), list[Place]),
                opened=msgspec.convert(run(_INTENTS), list[OpenIntent]),
                mark=_meta(run, "mark") or "",
            )

    def save_progress(self, progress: Progress) -> None:
        """Keeps how far carrying got, all of it or nothing. Raises StorageError."""
        with self._database.transaction() as run:
            for place in progress.places:
                run(_SET_OFFSET, (place.folder, place.segment, place.offset))
            for folder in progress.gone:
                run(_DROP_OFFSET, (folder,))
            for id in progress.closed:
                run(_DROP_INTENT, (id,))
            for intent in progress.opened:
                run(_SET_INTENT, (intent.id, intent.folder, intent.entry))
            run(_SET_META, ("mark", progress.mark))


def _keys(run: Rows) -> tuple[StoredKey, ...]:
    return msgspec.convert(run(_KEYS), tuple[StoredKey, ...])


def _meta(run: Rows, name: str) -> str | None:
    rows = run(_META, (name,))
    return str(rows[0][0]) if rows else None


def _next_version(run: Rows) -> None:
    run(_SET_META, ("version", str(int(_meta(run, "version") or "0") + 1)))


def _text(names: Sequence[str] | None) -> str | None:
    return None if names is None else msgspec.json.encode(names).decode()


def _names(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])
