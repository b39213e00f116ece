"""Where the key comes from that seals secrets in the database: the environment, or a file that is made once."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from unigate.errors import StorageError
from unigate.secret import Secret

__all__ = ["seal_keys"]

_SHORTEST = 16


def seal_keys(data: Path, environment: Mapping[str, str]) -> tuple[Secret, ...]:
    """The keys of this gateway, the one that seals first. Raises StorageError for one that is too short."""
    given = [environment[name] for name in ("UNIGATE_SECRET", "UNIGATE_SECRET_OLD") if environment.get(name)]
    if any(len(one) < _SHORTEST for one in given):
        raise StorageError(
            f"UNIGATE_SECRET has at least {_SHORTEST} characters; 'openssl rand -hex 32' makes a good one."
        )
    path = data / "secret.key"
    if environment.get("UNIGATE_SECRET"):
        kept = [_read(path)] if path.exists() else []  # what it sealed before can still be opened
        return tuple(Secret(one) for one in (*given, *kept))
    return tuple(Secret(one) for one in (_made(path), *given))


def _made(path: Path) -> str:
    """The file's content; of two that make it at once one wins, and both read the winner's."""
    if not path.exists():
        fresh = path.with_suffix(f".{os.getpid()}")
        try:
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
                file.write(secrets.token_hex(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(fresh, path)
            except FileExistsError:
                pass
            fresh.unlink()
        except OSError as error:
            raise StorageError(f"The file {path} cannot be made: {error.strerror}.") from error
    return _read(path)


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"The file {path} cannot be read: {error}.") from error
