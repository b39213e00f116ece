"""The keys and lists of models of a gateway: a change goes to the database, then to the file that the doors read."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import msgspec

from unigate.errors import Refusal, StorageError
from unigate.snapshot import KeyEntry, Stored
from unigate.snapshot_file import SnapshotFile
from unigate.storage.store import Store

__all__ = ["KeyLine", "NewKey", "Registry"]

log = logging.getLogger("unigate.keeper")


class KeyLine(msgspec.Struct, frozen=True):
    """A key as people see it listed; `source` is `file` for one the configuration names, `created` is in seconds."""

    id: str
    name: str
    role: str
    models: tuple[str, ...] | None
    source: str
    created: int | None


class NewKey(msgspec.Struct, frozen=True):
    """A key that was just made, with its text for the one time it is shown."""

    line: KeyLine
    text: str


class Registry:
    """Makes changes one at a time; `stored` is what the doors were last told, or will be as soon as the disk allows."""

    def __init__(self, store: Store, file: SnapshotFile, named: tuple[KeyEntry, ...]) -> None:
        self._store = store
        self._file = file
        self._named = named
        self._lock = threading.Lock()
        self.stored: Stored = store.stored()
        self.is_behind = True

    def lines(self) -> tuple[KeyLine, ...]:
        """All keys: those of the configuration file first."""
        named = (_line(entry, "file", None) for entry in self._named)
        made = self._store.keys()
        return (*named, *(_line(key.entry, "store", key.created_ns // 1_000_000_000) for key in made))

    def create(self, name: str, role: str, models: Sequence[str] | None) -> NewKey:
        """Makes a key. Raises Refusal (409) if the name is taken, StorageError."""
        if any(entry.name == name for entry in self._named):
            reason = f"The configuration file has a key named '{name}'; choose another name."
            raise Refusal(409, "key_in_file", reason, param="name")
        entry, text = self._store.add_key(name, role, models)
        try:
            self.publish()
        except StorageError as error:  # the text is shown only now; the doors hear of it a little later
            log.error("snapshot.unwritable reason=%s", error)
        line = next(line for line in self.lines() if line.id == entry.id)
        return NewKey(line, text)

    def revoke(self, id_or_name: str) -> KeyEntry:
        """Ends a key. Raises Refusal (404, or 409 for the file's), StorageError if the doors cannot be told."""
        if any(id_or_name in (entry.id, entry.name) for entry in self._named):
            reason = f"The key '{id_or_name}' is named in the configuration file; remove it there and restart."
            raise Refusal(409, "key_in_file", reason)
        entry = self._store.revoke_key(id_or_name)
        self.publish()
        return entry

    def keep_list(self, provider: str, models: Sequence[str]) -> None:
        """Keeps a provider's list of models. Raises StorageError."""
        if self._store.set_list(provider, models):
            self.publish()

    def publish(self) -> None:
        """Writes the file that the doors read. Raises StorageError, and `is_behind` stays set until it was written."""
        with self._lock:
            self.is_behind = True
            self.stored = self._store.stored()
            self._file.write(self.stored)
            self.is_behind = False


def _line(entry: KeyEntry, source: str, created: int | None) -> KeyLine:
    return KeyLine(entry.id, entry.name, entry.role, entry.models, source, created)
