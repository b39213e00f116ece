"""What is lent of money, in the database itself: a word that comes late, or never, leaves nothing below zero."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from unigate.accounting.record import Record
from unigate.admission.bank_words import Back, Grant, Holding, Want
from unigate.admission.lease_book import LeaseBook, Life
from unigate.storage.bank import Bank, Job
from unigate.storage.database import Database
from unigate.storage.ledger import Batch, Ledger
from unigate.storage.opening import open_database

AT = 1_795_392_000_000_000_000  # 2026-11-23 00:00:00 UTC
PLACE = ("key_1", "usd_total", "total")


class Office:
    """A bank and the ledger it stands beside."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.bank = Bank(database, "gw", of_money=True)
        self.ledger = Ledger(database, "gw")

    def hello(self, life: str, drawn: int | None = None) -> None:
        holdings = (Holding(*PLACE, drawn),) if drawn is not None else ()
        self.bank.work([Job(life, holdings=holdings)], 1.0)

    def draw(self, life: str, need: int, returned: int = 0) -> Grant:
        want = Want(*PLACE, 100, returned, (need,), 0)
        return self.bank.work([Job(life, wants=(want,), is_last=True)], 1.0)[0].grants[0]

    def leases(self) -> dict[str, tuple[int, int]]:
        with self.database.reading() as run:
            rows = run("SELECT life, amount, drawn FROM leases")
            return {str(life): (int(str(amount)), int(str(drawn))) for life, amount, drawn in rows}

    def carry(self, life: str, cost: int) -> None:
        record = Record("req_1", AT, "openai.chat", 200, "ok", 1, key="key_1", cost=cost, held=cost)
        self.ledger.keep(Batch(records=[(record, life)]))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    database = open_database(None, tmp_path)
    yield Office(database)
    database.close()


def test_what_a_door_gives_back_after_its_life_was_ended_is_not_given_back_twice(office: Office) -> None:
    office.hello("door-0")
    assert office.draw("door-0", 60).amount == 60
    office.ledger.keep(Batch(ended=["door-0"]))

    office.bank.work([Job("door-0", backs=(Back(*PLACE, 60),))], 1.0)

    assert office.leases() == {}
    office.hello("door-1")
    assert office.draw("door-1", 150).amount == 0


def test_what_a_door_puts_back_with_a_late_wish_is_not_put_back_twice(office: Office) -> None:
    office.hello("door-0")
    office.draw("door-0", 60)
    office.ledger.keep(Batch(ended=["door-0"]))

    assert office.draw("door-0", 101, returned=60).amount == 0
    assert office.leases() == {}


def test_a_limit_that_a_door_has_forgotten_unheard_is_not_lent_again(office: Office) -> None:
    office.hello("door-0")
    office.draw("door-0", 60)
    office.carry("door-0", 60)

    office.hello("door-0")  # it said that it forgets the limit, and the line broke before anyone heard

    assert office.leases() == {"door-0": (0, 0)}
    assert office.draw("door-0", 41).amount == 0
    assert office.draw("door-0", 40).amount == 40
    office.hello("door-0", 40)
    assert office.leases() == {"door-0": (40, 40)}


def test_slots_of_a_dead_door_are_not_given_back_twice(office: Office) -> None:
    slots = ("key_1", "slots", "")
    rates = Bank(office.database, "gw", of_money=False)
    rates.work([Job("door-0", holdings=(), wants=(Want(*slots, 5, 0, (1, 1, 1), 0),))], 1.0)
    rates.end("door-0", 1.0)

    rates.work([Job("door-0", backs=(Back(*slots, 3),)), Job("door-1", holdings=())], 1.0)

    wishes = (Want(*slots, 5, 0, (1,) * 6, 0),)
    assert rates.work([Job("door-1", wants=wishes, is_last=True)], 1.0)[0].grants[0].amount == 5


def test_slots_of_a_dead_door_are_not_given_back_twice_in_memory_either() -> None:
    slots = ("key_1", "slots", "")
    book = LeaseBook({}, {one: Life("gw", AT) for one in ("door-0", "door-1")}, AT)
    book.lend("door-0", Want(*slots, 5, 0, (1, 1, 1), 0), partly=True)
    book.end("door-0")

    book.take_back("door-0", (Back(*slots, 3),))

    assert book.lend("door-1", Want(*slots, 5, 0, (1,) * 6, 0), partly=True).amount == 5


def test_a_slice_that_a_door_never_heard_of_is_free_again(office: Office) -> None:
    office.hello("door-0")
    office.draw("door-0", 60)
    office.draw("door-0", 20)
    office.carry("door-0", 10)

    office.hello("door-0", 60)

    assert office.leases() == {"door-0": (50, 60)}
