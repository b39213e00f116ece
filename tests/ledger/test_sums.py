"""Whatever happens in whatever order, the sum of the rows is the counter, to the nano-dollar."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ledger.test_rows import HOUR, Gateway, intent, lend, record
from unigate.accounting.record import encode_entry
from unigate.errors import StorageError
from unigate.journal import Journal
from unigate.storage.checking import check_books
from unigate.storage.opening import open_database
from unigate.usage import Usage

COSTS = st.one_of(st.none(), st.integers(0, 10**9), st.just(10**15))
TOKENS = st.one_of(st.none(), st.integers(0, 10**6))


class Ledger(RuleBasedStateMachine):
    """A gateway whose doors and keeper die, whose database fails and whose entries come twice."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.books = open_database(None, Path(self.folder.name))
        self.gateway = Gateway(self.books, Path(self.folder.name))
        self.lives: dict[str, Journal] = {}
        self.made = 0
        self.written: dict[str, int] = {}
        self.lines: Counter[str] = Counter()
        self.open: dict[str, set[str]] = {}
        self.lent = 0

    def _journal(self, door: int) -> tuple[str, Journal]:
        life = next((one for one in self.lives if one.startswith(f"door-{door}-")), f"door-{door}-{self.made:06x}")
        if life not in self.lives:
            self.made += 1
            self.lives[life] = self.gateway.journal(life=life)
            self.open[life] = set()
            lend(self.books, life, "usd_total", "total", 10**18)
            self.lent += 10**18
        return life, self.lives[life]

    @rule(door=st.integers(0, 2))
    def begins_a_call(self, door: int) -> None:
        life, journal = self._journal(door)
        self.made += 1
        journal.append(encode_entry(intent(self.made)))
        self.open[life].add(f"req_{self.made:08x}")

    @rule(door=st.integers(0, 2), cost=COSTS, tokens=TOKENS, hours=st.integers(-800, 0), twice=st.booleans())
    def settles_a_call(self, door: int, cost: int | None, tokens: int | None, hours: int, twice: bool) -> None:
        life, journal = self._journal(door)
        id = min(self.open[life], default=None)
        self.made += id is None
        id = id or f"req_{self.made:08x}"
        self.open[life].discard(id)
        told = record(0, cost=cost, usage=Usage(input_tokens=tokens))
        told = msgspec.structs.replace(told, id=id, at_ns=told.at_ns + hours * HOUR)
        for _ in range(1 + twice):
            journal.append(encode_entry(told))
            self.lines[id] += 1
        self.written[id] = cost or 0

    @rule()
    def carries(self) -> None:
        self.gateway.carry()

    @rule()
    def carries_while_the_database_fails(self) -> None:
        with self.books.transaction() as run:
            run("ALTER TABLE journal_offsets RENAME TO hidden")
        try:
            self.gateway.carrier.turn()
        except StorageError:
            pass
        with self.books.transaction() as run:
            run("ALTER TABLE hidden RENAME TO journal_offsets")

    @rule()
    def keeper_is_replaced(self) -> None:
        self.gateway.start()

    @rule(door=st.integers(0, 2))
    def door_dies(self, door: int) -> None:
        life, journal = self._journal(door)
        journal.close()
        del self.lives[life]
        for id in self.open.pop(life):
            self.written[id] = 5_000
            self.lines[id] += 1

    @invariant()
    def books_agree(self) -> None:
        assert check_books(self.books, "gw-1", self.gateway.folder).is_clean

    def teardown(self) -> None:
        for door in range(3):
            self.door_dies(door)
        self.gateway.carry()
        with self.books.reading() as run:
            rows = {str(id): int(str(cost or 0)) for id, cost in run("SELECT id, cost_nano FROM calls")}
            counter = run("SELECT nano, calls FROM spend WHERE scope = 'org_1' AND \"window\" = 'total'")
            left = run("SELECT count(*) FROM leases")[0][0]
        assert rows == self.written
        assert [tuple(row) for row in counter] == ([(sum(rows.values()), len(rows))] if rows else [])
        assert (left, Counter(self.gateway.paper.ids)) == (0, self.lines)
        self.books.close()
        self.folder.cleanup()


Ledger.TestCase.settings = settings(
    max_examples=10, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLedger = Ledger.TestCase
