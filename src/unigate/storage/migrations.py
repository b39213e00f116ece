"""Brings a database to the newest schema, one step at a time, each in a transaction of its own."""

from __future__ import annotations

from unigate.errors import StorageError
from unigate.storage.database import Database
from unigate.storage.schema import STEPS

__all__ = ["migrate"]

# A step may have to go through every row there is.
_LONGEST_STEP = 3600.0


def migrate(database: Database, steps: tuple[str, ...] = STEPS) -> None:
    """Takes the steps that are missing, whoever else does so too. Raises StorageError if a newer Unigate was here."""
    version = -1
    while version != len(steps):
        with database.transaction(_LONGEST_STEP) as run:
            run.lock("schema")
            version = database.version(run)
            if version > len(steps):
                raise StorageError(
                    f"The database {database.name} was made by a newer Unigate (its schema is {version}, this one "
                    f"knows {len(steps)}). Run that version, or put back the backup made before the upgrade."
                )
            if version < len(steps):
                database.step(run, steps[version], version + 1)
