"""The database as the store of rates that several gateways share, and who of them lends how."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from unigate.admission.allowance import Key
from unigate.admission.standby import Beat, Neighbour
from unigate.storage.bank import Bank
from unigate.storage.branch import Job, Outcome
from unigate.storage.database import Database
from unigate.storage.rates import rates_lock

__all__ = ["SqlRates"]

_PATIENCE = 0.5
_SEEN = (
    "INSERT INTO rate_gateways (gateway, seen_ns, alone) VALUES (?, ?, ?) "
    "ON CONFLICT (gateway) DO UPDATE SET seen_ns = excluded.seen_ns, alone = excluded.alone"
)
_OTHERS = "SELECT gateway, seen_ns, alone FROM rate_gateways WHERE gateway <> ? AND seen_ns > ?"
_GONE_NS = 75_000_000_000
# A database that took something down has it for ever, so its book is always the same one.
_EPOCH = "database"


class SqlRates:
    """One gateway's side of it. Blocking; every method raises StorageError."""

    def __init__(self, database: Database, bank: Bank, gateway: str) -> None:
        self._database = database
        self._bank = bank
        self._gateway = gateway

    @property
    def patience(self) -> float:
        """Seconds that a call may wait for it."""
        return _PATIENCE

    def work(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Does the jobs in their order, all of them or none."""
        return self._bank.work(jobs, _PATIENCE)

    def beat(self, lives: Iterable[str], alone: int, epoch: str) -> Beat:
        """Says that this gateway lives, and learns who else does."""
        with self._database.transaction(_PATIENCE) as run:
            run.lock(rates_lock(self._gateway))  # the bank may be at the same rows, in another order
            now_ns = run.now_ns()
            self._bank.renew(run, lives, now_ns)
            run(_SEEN, (self._gateway, now_ns, alone))
            rows = run(_OTHERS, (self._gateway, now_ns - _GONE_NS))
        others = tuple(
            Neighbour(str(gateway), (now_ns - int(str(seen_ns))) / 1e9, int(str(count)), _EPOCH)
            for gateway, seen_ns, count in rows
        )
        return Beat(now_ns, _EPOCH, others)

    def end(self, life: str) -> None:
        """A door is dead, and its calls with it."""
        self._bank.end(life, _PATIENCE)

    def neighbours(self, lives: Iterable[str]) -> dict[str, str]:
        """Those of the lives that belong to other gateways, and to which."""
        return self._bank.neighbours(lives, _PATIENCE)

    def post(self, keys: Sequence[Key]) -> int:
        """Asks all other gateways to recall; the number their answers will have."""
        return self._bank.post(keys, _PATIENCE)

    def asked(self) -> list[tuple[int, list[Key]]]:
        """What other gateways ask this one to recall."""
        return self._bank.asked(_PATIENCE)

    def answer(self, number: int) -> None:
        """Tells another gateway that all was given back."""
        self._bank.answer(number, _PATIENCE)

    def answers(self, number: int) -> frozenset[str]:
        """The gateways that have answered a recall of this one."""
        return self._bank.answers(number, _PATIENCE)
