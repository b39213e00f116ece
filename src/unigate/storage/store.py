"""What one gateway keeps besides its calls, as the doors need it: keys, what they share, and lists of models."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

import msgspec

from unigate.added import ProviderEntry
from unigate.admission.keys import hash_key, new_key
from unigate.clock import Wall, wall
from unigate.snapshot import KeyEntry, RouteEntry, Stored
from unigate.storage.database import META, SET_META, Database, Rows
from unigate.storage.keys import KeptGroup, KeptKey, add_key, all_keys, all_organisations, all_projects
from unigate.storage.opening import open_database
from unigate.storage.provider_rows import all_providers, all_routes

__all__ = ["Kept", "Store"]

_ANY_KEY = "SELECT 1 FROM keys LIMIT 1"
_LISTS = "SELECT provider, models FROM model_lists ORDER BY provider"
_LIST = "SELECT models FROM model_lists WHERE provider = ?"
_SET_LIST = (
    "INSERT INTO model_lists (provider, models, fetched_ns) VALUES (?, ?, ?) "
    "ON CONFLICT (provider) DO UPDATE SET models = excluded.models, fetched_ns = excluded.fetched_ns"
)


class Kept(msgspec.Struct, frozen=True):
    """All of it at one moment, oldest first."""

    version: int
    keys: tuple[KeptKey, ...]
    organisations: tuple[KeptGroup, ...]
    projects: tuple[KeptGroup, ...]
    lists: dict[str, tuple[str, ...]]
    providers: tuple[ProviderEntry, ...] = ()
    routes: tuple[RouteEntry, ...] = ()

    @property
    def stored(self) -> Stored:
        """What the doors need of it."""
        return Stored(
            self.version,
            tuple(one.entry for one in self.keys),
            self.lists,
            tuple(one.entry for one in self.organisations),
            tuple(one.entry for one in self.projects),
            self.providers,
            self.routes,
        )


class Store:
    """One open database; each method is one transaction and may be called from any thread."""

    def __init__(self, database: Database, clock: Wall) -> None:
        self.database = database
        self._clock = clock

    @classmethod
    def open(cls, path: Path, clock: Wall = wall) -> Store:
        """The database at `path`, made if need be, at the newest schema. Raises StorageError."""
        return cls(open_database(f"sqlite:///{path}", path.parent), clock)

    def close(self) -> None:
        """Gives the file back."""
        self.database.close()

    def add_first_keys(self, taken: Sequence[str] = ()) -> tuple[str, str] | None:
        """The texts of an admin's and a client's key, made together; None if there ever was a key."""
        with self.database.transaction() as run:
            if run(_ANY_KEY):
                return None
            texts = (
                self._first_key(run, _free("admin", taken), "admin"),
                self._first_key(run, _free("default", taken), "client"),
            )
            _next_version(run)
        return texts

    def _first_key(self, run: Rows, name: str, role: str) -> str:
        text = new_key(role)
        entry = KeyEntry("key_" + secrets.token_hex(6), name, hash_key(text.encode()).hex(), role)
        add_key(run, entry, self._clock())
        return text

    def set_list(self, provider: str, models: Sequence[str]) -> bool:
        """Keeps a provider's list of models; whether it differs from the one before."""
        text = msgspec.json.encode(models).decode()
        with self.database.transaction() as run:
            run.lock("settings")
            is_new = run(_LIST, (provider,)) != [(text,)]
            run(_SET_LIST, (provider, text, self._clock()))
            if is_new:
                _next_version(run)
        return is_new

    def kept(self) -> Kept:
        """Everything; its version grows with each change."""
        with self.database.reading() as run:
            lists = {str(provider): _names(str(models)) for provider, models in run(_LISTS)}
            return Kept(
                _version(run),
                tuple(all_keys(run)),
                tuple(all_organisations(run)),
                tuple(all_projects(run)),
                lists,
                tuple(all_providers(run)),
                tuple(all_routes(run)),
            )

    def stored(self) -> Stored:
        """What the doors need of everything."""
        return self.kept().stored

    def version(self) -> int:
        """Which version is the newest, whichever gateway made it."""
        with self.database.reading() as run:
            return _version(run)


def _free(name: str, taken: Sequence[str]) -> str:
    """A name that the configuration file does not use."""
    return name if name not in taken else f"{name}-{secrets.token_hex(3)}"


def _version(run: Rows) -> int:
    rows = run(META, ("version",))
    return int(str(rows[0][0])) if rows else 0


def _next_version(run: Rows) -> None:
    run(SET_META, ("version", str(_version(run) + 1)))


def _names(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])
