"""The first start in a data folder: makes the two first keys, and shows them where only their owner sees them."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from unigate.clock import wall
from unigate.errors import ConfigError, Problem, StorageError
from unigate.snapshot_file import SnapshotFile
from unigate.storage.change import Named
from unigate.storage.opening import open_database
from unigate.storage.store import Kept, Store

__all__ = ["FirstKeys", "make_first_keys", "write_first_keys"]

_NOTHING = Named()

log = logging.getLogger("unigate")


class FirstKeys(msgspec.Struct, frozen=True):
    """The texts of the first keys; kept nowhere but where they are shown."""

    admin: str
    client: str


def make_first_keys(data: Path, url: str | None = None, named: Named = _NOTHING) -> FirstKeys | None:
    """The keys of a first start, or None if this folder or database was used before. Raises StorageError.

    Raises ConfigError for what the configuration file names and the database too: nobody could tell them apart.
    """
    try:
        store = Store(open_database(url, data), wall)
    except StorageError as error:
        if not (data / "snapshot.json").exists():
            raise
        log.error("database.silent reason=%s", error)  # the doors start from what was stored last
        return None
    try:
        texts = store.add_first_keys([one.name for one in named.keys])
        if texts is None:
            _check_names(store.kept(), named)
            return None
        SnapshotFile(data / "snapshot.json").write(store.stored())
    finally:
        store.close()
    return FirstKeys(*texts)


def _check_names(kept: Kept, named: Named) -> None:
    pairs = (
        ("key", [one.entry.name for one in kept.keys], [one.name for one in named.keys]),
        ("project", [one.entry.name for one in kept.projects], [one.name for one in named.projects]),
        ("organisation", [one.entry.name for one in kept.organisations], [one.name for one in named.organisations]),
    )
    both = [(kind, name) for kind, theirs, ours in pairs for name in sorted({*theirs} & {*ours})]
    if both:
        reason = "the {0} '{1}' is named here and in the database; rename it here, or end the other one"
        raise ConfigError(*(Problem("configuration", 0, reason.format(kind, name)) for kind, name in both))


def write_first_keys(keys: FirstKeys, path: Path) -> None:
    """Leaves the keys in a file that only its owner can read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(f"admin {keys.admin}\nclient {keys.client}\n")
