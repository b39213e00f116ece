"""Forgetting a gateway whose host is lost: what it had reserved is free again, its running calls end as interrupted."""

from __future__ import annotations

import msgspec

from unigate.accounting.record import Intent, Record, decode_entry
from unigate.storage.database import Database, Rows
from unigate.storage.ledger import Batch, Ledger, OpenIntent, interrupted

__all__ = ["Forgotten", "GatewayLine", "forget_gateway", "known_gateways"]

_GATEWAYS = "SELECT id, seen_ns FROM gateways ORDER BY seen_ns DESC, id"
_INTENTS = "SELECT id, folder, entry FROM open_intents WHERE gateway = ?"
_RESERVED = (
    "SELECT COALESCE(SUM(amount), 0) FROM leases WHERE kind IN ('usd_day', 'usd_month', 'usd_total') "
    "AND life IN (SELECT life FROM lives WHERE gateway = ?)"
)
_FORGET = (
    "DELETE FROM leases WHERE life IN (SELECT life FROM lives WHERE gateway = ?)",
    "DELETE FROM rate_leases WHERE gateway = ?",
    "DELETE FROM lives WHERE gateway = ?",
    "DELETE FROM journal_offsets WHERE gateway = ?",
    "DELETE FROM open_intents WHERE gateway = ?",
    "DELETE FROM unlogged WHERE gateway = ?",
    "DELETE FROM log_marks WHERE gateway = ?",
    "DELETE FROM gateways WHERE id = ?",
)


class GatewayLine(msgspec.Struct, frozen=True):
    """A gateway that the database knows, and how many seconds ago it last said that it lives."""

    id: str
    silent_s: int


class Forgotten(msgspec.Struct, frozen=True):
    """What came of forgetting: calls that were charged all they had reserved, and nano-dollars that are free again."""

    calls: int
    freed: int


def known_gateways(database: Database) -> tuple[GatewayLine, ...]:
    """All gateways of a database, the latest first. Raises StorageError."""
    with database.reading() as run:
        now = run.now_ns()
        return tuple(GatewayLine(str(id), (now - int(str(seen))) // 1_000_000_000) for id, seen in run(_GATEWAYS))


def forget_gateway(database: Database, gateway: str) -> Forgotten:
    """Ends all that a gateway had open; done again, it changes nothing. Raises StorageError."""
    with database.reading() as run:
        records = _left_open(run, gateway)
    batch = Batch(records=records)
    Ledger(database, gateway).keep(batch)
    with database.transaction() as run:
        freed = int(str(run(_RESERVED, (gateway,))[0][0]))
        for statement in _FORGET:
            run(statement, (gateway,))
    return Forgotten(len(records), freed)


def _left_open(run: Rows, gateway: str) -> list[tuple[Record, str]]:
    left = msgspec.convert(run(_INTENTS, (gateway,)), list[OpenIntent])
    entries = ((decode_entry(one.entry), one.folder) for one in left)
    return [(interrupted(entry), folder) for entry, folder in entries if isinstance(entry, Intent)]
