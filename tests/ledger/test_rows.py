"""The ledger on both databases: each call once, its counters, leases and place with it, through the death of anyone."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from ledger.servers import Database as Fresh
from unigate.accounting.record import FailedAttempt, Intent, Record, encode_entry
from unigate.accounting.redaction import Redactor
from unigate.config import RetentionSettings
from unigate.errors import StorageError
from unigate.journal import Journal
from unigate.storage.calls import CallFilter, CallPage, one_call, page_of_calls
from unigate.storage.carrier import Carrier
from unigate.storage.checking import check_books
from unigate.storage.database import Database
from unigate.storage.exporting import exported_lines
from unigate.storage.forgetting import forget_gateway, known_gateways
from unigate.storage.history import Change, audit_page, forget_history, oldest_version, version_page
from unigate.storage.history import record as record_change
from unigate.storage.ledger import Batch, Ledger
from unigate.storage.opening import open_database
from unigate.storage.retention import Retention
from unigate.storage.usage_sums import UsageFilter, spent_by, usage_sums
from unigate.usage import Usage

NOON = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()) * 1_000_000_000
HOUR = 3_600_000_000_000
LIFE = "door-0-aa"


@pytest.fixture(params=["sqlite", "postgresql"])
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty ledger in each of the two databases."""
    url = None
    if request.param == "postgresql":
        fresh: Fresh = request.getfixturevalue("database")
        url = fresh.url
    database = open_database(url, tmp_path)
    yield database
    database.close()


BUDGETS = (("key_1", "usd_day"), ("key_1", "usd_total"))


def record(number: int, **more: object) -> Record:
    told = Record(
        id=f"req_{number:08x}",
        at_ns=NOON + number,
        operation="openai.chat",
        status=200,
        end="ok",
        total_us=1500,
        key="key_1",
        name="team-a",
        model="smart",
        provider="openai",
        target="gpt-4o",
        usage=Usage(input_tokens=10, output_tokens=4),
        project="proj_1",
        organisation="org_1",
        cost=1_000,
        price="2026-11",
        held=5_000,
        budgets=BUDGETS,
    )
    return msgspec.structs.replace(told, **more)


def intent(number: int) -> Intent:
    return Intent(
        f"req_{number:08x}", 1, NOON + number, "openai.chat", "key_1", "team-a", "smart", "openai", "gpt-4o",
        "proj_1", "org_1", 5_000, BUDGETS,
    )  # fmt: skip


