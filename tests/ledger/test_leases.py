"""What is lent of money, in the database itself: a word that comes late, or never, leaves nothing below zero."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import eventually
from unigate.accounting.record import Record
from unigate.admission.bank_words import Back, Draw, FromBank, Grant, Hello, Holding, Want
from unigate.admission.lease_book import LeaseBook, Life
from unigate.bank_desk import BankDesk
from unigate.storage.bank import Bank
from unigate.storage.branch import Job
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

    def hello(self, life: str, drawn: int | None = None, closed: int = 0) -> None:
        holdings = (Holding(*PLACE, drawn or 0, closed),) if drawn is not None or closed else ()
        self.bank.work([Job(life, holdings=holdings)], 1.0)

    def draw(self, life: str, need: int, returned: int = 0) -> Grant:
        want = Want(*PLACE, 100, returned, (need,), 0)
        return self.bank.work([Job(life, wants=(want,), is_last=True)], 1.0)[0].grants[0]

    def leases(self) -> dict[str, tuple[int, int]]:
        with self.database.reading() as run:
            rows = run("SELECT life, amount, drawn FROM leases")
            return {str(life): (int(str(amount)), int(str(drawn))) for life, amount, drawn in rows}

    def carry(self, life: str, cost: int) -> None:
        record = Record(
            "req_1",
            AT,
            "openai.chat",
            200,
            "ok",
            1,
            key="key_1",
            cost=cost,
            held=cost,
            budgets=(("key_1", "usd_total"),),
        )
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

    late = Job("door-0", wants=(Want(*PLACE, 100, 60, (101,), 0),), is_last=True)
    assert office.bank.work([late], 1.0)[0].is_stranger
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


def test_what_was_spent_of_a_limit_that_was_forgotten_unheard_is_lent_to_nobody_before_its_record_came(
    office: Office,
) -> None:
    office.hello("door-0")
    office.draw("door-0", 60)

    office.hello("door-0", closed=60)  # the line broke before anyone heard, and the record is still in the journal
    office.hello("door-1")

    assert office.draw("door-1", 41).amount == 0
    office.carry("door-0", 60)
    assert office.leases() == {"door-0": (0, 0)}
    assert [office.draw("door-1", need).amount for need in (41, 40)] == [0, 40]


@pytest.mark.parametrize("unheard", [0, 25])
def test_what_a_door_says_again_of_a_limit_that_it_forgot_changes_nothing(office: Office, unheard: int) -> None:
    office.hello("door-0")
    office.draw("door-0", 60)
    office.bank.work([Job("door-0", backs=(Back(*PLACE, 0, closed=True),))], 1.0)
    office.draw("door-0", 15)
    if unheard:
        office.hello("door-0", 15)
        office.draw("door-0", unheard)

    office.hello("door-0", 15, closed=60)

    assert office.leases() == {"door-0": (75 + unheard, 15)}, "what is in doubt stays with the door"
    office.ledger.keep(Batch(ended=["door-0"]))
    assert office.leases() == {}


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


class Line:
    """A door's line; what it is told is not looked at."""

    life = ""
    is_gone = False

    def say(self, word: FromBank) -> None:
        """Hears a word."""

    def close(self) -> None:
        """Hangs up."""


def test_a_door_that_hung_up_gets_nothing_that_would_be_kept_for_ever(office: Office) -> None:
    async def play() -> None:
        desk = BankDesk(office.bank, frozenset, lambda: 1)
        living = asyncio.create_task(desk.live())
        line, other = Line(), Line()
        desk.heard(line, Hello("door-0", ()))
        desk.heard(other, Hello("door-1", ()))
        await eventually(lambda: len(desk.doors) == 2)
        desk.heard(line, Draw(1, (Want(*PLACE, 100, 0, (60,), 0),)))
        line.is_gone = True
        desk.hung_up(line)
        desk.heard(other, Draw(2, (Want(*PLACE, 100, 0, (30,), 0),)))
        await eventually(lambda: bool(office.leases()))
        living.cancel()
        await asyncio.wait((living,))

    asyncio.run(play())
    assert office.leases() == {"door-1": (30, 30)}


def test_a_door_that_dies_while_it_says_hello_is_not_taken_for_living(office: Office) -> None:
    async def play() -> None:
        desk = BankDesk(office.bank, frozenset, lambda: 1)
        living = asyncio.create_task(desk.live())
        line, other = Line(), Line()
        desk.heard(line, Hello("door-0", ()))
        line.is_gone = True
        desk.hung_up(line)
        desk.heard(other, Hello("door-1", ()))
        await eventually(lambda: "door-1" in desk.doors)
        assert list(desk.doors) == ["door-1"]
        living.cancel()
        await asyncio.wait((living,))

    asyncio.run(play())


def test_a_draw_that_waited_until_its_doors_life_was_ended_lends_nothing(office: Office) -> None:
    office.hello("door-0")
    office.ledger.keep(Batch(ended=["door-0"], gone=["door-0"]))

    outcome = office.bank.work([Job("door-0", wants=(Want(*PLACE, 100, 0, (60,), 0),))], 1.0)[0]

    assert (outcome.is_stranger, office.leases()) == (True, {})
    office.hello("door-0")  # it was forgotten, and lives
    assert office.draw("door-0", 60).amount == 60


def test_a_limit_that_comes_back_counts_what_was_spent_while_it_was_away(office: Office) -> None:
    office.hello("door-0")
    office.draw("door-0", 60)
    office.carry("door-0", 50)  # held of its project's limit alone
    office.bank.work([Job("door-0", backs=(Back(*PLACE, 60),)), Job("door-0", backs=(Back(*PLACE, 0, True),))], 1.0)

    assert office.leases() == {}
    assert office.draw("door-0", 51).amount == 0


def test_a_slice_that_a_door_never_heard_of_is_free_again(office: Office) -> None:
    office.hello("door-0")
    office.draw("door-0", 60)
    office.draw("door-0", 20)
    office.carry("door-0", 10)

    office.hello("door-0", 60)

    assert office.leases() == {"door-0": (50, 60)}


def test_a_call_shrinks_only_the_leases_it_was_held_of(office: Office) -> None:
    office.hello("door-0")
    office.draw("door-0", 50)
    elsewhere = (("org_1", "usd_total"),)
    record = Record("req_1", AT, "openai.chat", 200, "ok", 1, key="key_1", cost=20, held=20, budgets=elsewhere)
    office.ledger.keep(Batch(records=[(record, "door-0")]))
    assert office.leases() == {"door-0": (50, 50)}
