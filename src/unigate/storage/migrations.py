"""Brings a database to the newest schema, one step at a time, each in a transaction of its own."""

from __future__ import annotations

from pathlib import Path

from unigate.errors import StorageError
from unigate.storage.schema import STEPS
from unigate.storage.sqlite import Database, Rows

__all__ = ["migrate"]


def migrate(database: Database, path: Path) -> None:
    """Takes the steps that are missing. Raises StorageError if a newer Unigate made this database."""
    version = -1
    while version != len(STEPS):
        with database.transaction() as run:
            version = _version(run)
            if version > len(STEPS):
                raise StorageError(
                    f"The database {path} was made by a newer Unigate (its schema is {version}, this one knows "
                    f"{len(STEPS)}). Run that version, or put back the backup made before the upgrade."
                )
            if version < len(STEPS):
                run(STEPS[version])


def _version(run: Rows) -> int:
    return int(str(run("PRAGMA user_version")[0][0]))
