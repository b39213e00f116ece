"""Opens the database that a configuration names, at the newest schema, and knows which gateway this is."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from unigate.errors import StorageError
from unigate.storage.database import Database
from unigate.storage.migrations import migrate
from unigate.storage.postgres import Postgres
from unigate.storage.sqlite import Sqlite

__all__ = ["gateway_id", "open_database", "sqlite_path"]

_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")


def open_database(url: str | None, data: Path) -> Database:
    """The database of that URL, or `unigate.db` in the data folder; made if need be. Raises StorageError."""
    path = sqlite_path(url, data)
    if path is not None:
        database: Database = Sqlite(path)
    elif url is not None and url.startswith(_POSTGRES):
        database = Postgres(url)
    else:
        raise StorageError("The database's URL must begin with sqlite:/// or postgresql://.")
    try:
        migrate(database)
    except StorageError:
        database.close()
        raise
    return database


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
            fresh.write_text(f"gw-{secrets.token_hex(8)}\n", "ascii")
            try:
                os.link(fresh, path)  # of two at once one wins, and both read the winner's
            except FileExistsError:
                pass
            fresh.unlink()
        return path.read_text("ascii").strip()
    except OSError as error:
        raise StorageError(f"The file {path} cannot be made: {error.strerror}.") from error
