"""The bank, the renewal and the carrier of one gateway write to the same leases at once, and never get stuck."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from ledger.servers import Database
from unigate.accounting.record import Record
from unigate.admission.bank_words import Want
from unigate.storage.bank import Bank, Job
from unigate.storage.ledger import Batch, Ledger
from unigate.storage.opening import open_database
from unigate.storage.sql_rates import SqlRates

AT = 1_795_392_000_000_000_000  # 2026-11-23 00:00:00 UTC
SCOPES = ("key_1", "proj_1", "org_1")
WINDOWS = (("usd_day", "2026-11-23"), ("usd_month", "2026-11"), ("usd_total", "total"))
PLACES = [(scope, kind, window) for scope in SCOPES for kind, window in WINDOWS]
BUDGETS = tuple((scope, kind) for scope, kind, _ in PLACES)
LIVES = ("door-0", "door-1")
TURNS = 40
RATES = [(scope, kind, "") for scope in SCOPES for kind in ("requests", "tokens", "slots")]


def record(number: int) -> Record:
    where = Record(f"req_{number}", AT, "openai.chat", 200, "ok", 1, key="key_1", project="proj_1")
    return msgspec.structs.replace(where, organisation="org_1", cost=1, held=5, budgets=BUDGETS)


def test_two_who_write_to_the_same_leases_never_wait_for_each_other(database: Database, tmp_path: Path) -> None:
    ours = open_database(database.url, tmp_path)
    bank, ledger, chance = Bank(ours, "gw", of_money=True), Ledger(ours, "gw"), random.Random(1)
    bank.work([Job(life, holdings=()) for life in LIVES], 1.0)

    def draw(_: int) -> None:
        jobs = [
            Job(life, wants=tuple(Want(*place, 10**9, 1, (5,), 0) for place in chance.sample(PLACES, 6)))
            for life in chance.sample(LIVES, 2)
        ]
        bank.work(jobs, 1.0)

    def carry(turn: int) -> None:
        ledger.keep(Batch(records=[(record(10 * turn + one), LIVES[one % 2]) for one in range(10)]))

    def often(one: Callable[[int], None]) -> None:
        for turn in range(TURNS):
            one(turn)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(often, draw), pool.submit(often, carry)]:
            done.result()  # a deadlock is a StorageError after a second
    ours.close()


def test_a_beat_and_draws_of_the_same_door_never_wait_for_each_other(database: Database, tmp_path: Path) -> None:
    ours = open_database(database.url, tmp_path)
    bank, chance = Bank(ours, "gw", of_money=False), random.Random(1)
    rates, money = SqlRates(ours, bank, "gw"), Bank(ours, "gw", of_money=True)
    rates.work([Job(life, holdings=()) for life in LIVES])

    def draw(_: int) -> None:
        some = chance.sample(RATES, len(RATES))
        rates.work([Job(life, wants=tuple(Want(*place, 10**9, 1, (5,), 0) for place in some)) for life in LIVES])

    def beat(_: int) -> None:
        rates.beat(LIVES, 0, "")

    def beat_of_money(_: int) -> None:
        money.beat(LIVES, 0, 1.0)

    def often(one: Callable[[int], None]) -> None:
        for turn in range(10 * TURNS):
            one(turn)

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(often, one) for one in (draw, beat, beat_of_money)]:
            done.result()  # a deadlock is a StorageError after a second
    ours.close()
