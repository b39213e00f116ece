"""What one gateway keeps besides its calls: its keys and its providers' lists of models."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

import msgspec

from unigate.admission.keys import hash_key, new_key
from unigate.clock import Wall, wall
from unigate.errors import Refusal
from unigate.snapshot import KeyEntry, Stored
from unigate.storage.database import Database, Rows
from unigate.storage.opening import open_database

__all__ = ["Store", "StoredKey"]

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


class Store:
    """One open database; each method is one transaction and may be called from any thread."""

    def __init__(self, database: Database, clock: Wall) -> None:
        self._database = database
        self._clock = clock

    @classmethod
    def open(cls, path: Path, clock: Wall = wall) -> Store:
        """The database at `path`, made if need be, at the newest schema. Raises StorageError."""
        return cls(open_database(f"sqlite:///{path}", path.parent), clock)

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