class Paper:
    """A log in memory; like the real one it leaves out only what it was told will come again."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._known: set[str] = set()

    def take(self, records: Sequence[Record]) -> None:
        self.ids += [one.id for one in records if one.id not in self._known]
        self._known.difference_update(one.id for one in records)

    def settle(self) -> str:
        return str(len(self.ids))

    def resume(self, mark: str) -> None:
        self._known = set(self.ids[int(mark or 0) :])

    def expect(self, records: Sequence[Record]) -> None:
        self._known.update(one.id for one in records)

    def is_due(self) -> bool:
        return False

    def turn_over(self) -> None:
        pass


class Gateway:
    """A journal folder with its ledger, whose keeper may be started anew."""

    def __init__(self, books: Database, folder: Path, name: str = "gw-1") -> None:
        self.books = books
        self.folder = folder / name
        self.ledger = Ledger(books, name)
        self.paper = Paper()
        self.start()

    def start(self) -> None:
        """A keeper that knows only what the database does."""
        self.carrier = Carrier(self.folder, self.ledger, self.paper, Redactor(frozenset[str], lambda digest: False))

    def journal(self, *entries: Record | Intent, life: str = LIFE) -> Journal:
        journal = Journal(self.folder / life)
        for entry in entries:
            journal.append(encode_entry(entry))
        return journal

    def carry(self) -> None:
        while self.carrier.turn():
            pass


@pytest.fixture
def gateway(books: Database, tmp_path: Path) -> Gateway:
    return Gateway(books, tmp_path)


def lend(books: Database, life: str, kind: str, window: str, amount: int) -> None:
    with books.transaction() as run:
        run('INSERT INTO leases (life, scope, kind, "window", amount) VALUES (?, ?, ?, ?, ?)',
            (life, "key_1", kind, window, amount))  # fmt: skip


def leases(books: Database) -> list[tuple[object, ...]]:
    with books.reading() as run:
        return [tuple(row) for row in run('SELECT life, kind, "window", amount FROM leases ORDER BY life, kind')]


def spent(books: Database, scope: str = "key_1") -> list[tuple[object, ...]]:
    return sorted((one.window, one.nano, one.calls, one.tokens) for one in spent_by(books, scope))


def is_clean(gateway: Gateway) -> bool:
    return check_books(gateway.books, gateway.ledger.gateway, gateway.folder).is_clean


def test_a_call_becomes_a_row_with_its_attempts_and_counts_in_each_window(gateway: Gateway, books: Database) -> None:
    failed = FailedAttempt("azure", "gpt-4o", "upstream_overloaded", 70)
    told = record(1, attempts=(failed,), flags=("over_hold", "estimated"), error="a\0b", dropped=("seed", "user"))
    gateway.journal(intent(1), told).close()
    lend(books, LIFE, "usd_day", "2026-11-23", 10_000)
    lend(books, "door-1-bb", "usd_day", "2026-11-23", 10_000)
    gateway.carrier.turn()
    kept = one_call(books, told.id)

    assert kept is not None
    assert (kept.line.cost_nano, kept.line.flags, kept.line.error, kept.line.dropped, kept.line.ended_ns) == (
        1_000, "over_hold estimated", "a\ufffdb", "seed\nuser", told.at_ns + 1_500_000,
    )  # fmt: skip
    assert [msgspec.structs.astuple(one) for one in kept.attempts] == [(1, "azure", "gpt-4o", failed.end, 70)]
    for scope in ("key_1", "proj_1", "org_1"):
        assert spent(books, scope) == [(w, 1_000, 1, 14) for w in ("2026-11", "2026-11-23", "total")]
    assert leases(books) == [(LIFE, "usd_day", "2026-11-23", 9_000), ("door-1-bb", "usd_day", "2026-11-23", 10_000)]
    assert is_clean(gateway)


def test_what_is_carried_again_counts_once(gateway: Gateway, books: Database) -> None:
    journal = gateway.journal(record(1), record(2), record(1))
    gateway.carry()
    before = spent(books)
    with books.transaction() as run:  # as after a backup was put back, or in another door's journal
        run("DELETE FROM journal_offsets")
    gateway.journal(record(2), life="door-1-bb").close()
    gateway.start()
    gateway.carry()

    assert before == spent(books) == [(w, 2_000, 2, 28) for w in ("2026-11", "2026-11-23", "total")]
    assert is_clean(gateway)
    journal.close()


def test_many_calls_at_once_are_kept_letter_by_letter(gateway: Gateway, books: Database) -> None:
    odd = ("tab\tand\nline", "C:\\N \\. {1,2}", "\"quoted\", 'too'", "", "\\N", "é 你好 🙂", None)
    told = [record(n, key=f"key_{n}", error=odd[n % len(odd)], first_byte_us=None if n % 3 else n) for n in range(260)]
    gateway.ledger.keep(Batch(records=[(one, LIFE) for one in told[:130]]))
    gateway.ledger.keep(Batch(records=[(one, LIFE) for one in told + told[5:9]]))
    with books.reading() as run:
        rows = run("SELECT id, key, error, first_byte_us FROM calls ORDER BY id")

    assert [tuple(row) for row in rows] == [(one.id, one.key, one.error, one.first_byte_us) for one in told]
    assert [(one.place, one.calls) for one in usage_sums(books, ("organisation",), UsageFilter())] == [
        (("org_1",), 260)
    ]
    windows = ("2026-11", "2026-11-23", "total")
    assert all(spent(books, one.key or "") == [(w, 1_000, 1, 14) for w in windows] for one in told)
    assert is_clean(gateway)


def test_rows_counters_and_place_are_kept_together_or_not_at_all(gateway: Gateway, books: Database) -> None:
    journal = gateway.journal(intent(1), record(1))
    with books.transaction() as run:
        run("ALTER TABLE log_marks RENAME TO hidden")  # the last thing that a turn writes
    with pytest.raises(StorageError):
        gateway.carrier.turn()
    nothing = (page_of_calls(books, CallFilter()).calls, spent(books))
    with books.transaction() as run:
        run("ALTER TABLE hidden RENAME TO log_marks")
    gateway.carry()

    assert nothing == ((), [])
    assert (len(page_of_calls(books, CallFilter()).calls), gateway.paper.ids) == (1, ["req_00000001"])
    journal.close()


def test_a_dead_doors_calls_cost_what_they_held_and_its_leases_end_with_them(gateway: Gateway, books: Database) -> None:
    journal = gateway.journal(intent(1), intent(2), record(2))
    lend(books, LIFE, "usd_day", "2026-11-23", 20_000)
    lend(books, LIFE, "slots", "", 3)
    lend(books, "door-1-bb", "slots", "", 4)
    gateway.carry()
    gateway.start()
    journal.close()
    gateway.carry()
    kept = one_call(books, "req_00000001")

    assert kept is not None
    assert (kept.line.end, kept.line.cost_nano, kept.line.flags, kept.line.life) == (
        "interrupted", 5_000, "estimated", LIFE,
    )  # fmt: skip
    assert leases(books) == [("door-1-bb", "slots", "", 4)]
    assert spent(books)[0] == ("2026-11", 6_000, 2, 14)
    assert is_clean(gateway)


def test_hostile_numbers_stop_no_row(gateway: Gateway, books: Database) -> None:
    hostile = record(1, cost=2**64 - 1, usage=Usage(input_tokens=2**63, output_tokens=-5), model="m\0", peer="::1")
    gateway.journal(hostile, record(2)).close()
    gateway.carry()

    assert [one.id for one in page_of_calls(books, CallFilter()).calls] == ["req_00000002", "req_00000001"]
    assert is_clean(gateway)


def test_gateways_that_share_an_organisation_count_exactly(books: Database, tmp_path: Path) -> None:
    gateways = [Gateway(books, tmp_path, f"gw-{number}") for number in range(3)]
    for number, one in enumerate(gateways):
        calls = [record(number * 1000 + n, key=f"key_{n % 5}", project=f"proj_{n % 2}") for n in range(300)]
        one.journal(*calls, life=f"door-{number}").close()
    threads = [threading.Thread(target=one.carry) for one in gateways]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert spent(books, "org_1") == [(w, 900_000, 900, 12_600) for w in ("2026-11", "2026-11-23", "total")]
    assert all(map(is_clean, gateways))


def test_pages_go_on_where_the_last_one_ended_and_obey_every_filter(books: Database) -> None:
    ledger = Ledger(books, "gw-1")
    odd = {"status": 502, "end": "upstream_error", "key": "key_2", "model": "fast", "client_request_id": "theirs-7"}
    # Four begin at once, so that only the id can part them.
    told = [record(n, at_ns=NOON + n // 4, **(odd if n % 10 == 7 else {})) for n in range(40)]
    ledger.keep(Batch(records=[(one, LIFE) for one in told]))
    seen, cursor = [], None
    while True:
        page = page_of_calls(books, CallFilter(key="key_1"), cursor=cursor, limit=7)
        seen += [one.id for one in page.calls]
        if (cursor := page.next) is None:
            break

    assert seen == [one.id for one in reversed(told) if one.key == "key_1"]
    wanted = CallFilter(
        key="key_2", project="proj_1", organisation="org_1", model="fast", provider="openai", status=502,
        end="upstream_error", since_ns=NOON + 3, until_ns=NOON + 9, some_id="theirs-7",
    )  # fmt: skip
    assert [one.id[-2:] for one in page_of_calls(books, wanted).calls] == ["1b", "11"]
    assert [one.id for one in page_of_calls(books, CallFilter(some_id="req_00000003")).calls] == ["req_00000003"]
    assert page_of_calls(books, CallFilter(key="' OR 1=1 --")).calls == ()


def test_a_search_for_what_seldom_meets_ends_in_time_and_goes_on_where_it_stopped(books: Database) -> None:
    minute = 60_000_000_000
    odd = {0: {"status": 502, "key": "key_2"}, 3: {"status": 502}, 39: {"status": 502, "key": "key_2"}}
    told = [record(n, at_ns=NOON + n * minute, **odd.get(n, {})) for n in range(40)]
    Ledger(books, "gw-1").keep(Batch(records=[(one, LIFE) for one in told]))

    def pages(wanted: CallFilter) -> Iterator[CallPage]:
        cursor = None
        while True:
            yield (page := page_of_calls(books, wanted, cursor=cursor, limit=5, patience_s=0))
            if (cursor := page.next) is None:
                break

    seldom = list(pages(CallFilter(key="key_1", status=502)))
    assert [one.id for page in seldom for one in page.calls] == ["req_00000003"]
    assert len(seldom) > 10 and not seldom[0].calls
    often = [one.id for page in pages(CallFilter(key="key_1", status=200)) for one in page.calls]
    assert often == [one.id for one in reversed(told) if one.status == 200]
    assert [page.calls for page in pages(CallFilter(status=200, end="never"))] == [()]
    assert page_of_calls(books, CallFilter(key="key_1", status=502)).next is None


def test_usage_is_summed_by_any_dimension(books: Database) -> None:
    told = [record(1), record(2, cost=None), record(3, at_ns=NOON + HOUR, key="key_2", model="fast", status=502)]
    Ledger(books, "gw-1").keep(Batch(records=[(one, LIFE) for one in told]))
    day = NOON // (24 * HOUR) * 24 * HOUR

    by_day = usage_sums(books, ("day", "key"), UsageFilter())
    assert [(one.place, one.calls, one.unpriced, one.nano) for one in by_day] == [
        ((day, "key_1"), 2, 1, 1_000),
        ((day, "key_2"), 1, 0, 1_000),
    ]
    by_hour = usage_sums(books, ("hour", "status", "model"), UsageFilter(since_ns=NOON + HOUR))
    assert [one.place for one in by_hour] == [(NOON + HOUR, 502, "fast")]
    assert usage_sums(books, (), UsageFilter(key="key_none")) == ()


def test_old_calls_go_and_what_was_spent_stays(books: Database) -> None:
    ledger = Ledger(books, "gw-1")
    now = books.now_ns()
    told = [record(1, at_ns=now - 3 * 24 * HOUR), record(2, at_ns=now - 3 * 24 * HOUR), record(3, at_ns=now)]
    ledger.keep(Batch(records=[(one, LIFE) for one in told]))
    Retention(books, RetentionSettings(days=2)).turn()

    assert [one.id for one in page_of_calls(books, CallFilter()).calls] == ["req_00000003"]
    assert [one.calls for one in spent_by(books, "key_1") if one.window == "total"] == [3]
    assert check_books(books, "gw-1", Path("nowhere")).is_clean


def test_old_changes_go_but_the_newest_and_what_was_removed_is_no_version_to_go_back_to(books: Database) -> None:
    now = books.now_ns()
    with books.transaction() as run:
        for age in (9, 8, 7, 1):
            change = Change("added", "key", f"key_{age}", None, {"name": f"n{age}"})
            record_change(run, "operator", [change], now - age * 24 * HOUR)
    retention = Retention(books, RetentionSettings(history_days=2))
    retention.turn()
    retention.turn()

    with books.reading() as run:
        assert [one.target for one in audit_page(run, 2**62, 10, None)] == ["key_1"]
        assert [one.number for one in version_page(run, 2**62, 10)] == [4]
        assert oldest_version(run) == 3
    with books.transaction() as run:
        assert not forget_history(run, now + HOUR, 10)
        assert [one.number for one in version_page(run, 2**62, 10)] == [4]  # the newest stays, however old
        assert oldest_version(run) == 3


def test_the_oldest_calls_go_when_the_database_is_too_large(books: Database) -> None:
    now = books.now_ns()
    told = [record(n, at_ns=now - 5000 + n, error="x" * 100_000) for n in range(700)]
    for start in range(0, 700, 100):
        Ledger(books, "gw-1").keep(Batch(records=[(one, LIFE) for one in told[start : start + 100]]))
    size = books.size()
    retention = Retention(books, RetentionSettings(max_gb=size * 0.8 / 2**30))
    while retention.turn() < 1:
        pass
    kept = page_of_calls(books, CallFilter(), limit=1000).calls
    retention.turn()

    assert 400 < len(kept) < 600 and kept[0].id == told[-1].id
    assert len(page_of_calls(books, CallFilter(), limit=1000).calls) == len(kept)


def test_small_old_calls_do_not_keep_large_new_ones_within_the_size(books: Database) -> None:
    now = books.now_ns()
    told = [record(n, at_ns=now - 5000 + n, error="x" * (100_000 if n >= 600 else 1)) for n in range(800)]
    for start in range(0, 800, 100):
        Ledger(books, "gw-1").keep(Batch(records=[(one, LIFE) for one in told[start : start + 100]]))
    limit = books.size() // 2
    retention = Retention(books, RetentionSettings(max_gb=limit / 2**30))
    while retention.turn() < 1:
        pass

    assert books.size() <= limit or not books.shrinks
    assert page_of_calls(books, CallFilter()).calls[0].id == told[-1].id


def test_a_check_knows_what_was_removed_for_its_age(gateway: Gateway, books: Database) -> None:
    now = books.now_ns()
    old = [record(n, at_ns=now - 3 * 24 * HOUR - n * HOUR) for n in range(3)]
    journal = gateway.journal(*old, record(9, at_ns=now))
    gateway.carry()
    Retention(books, RetentionSettings(days=2)).turn()
    assert is_clean(gateway)

    journal.append(encode_entry(record(4, at_ns=now - 3 * 24 * HOUR - 4 * HOUR)))  # of a gateway that was cut off
    gateway.carry()
    assert is_clean(gateway)
    with books.transaction() as run:
        run("DELETE FROM calls WHERE id = 'req_00000009'")
    assert check_books(books, "gw-1", gateway.folder).missing == ("req_00000009",)
    journal.close()


def test_a_lost_gateway_is_forgotten_and_its_running_calls_are_charged(gateway: Gateway, books: Database) -> None:
    journal = gateway.journal(intent(1), record(2))
    gateway.carry()
    gateway.ledger.show_life()
    lend(books, LIFE, "usd_total", "total", 9_000)
    known = [one.id for one in known_gateways(books)]
    gone = forget_gateway(books, "gw-1")

    assert (known, gone.calls, gone.freed) == (["gw-1"], 1, 4_000)
    assert (leases(books), known_gateways(books)) == ([], ())
    assert spent(books)[2] == ("total", 6_000, 2, 14)
    assert forget_gateway(books, "gw-1").calls == 0
    journal.close()


def test_what_a_silent_gateway_had_of_slots_is_free_again_but_not_its_money(gateway: Gateway, books: Database) -> None:
    journal = gateway.journal(record(1))
    gateway.carry()
    gateway.ledger.show_life()
    lend(books, LIFE, "slots", "", 3)
    lend(books, LIFE, "usd_total", "total", 9_000)
    other = Ledger(books, "gw-2")
    other.show_life()
    early = leases(books)
    with books.transaction() as run:
        run("UPDATE gateways SET seen_ns = seen_ns - ? WHERE id = 'gw-1'", (61_000_000_000,))
    other.show_life()

    assert (len(early), leases(books)) == (2, [(LIFE, "usd_total", "total", 9_000)])
    journal.close()


def test_a_check_finds_what_was_tampered_with(gateway: Gateway, books: Database) -> None:
    journal = gateway.journal(*(record(n, at_ns=NOON + n * HOUR) for n in range(3)))
    gateway.carry()
    with books.transaction() as run:
        run("UPDATE spend SET nano = nano + 1 WHERE scope = 'key_1' AND \"window\" = 'total'")
        run("DELETE FROM calls WHERE id = 'req_00000002'")
    journal.append(encode_entry(record(9)))
    found = check_books(books, "gw-1", gateway.folder)

    assert [(one.about, one.here[0] - one.there[0]) for one in found.counters] == [("key_1 total", 1)]
    assert [one.about for one in found.hours] == ["2026-11-23 14:00Z"]
    assert (found.missing, found.waiting) == (("req_00000002",), 1)
    journal.close()


def test_calls_are_exported_as_lines_oldest_first(books: Database) -> None:
    failed = FailedAttempt("azure", "gpt-4o", "upstream_overloaded", 70)
    told = [record(n, attempts=(failed,) if n == 1200 else ()) for n in range(1500)]
    Ledger(books, "gw-1").keep(Batch(records=[(one, LIFE) for one in told]))
    lines = [msgspec.json.decode(line) for line in exported_lines(books, NOON + 100, NOON + 1400)]

    assert [line["id"] for line in lines] == [one.id for one in told[100:1400]]
    assert [len(line["failed_attempts"]) for line in lines].index(1) == 1100
    assert (lines[0]["cost_nano"], lines[0]["flags"], lines[0]["streamed"]) == (1_000, [], False)
