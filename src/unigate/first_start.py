"""The first start in a data folder: makes the two first keys, and shows them where only their owner sees them."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from unigate.clock import wall
from unigate.errors import StorageError
from unigate.snapshot_file import SnapshotFile
from unigate.storage.opening import open_database
from unigate.storage.store import Store

__all__ = ["FirstKeys", "make_first_keys", "write_first_keys"]

log = logging.getLogger("unigate")


class FirstKeys(msgspec.Struct, frozen=True):
    """The texts of the first keys; kept nowhere but where they are shown."""

    admin: str
    client: str


def make_first_keys(data: Path, url: str | None = None) -> FirstKeys | None:
    """The keys of a first start, or None if this folder or database was used before. Raises StorageError."""
    try:
        store = Store(open_database(url, data), wall)
    except StorageError as error:
        if not (data / "snapshot.json").exists():
            raise
        log.error("database.silent reason=%s", error)  # the doors start from what was stored last
        return None
    try:
        texts = store.add_first_keys()
        if texts is None:
            return None
        SnapshotFile(data / "snapshot.json").write(store.stored())
    finally:
        store.close()
    return FirstKeys(*texts)


def write_first_keys(keys: FirstKeys, path: Path) -> None:
    """Leaves the keys in a file that only its owner can read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(f"admin {keys.admin}\nclient {keys.client}\n")
