"""How a money limit stands: what was spent of it in a window, and what doors have of it for calls that run."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from unigate.storage.database import Database

__all__ = ["Standing", "standings"]

# Both in one statement, so that a record carried meanwhile is seen in both or in neither.
_STANDING = (
    'SELECT COALESCE((SELECT nano FROM spend WHERE scope = ?1 AND "window" = ?3), 0), '
    'COALESCE((SELECT SUM(amount) FROM leases WHERE scope = ?1 AND kind = ?2 AND "window" = ?3), 0)'
)


class Standing(msgspec.Struct, frozen=True):
    """Nano-dollars of one limit in one window."""

    spent: int
    held: int


def standings(database: Database, places: Sequence[tuple[str, str, str]]) -> list[Standing]:
    """How each limit stands, by scope, kind and window. Raises StorageError."""
    with database.reading() as run:
        rows = [run(_STANDING, place)[0] for place in places]
    return [Standing(int(str(spent)), int(str(held))) for spent, held in rows]
