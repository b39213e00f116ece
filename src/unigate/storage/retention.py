"""Retention: removes the oldest calls and changes in small batches; what was spent, and its sums, stay for ever."""

from __future__ import annotations

from unigate.config import RetentionSettings
from unigate.storage.database import META, SET_META, Database, Rows
from unigate.storage.history import forget_history

__all__ = ["Retention", "removed_until"]

_OLDEST = "SELECT id, at_ns FROM calls WHERE at_ns < ? ORDER BY at_ns, id LIMIT ?"
_DROP = (
    "DELETE FROM bodies WHERE call = ?",
    "DELETE FROM failed_attempts WHERE call = ?",
    "DELETE FROM calls WHERE id = ?",
)
_COUNT = "SELECT count(*) FROM calls"
_TRIMMED = "trimmed_size"
_REMOVED = "removed_until_ns"
_DAY_NS = 86_400_000_000_000
_EVER = 2**62
_AT_ONCE = 500
_LOOK_S = 60.0
_BREATH = 0.1
_PATIENT = 60.0
# So much of the limit is left free at least, so that it is not trimmed call by call.
_ROOM = 0.05


class Retention:
    """What one keeper removes; several at one database take turns. Blocking: one thread."""

    def __init__(self, database: Database, settings: RetentionSettings) -> None:
        self._database = database
        self._settings = settings
        self._excess = 0

    def turn(self) -> float:
        """Removes one batch, if there is anything to remove; seconds to rest before the next. Raises StorageError."""
        if not self._excess:
            self._excess = self._too_many()
        is_too_large = self._excess > 0
        with self._database.transaction() as run:
            run.lock("retention")
            if self._excess:
                removed = self._remove(run, _EVER, min(self._excess, _AT_ONCE))
            else:
                removed = self._remove(run, run.now_ns() - self._settings.days * _DAY_NS, _AT_ONCE)
            has_more = forget_history(run, run.now_ns() - self._settings.history_days * _DAY_NS, _AT_ONCE)
        if self._excess:
            self._excess = max(self._excess - removed, 0) if removed else 0
            if not self._excess:
                self._note_trimmed()
        return _BREATH if is_too_large or has_more or removed == _AT_ONCE else _LOOK_S

    def _too_many(self) -> int:
        """How many calls must go for the size's sake."""
        if self._settings.max_gb is None:
            return 0
        size, limit = self._database.size(), int(self._settings.max_gb * 2**30)
        with self._database.reading(_PATIENT) as run:
            trimmed = run(META, (_TRIMMED,))
            if size <= max(limit, int(str(trimmed[0][0])) if trimmed else 0):
                return 0
            return int(int(str(run(_COUNT)[0][0])) * min(1 - limit / size + _ROOM, 1.0))

    def _note_trimmed(self) -> None:
        """Tables that do not shrink have room inside now, and are large enough only once they grow again."""
        size, limit = self._database.size(), int((self._settings.max_gb or 0) * 2**30)
        is_full_of_room = size > limit and not self._database.shrinks
        with self._database.transaction() as run:
            run(SET_META, (_TRIMMED, str(size if is_full_of_room else 0)))

    def _remove(self, run: Rows, before_ns: int, most: int) -> int:
        rows = run(_OLDEST, (before_ns, most))
        ids = [(str(row[0]),) for row in rows]
        for statement in _DROP:
            run.many(statement, ids)
        if rows:
            run(SET_META, (_REMOVED, str(max(int(str(rows[-1][1])), removed_until(run)))))
        return len(ids)


def removed_until(run: Rows) -> int:
    """Until when calls were removed, in nanoseconds since 1970: what began by then may have no row any more."""
    found = run(META, (_REMOVED,))
    return int(str(found[0][0])) if found else 0
