"""Opens the database that a configuration names, at the newest schema, and knows which gateway this is."""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path

from unigate.errors import StorageError
from unigate.storage.database import Database
from unigate.storage.migrations import migrate
from unigate.storage.sqlite import Sqlite

__all__ = ["MOVED", "gateway_id", "is_moved", "open_database", "sqlite_path"]

log = logging.getLogger("unigate.keeper")

MOVED = "moved-database"
"""The file in the data folder that has the address of a ledger that was moved."""

_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")
_HAS_META = "SELECT 1 FROM sqlite_schema WHERE name = 'meta'"
_MOVED_TO = "SELECT value FROM meta WHERE name = 'moved_to'"


def open_database(url: str | None, data: Path) -> Database:
    """The database of that URL, or `unigate.db` in the data folder; made if need be. Raises StorageError."""
    path = sqlite_path(url, data)
    if path is not None:
        database: Database = Sqlite(path)
        if is_moved(database):
            return _follow(database, data)
    elif url is not None and url.startswith(_POSTGRES):
        from unigate.storage.postgres import Postgres  # its library takes 25 MB, and as long as all the rest

        database = Postgres(url)
    else:
        raise StorageError("The database's URL must begin with sqlite:/// or postgresql://.")
    try:
        migrate(database)
    except StorageError:
        database.close()
        raise
    return database


def is_moved(database: Database) -> bool:
    """Whether an SQLite database's content is elsewhere by now. Raises StorageError."""
    with database.reading() as run:
        return bool(run(_HAS_META)) and bool(run(_MOVED_TO))


def _follow(database: Database, data: Path) -> Database:
    """The database that this one was moved to, as long as the configuration does not name it."""
    with database.reading() as run:
        there = str(run(_MOVED_TO)[0][0])
    database.close()
    advice = f"The database was moved to {there}; name it as 'database' in the configuration."
    try:
        url = (data / MOVED).read_text("utf-8").strip()
    except OSError as error:
        raise StorageError(advice) from error
    log.warning("database.moved reason=%s", advice)
    return open_database(url, data)


def sqlite_path(url: str | None, data: Path) -> Path | None:
    """The file of an SQLite database; None if the URL names something else."""
    if url is None:
        return data / "unigate.db"
    return Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None


def gateway_id(data: Path) -> str:
    """What this data folder is called in a database that several gateways share; made once. Raises StorageError."""
    path = data / "gateway-id"
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            fresh = data / f"gateway-id.{os.getpid()}"
            fresh.touch(0o600)
            fresh.write_text(f"gw-{secrets.token_hex(8)}\n", "ascii")
            try:
                os.link(fresh, path)  # of two at once one wins, and both read the winner's
            except FileExistsError:
                pass
            fresh.unlink()
        return path.read_text("ascii").strip()
    except OSError as error:
        raise StorageError(f"The file {path} cannot be made: {error.strerror}.") from error
