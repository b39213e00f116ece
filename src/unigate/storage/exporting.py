"""Calls on their way out: all of a time, oldest first, as objects of one line each."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from unigate.storage.calls import COLUMNS, Attempt, CallLine
from unigate.storage.database import Database

__all__ = ["exported_lines"]

_AT_ONCE = 1000
_CALLS = (
    f"SELECT {COLUMNS} FROM calls WHERE (at_ns, id) > (?, ?) AND at_ns >= ? AND at_ns < ? ORDER BY at_ns, id LIMIT ?"
)
_ATTEMPTS = (
    'SELECT f.call, f.number, f.provider, f.target, f."end", f.us FROM failed_attempts f JOIN calls c ON c.id = f.call '
    "WHERE (c.at_ns, c.id) >= (?, ?) AND (c.at_ns, c.id) <= (?, ?) ORDER BY f.call, f.number"
)

_encode = msgspec.json.Encoder().encode


def exported_lines(database: Database, since_ns: int, until_ns: int) -> Iterator[bytes]:
    """A JSON line for each call that began in this time; calls that come in meanwhile may be there or not."""
    last = (since_ns, "")
    while True:
        with database.reading() as run:
            rows = run(_CALLS, (*last, since_ns, until_ns, _AT_ONCE))
            lines = [msgspec.convert(row, CallLine, strict=False) for row in rows]
            if not lines:
                return
            first, last = (lines[0].at_ns, lines[0].id), (lines[-1].at_ns, lines[-1].id)
            attempts: dict[str, list[Attempt]] = {}
            for call, *rest in run(_ATTEMPTS, (*first, *last)):
                attempts.setdefault(str(call), []).append(msgspec.convert(rest, Attempt))
        for line in lines:
            yield _line(line, attempts.get(line.id, []))


def _line(call: CallLine, attempts: list[Attempt]) -> bytes:
    fields = msgspec.structs.asdict(call)
    fields["flags"] = call.flags.split()
    fields["dropped"] = call.dropped.split("\n") if call.dropped else []
    fields["failed_attempts"] = [msgspec.structs.asdict(one) for one in attempts]
    return _encode(fields) + b"\n"
