"""The keeper: each record reaches the log once, whoever dies; keys and pages are served; it comes and goes in time."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest

from harness import ADMIN_KEY, KEY, KEYS, UPSTREAM_KEY, start_mock, until
from unigate import keys_command
from unigate.accounting.record import Body, Intent, Record, encode_entry
from unigate.accounting.redaction import Redactor
from unigate.config import ServerSettings
from unigate.errors import StorageError
from unigate.journal import Journal, segments_of, take_lock
from unigate.keys_command import KeyWanted
from unigate.lifeline import Birth, write_birth
from unigate.operator_line import Place
from unigate.secret import Secret
from unigate.snapshot import Settings, Stored
from unigate.snapshot_file import SnapshotFile
from unigate.storage.calls import KeptBody, one_call
from unigate.storage.carrier import Carrier
from unigate.storage.ledger import Ledger, Progress
from unigate.storage.opening import open_database
from unigate.storage.store import Store
from unigate.target import Endpoint, Provider, Timeouts

ENGLISH = {"LANG": "C.UTF-8"}
REDACTOR = Redactor(lambda: frozenset({"the-providers-own-key-0000"}), lambda digest: False)


# What happened long ago is removed, and a keeper may come to it before a test does.
NOW = time.time_ns()


def record(number: int, **more: object) -> Record:
    told = Record(id=f"req_{number:08x}", at_ns=NOW, operation="openai.chat", status=200, end="ok", total_us=1)
    return msgspec.structs.replace(told, **more)


def intent(number: int, attempt: int = 1, target: str = "gpt-4o") -> Intent:
    return Intent(f"req_{number:08x}", attempt, 7, "openai.chat", "key_1", "team-a", "smart", "openai", target)


def interrupted(number: int, target: str = "gpt-4o") -> Record:
    return Record(
        id=f"req_{number:08x}",
        at_ns=7,
        operation="openai.chat",
        status=0,
        end="interrupted",
        total_us=0,
        key="key_1",
        name="team-a",
        model="smart",
        provider="openai",
        target=target,
    )


class Bin:
    """An outbox in memory that, like the log, leaves out what comes again after a crash."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.is_full = False
        self.turns = 0

    def take(self, records: Sequence[Record]) -> None:
        if self.is_full:
            raise StorageError("No space left.")
        known = {one.id for one in self.records}
        self.records += [one for one in records if one.id not in known]

    def settle(self) -> str:
        return f"1:{len(self.records)}"

    def resume(self, mark: str) -> None:
        pass

    def expect(self, records: Sequence[Record]) -> None:
        pass

    def is_due(self) -> bool:
        return False

    def turn_over(self) -> None:
        self.turns += 1


class Shop:
    """A journal folder, a ledger and an outbox, and carriers that come and go."""

    def __init__(self, folder: Path) -> None:
        self.journals = folder / "journal"
        self.database = open_database(None, folder)
        self.ledger = Ledger(self.database, "gw-1")
        self.bin = Bin()
        self.carrier = self.fresh_carrier()

    def fresh_carrier(self) -> Carrier:
        """The carrier of a keeper that was started again."""
        self.carrier = Carrier(self.journals, self.ledger, self.bin, REDACTOR)
        return self.carrier

    def bodies(self, call: str) -> tuple[KeptBody, ...]:
        """What was kept of a call's bodies."""
        kept = one_call(self.database, call)
        return kept.bodies if kept is not None else ()

    def rows(self) -> list[tuple[object, ...]]:
        """The calls of the database: id, how each ended, and what it cost."""
        with self.database.reading() as run:
            return [tuple(row) for row in run('SELECT id, "end", cost_nano FROM calls ORDER BY id')]

    def journal(self, life: str = "door-0-aa", *entries: Record | Intent) -> Journal:
        journal = Journal(self.journals / life)
        write(journal, *entries)
        return journal

    def carry(self) -> None:
        while self.carrier.turn():
            pass


def write(journal: Journal, *entries: Record | Intent | Body) -> None:
    for entry in entries:
        journal.append(encode_entry(entry))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.database.close()


# --- carrying


def test_records_are_carried_as_they_come(shop: Shop) -> None:
    journal = shop.journal("door-0-aa", intent(1), record(1))
    shop.carry()
    write(journal, record(2))
    shop.carry()

    assert shop.bin.records == [record(1), record(2)]
    journal.close()


def test_a_keeper_that_died_before_it_saved_carries_nothing_twice(shop: Shop) -> None:
    journal = shop.journal("door-0-aa", record(1))
    shop.carry()
    write(journal, record(2))
    shop.carry()
    shop.fresh_carrier()
    write(journal, record(3))
    shop.carry()

    assert shop.bin.records == [record(1), record(2), record(3)]
    journal.close()


def test_what_a_dead_door_left_open_is_interrupted_and_its_journal_goes(shop: Shop) -> None:
    journal = shop.journal("door-0-aa", intent(1), intent(2), intent(2, attempt=2, target="other"), record(3))
    shop.carry()
    before = list(shop.bin.records)
    journal.close()
    shop.carry()

    assert before == [record(3)]
    assert shop.bin.records == [record(3), interrupted(1), interrupted(2, "other")]
    assert list(shop.journals.iterdir()) == []
    shop.carry()
    assert shop.ledger.progress() == Progress(places=[], opened=[], mark="1:3")


def test_an_open_call_is_remembered_by_the_next_keeper(shop: Shop) -> None:
    journal = shop.journal("door-0-aa", intent(1), intent(2))
    shop.carry()
    shop.fresh_carrier()
    write(journal, record(2))
    shop.carry()
    journal.close()
    shop.carry()

    assert shop.bin.records == [record(2), interrupted(1)]


def test_a_living_doors_open_calls_are_left_alone(shop: Shop) -> None:
    journal = shop.journal("door-0-aa", intent(1))
    shop.carry()
    shop.fresh_carrier()
    shop.carry()

    assert shop.bin.records == []
    journal.close()


def test_a_read_segment_goes_though_a_call_in_it_still_runs(shop: Shop) -> None:
    long = record(9, error="x" * 500_000)
    journal = shop.journal("door-0-aa", intent(1), *[msgspec.structs.replace(long, id=f"long_{n}") for n in range(40)])
    names = [path.name for path in segments_of(shop.journals / "door-0-aa")]
    shop.carry()
    left = [path.name for path in segments_of(shop.journals / "door-0-aa")]
    journal.close()
    shop.carry()

    assert (len(names), left) == (3, names[-1:])
    assert [one.end for one in shop.bin.records] == ["ok"] * 40 + ["interrupted"]


def test_a_door_that_is_just_starting_is_left_alone(shop: Shop) -> None:
    (shop.journals / "door-0-aa").mkdir(parents=True)
    shop.carry()
    journal = shop.journal("door-0-aa", record(1))
    shop.carry()

    assert shop.bin.records == [record(1)]
    journal.close()


def test_a_door_that_never_began_is_cleared_away(shop: Shop) -> None:
    folder = shop.journals / "door-0-aa"
    folder.mkdir(parents=True)
    os.utime(folder, (time.time() - 3600,) * 2)
    shop.carry()

    assert list(shop.journals.iterdir()) == []


def test_a_door_that_took_a_new_segment_back_loses_nothing(shop: Shop) -> None:
    journal = shop.journal("door-0-aa", record(1))
    taken_back = shop.journals / "door-0-aa" / "00000002.segment"
    taken_back.write_bytes(bytes(100))
    shop.carry()
    taken_back.unlink()
    write(journal, record(2))
    shop.carry()

    assert shop.bin.records == [record(1), record(2)]
    journal.close()


def test_an_entry_that_only_a_newer_version_can_read_is_counted_and_passed_over(shop: Shop) -> None:
    journal = shop.journal("door-0-aa", record(1))
    journal.append(b"\x93\xa6future\x01\x02")
    write(journal, record(2))
    shop.carry()

    assert (shop.bin.records, shop.carrier.undecodable) == ([record(1), record(2)], 1)
    journal.close()


def test_a_torn_entry_of_a_dead_door_ends_its_journal(shop: Shop) -> None:
    shop.journal("door-0-aa", record(1)).close()
    segment = segments_of(shop.journals / "door-0-aa")[0]
    content = bytearray(segment.read_bytes())
    end = len(content.rstrip(b"\0"))
    content[end : end + 12] = b"\x40\x00\x00\x00\x01\x02\x03\x04torn"
    segment.write_bytes(content)
    shop.carry()

    assert (shop.bin.records, list(shop.journals.iterdir())) == ([record(1)], [])


def test_what_a_power_cut_left_behind_a_hole_is_carried_too(shop: Shop) -> None:
    journal = shop.journal("door-0-aa", record(1), record(2), record(3))
    segment = segments_of(shop.journals / "door-0-aa")[0]
    content = segment.read_bytes()
    hole = content.index(record(2).id.encode())
    segment.write_bytes(content[:hole] + bytes(9) + content[hole + 9 :])
    shop.carry()
    before = list(shop.bin.records)
    journal.close()
    shop.carry()

    assert (before, shop.bin.records) == ([record(1)], [record(1), record(3)])
    assert list(shop.journals.iterdir()) == []


def test_a_full_log_stops_no_rows_and_gets_its_lines_later(shop: Shop) -> None:
    journal = shop.journal("door-0-aa", intent(1), record(1), intent(2))
    shop.bin.is_full = True
    shop.carry()
    journal.close()
    shop.carry()
    rows = shop.rows()
    shop.fresh_carrier()
    shop.bin.is_full = False
    shop.carry()

    assert [row[1] for row in rows] == ["ok", "interrupted"]
    assert (shop.bin.records, shop.carrier.lost) == ([record(1), interrupted(2)], 0)
    assert shop.ledger.progress() == Progress(places=[], opened=[], mark="1:2")


def test_a_full_log_never_fills_the_database(shop: Shop) -> None:
    shop.carrier = Carrier(shop.journals, shop.ledger, shop.bin, REDACTOR, most_owed=1)
    journal = shop.journal("door-0-aa", record(1), record(2), record(3))
    shop.bin.is_full = True
    shop.carry()
    shop.bin.is_full = False
    write(journal, record(4))
    shop.carry()

    assert (shop.bin.records, shop.carrier.lost) == ([record(4), record(1)], 2)
    assert len(shop.rows()) == 4
    journal.close()


def test_bodies_are_kept_with_their_calls_and_blackened_where_their_key_wants_it(shop: Shop) -> None:
    journal = shop.journal("door-0-aa", intent(1))
    aside = shop.journals / "door-0-aa" / "req_00000001.answer.body"
    aside.write_bytes(b'{"said": "the-providers-own-key-0000"}')
    write(
        journal,
        Body("req_00000001", "request", b"hello", size=9),
        Body("req_00000001", "answer", b"", redact=True, size=38, file=aside.name),
        Body("req_00000001", "sent", b"", file="gone.body"),
        record(1),
    )
    shop.carry()
    journal.close()
    shop.carry()

    assert [(one.kind, one.content, one.size, one.redacted) for one in shop.bodies("req_00000001")] == [
        ("answer", b'{"said":"[key]"}', 38, True),
        ("request", b"hello", 9, False),
    ]
    assert list(shop.journals.iterdir()) == []


# --- the process


class Running:
    """A keeper in a process of its own."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.folder = folder
        self.data = folder / settings.data
        ready, told = os.pipe()
        started = time.monotonic()
        with closing(os.fdopen(ready)) as line, (folder / "keeper.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "unigate.app", "keeper"],
                stdin=subprocess.PIPE,
                stderr=log,
                pass_fds=(told,),
                cwd=folder,
            )
            os.close(told)
            assert self.process.stdin is not None
            self.process.stdin.write(write_birth(Birth(name="keeper", settings=settings, ready_fd=told)))
            self.process.stdin.flush()
            self.is_ready = line.readline() == '{"ready":true}\n'
        self.took = time.monotonic() - started

    def stop(self, number: int = signal.SIGTERM) -> float:
        """How long it took to end."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(30)
        return time.monotonic() - started

    def ask(
        self, method: str, path: str, body: object = None, *, key: str = ADMIN_KEY, sock: str = "keeper.sock"
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of one answer, as a door would get it."""
        connection = http.client.HTTPConnection("keeper", timeout=60)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.data / sock))
        content = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
        headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
        connection.request(method, path, content, headers)
        answer = connection.getresponse()
        told = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        connection.close()
        return told

    def error(self, *asked: object, **more: object) -> tuple[int, str, str | None]:
        """Status, code and param of an error in OpenAI's shape."""
        status, _, body = self.ask(*asked, **more)  # type: ignore[arg-type]
        detail = json.loads(body)["error"]
        assert set(detail) == {"message", "type", "param", "code"}
        return status, detail["code"], detail["param"]

    def stored(self) -> Stored:
        return SnapshotFile(self.data / "snapshot.json").read_if_changed(Stored.with_keys) or Stored()

    def logged(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self._lines()]

    def count(self) -> int:
        """How many calls the log has."""
        return len(self._lines())

    def _lines(self) -> list[bytes]:
        """The whole lines so far."""
        path = self.folder / "logs" / "proxy.log"
        return path.read_bytes().split(b"\n")[:-1] if path.exists() else []

    def log(self) -> str:
        return (self.folder / "keeper.log").read_text("utf-8")


def settings(*providers: Provider, **more: object) -> Settings:
    return Settings(server=ServerSettings(), providers=providers, keys=KEYS, **more)


@contextmanager
def start_keeper(folder: Path, told: Settings | None = None) -> Iterator[Running]:
    """A keeper that must not report a defect."""
    keeper = Running(told or settings(), folder)
    try:
        yield keeper
    finally:
        keeper.process.terminate()
        try:
            keeper.process.wait(30)
        finally:
            keeper.process.kill()
    assert "Traceback" not in keeper.log(), keeper.log()


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Running]:
    with start_keeper(tmp_path) as keeper:
        yield keeper


def test_it_is_ready_soon_and_ends_soon(keeper: Running) -> None:
    took = keeper.stop()

    assert keeper.is_ready and keeper.took < 30
    assert keeper.process.returncode == 0 and took < 20
    assert not list(keeper.data.glob("*.sock"))


def libraries_of(keeper: Running) -> set[str]:
    """Of some large libraries, those whose machine code a keeper has in memory."""
    held = Path(f"/proc/{keeper.process.pid}/maps").read_text("utf-8")
    return {name for name in ("apsw", "pydantic_core", "httptools", "psycopg", "_yaml") if name in held}


@pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is read from /proc")
def test_what_only_visitors_need_is_loaded_for_the_first_of_them(keeper: Running) -> None:
    assert libraries_of(keeper) == {"apsw", "httptools"}

    assert keeper.ask("GET", "/docs")[0] == 200

    assert "pydantic_core" in libraries_of(keeper) and "psycopg" not in libraries_of(keeper)


def test_it_ends_with_its_parent_but_not_by_ctrl_c(keeper: Running) -> None:
    keeper.process.send_signal(signal.SIGINT)
    assert keeper.ask("GET", "/openapi.json")[0] == 200
    assert keeper.process.stdin is not None
    keeper.process.stdin.close()

    assert keeper.process.wait(30) == 0


def test_it_ends_although_a_door_keeps_its_connections_open(keeper: Running) -> None:
    with socket.socket(socket.AF_UNIX) as idle, socket.socket(socket.AF_UNIX) as half:
        for connection in (idle, half):
            connection.connect(str(keeper.data / "keeper.sock"))
        half.sendall(b"POST /admin/v1/keys HTTP/1.1\r\nhost: k\r\ncontent-length: 10\r\n\r\n{")
        keeper.ask("GET", "/docs")

        assert keeper.stop() < 20


def test_a_second_keeper_waits_for_the_first_to_leave(keeper: Running, tmp_path: Path) -> None:
    assert keeper.process.stdin is not None
    keeper.process.stdin.close()
    with start_keeper(tmp_path) as second:
        assert second.is_ready
        assert keeper.process.wait(30) == 0
        assert second.ask("GET", "/admin/v1/keys")[0] == 200


def test_every_record_is_logged_once_through_kill_9(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "data" / "journal" / "door-0-aa")
    for first in range(0, 6000, 2000):
        with start_keeper(tmp_path) as keeper:
            for start in range(first, first + 2000, 500):
                write(journal, *map(record, range(start, start + 500)))
                until_logged(keeper, start + 100)
            keeper.process.kill()
    write(journal, record(6000), intent(6001))
    journal.close()
    with start_keeper(tmp_path) as keeper:
        until_logged(keeper, 6002)
        until(lambda: not list((keeper.data / "journal").iterdir()), "the end of the journal")

        assert [line["request_id"] for line in keeper.logged()] == [f"req_{n:08x}" for n in range(6002)]
        assert keeper.logged()[-1]["end"] == "interrupted"


def until_logged(keeper: Running, count: int) -> None:
    until(lambda: keeper.count() >= count, f"record {count}")


def test_what_was_written_before_the_end_is_carried_at_the_end(keeper: Running) -> None:
    journal = Journal(keeper.data / "journal" / "door-0-aa")
    write(journal, *(record(n) for n in range(3000)))
    journal.close()
    took = keeper.stop()

    assert (keeper.count(), took < 20) == (3000, True)


def test_it_carries_twenty_thousand_records_in_one_go(keeper: Running) -> None:
    journal = Journal(keeper.data / "journal" / "door-0-aa")
    whole = record(0, key="key_1", name="team-a", model="gpt-4o-mini", provider="openai", target="gpt-4o-mini")
    for n in range(20_000):
        write(journal, intent(n), msgspec.structs.replace(whole, id=f"req_{n:08x}"))

    assert until(lambda: keeper.count() == 20_000, "all of them", within=60)
    journal.close()


def test_a_line_a_call_is_shown_to_the_operator(keeper: Running) -> None:
    journal = Journal(keeper.data / "journal" / "door-0-aa")
    write(journal, record(1, model="gpt-4o", name="team-a"))
    until(lambda: "200 chat gpt-4o 0 ms  team-a req_00000001\n" in keeper.log(), "the line")
    journal.close()


# --- administration


def test_a_key_is_made_listed_and_revoked(keeper: Running) -> None:
    status, headers, body = keeper.ask("POST", "/admin/v1/keys", {"name": "team-a", "models": ["gpt-4o"]})
    made = json.loads(body)
    entry = until(lambda: keeper.stored().keys)[0]
    listed = json.loads(keeper.ask("GET", "/admin/v1/keys")[2])["data"]
    ended = keeper.ask("DELETE", f"/admin/v1/keys/{made['id']}")

    assert (status, headers["content-type"]) == (201, "application/json")
    assert made["key"].startswith("sk-ug-") and (entry.id, entry.models) == (made["id"], ("gpt-4o",))
    assert [(line["name"], line["source"]) for line in listed] == [
        ("tests", "file"),
        ("limited", "file"),
        ("admin", "file"),
        ("team-a", "store"),
    ]
    assert "hash" not in listed[0] and entry.hash not in json.dumps(listed)
    assert (ended[0], json.loads(ended[2])) == (200, {"id": made["id"], "object": "key", "deleted": True})
    assert keeper.stored().keys == ()


def test_a_made_admin_key_counts_at_once_and_a_revoked_one_no_more(keeper: Running) -> None:
    made = json.loads(keeper.ask("POST", "/admin/v1/keys", {"name": "ops", "role": "admin"})[2])
    before = keeper.ask("GET", "/admin/v1/keys", key=made["key"])[0]
    keeper.ask("DELETE", f"/admin/v1/keys/{made['id']}")

    assert before == 200
    assert keeper.error("GET", "/admin/v1/keys", key=made["key"]) == (401, "invalid_api_key", None)


@pytest.mark.parametrize(
    ("asked", "key", "error"),
    [
        (("GET", "/admin/v1/keys"), "", (401, "no_api_key", None)),
        (("GET", "/admin/v1/keys"), "sk-ug-admin-not-a-key-000", (401, "invalid_api_key", None)),
        (("GET", "/admin/v1/keys"), KEY, (403, "not_allowed", None)),
        (("POST", "/admin/v1/keys", {"name": "x"}), KEY, (403, "not_allowed", None)),
        (("GET", "/admin/v1/nothing"), ADMIN_KEY, (404, "not_found", None)),
        (("GET", "/elsewhere"), ADMIN_KEY, (404, "not_found", None)),
        (("PUT", "/admin/v1/keys", {}), ADMIN_KEY, (405, "method_not_allowed", None)),
        (("POST", "/admin/v1/keys", b'{"name":'), ADMIN_KEY, (400, "invalid_json", None)),
        (("POST", "/admin/v1/keys", b"[]"), ADMIN_KEY, (400, "invalid_json", None)),
        (("POST", "/admin/v1/keys", b"[" * 30_000), ADMIN_KEY, (400, "bad_request", None)),
        (("POST", "/admin/v1/keys", {}), ADMIN_KEY, (400, "invalid_value", "name")),
        (("POST", "/admin/v1/keys", {"name": ""}), ADMIN_KEY, (400, "invalid_value", "name")),
        (("POST", "/admin/v1/keys", {"name": "x" * 201}), ADMIN_KEY, (400, "invalid_value", "name")),
        (("POST", "/admin/v1/keys", {"name": 7}), ADMIN_KEY, (400, "invalid_value", "name")),
        (("POST", "/admin/v1/keys", {"name": "x", "role": "root"}), ADMIN_KEY, (400, "invalid_value", "role")),
        (("POST", "/admin/v1/keys", {"name": "x", "models": [""]}), ADMIN_KEY, (400, "invalid_value", "models.0")),
        (("POST", "/admin/v1/keys", {"name": "x", "more": 1}), ADMIN_KEY, (400, "invalid_value", "more")),
        (("POST", "/admin/v1/keys", {"name": "x" * 70_000}), ADMIN_KEY, (413, "bad_request", None)),
        (("POST", "/admin/v1/keys", {"name": "tests"}), ADMIN_KEY, (409, "named_in_file", "name")),
        (("DELETE", "/admin/v1/keys/tests"), ADMIN_KEY, (409, "named_in_file", None)),
        (("DELETE", "/admin/v1/keys/key_none"), ADMIN_KEY, (404, "no_such_id", None)),
    ],
)
def test_what_is_refused_is_refused_in_openais_shape(
    shared: Running, asked: tuple[object, ...], key: str, error: tuple[int, str, str | None]
) -> None:
    assert shared.error(*asked, key=key) == error


def test_all_that_a_path_takes_is_told_to_who_asked_otherwise(shared: Running) -> None:
    _, headers, body = shared.ask("PUT", "/admin/v1/keys", {})

    assert headers["allow"] == "GET, POST"
    assert "takes GET, POST, not PUT" in json.loads(body)["error"]["message"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A keeper for tests that change nothing."""
    with start_keeper(tmp_path_factory.mktemp("shared")) as keeper:
        yield keeper


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_a_page_loads_nothing_from_elsewhere(shared: Running, path: str) -> None:
    status, headers, body = shared.ask("GET", path, key="")
    named = [piece.split(b'"')[0].decode() for piece in body.split(b'="/docs/assets/')[1:]]

    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
    assert b"http" not in body and b"<script>" not in body
    assert [shared.ask("GET", "/docs/assets/" + name, key="")[0] for name in named] == [200] * len(named)
    assert len(named) >= 3


@pytest.mark.parametrize("name", ["docs.html", "..%2fopenapi.json", "openapi.json", "__init__.py", "nothing.js"])
def test_only_listed_files_are_assets(shared: Running, name: str) -> None:
    assert shared.error("GET", "/docs/assets/" + name, key="")[:2] == (404, "not_found")


def test_the_document_is_served(shared: Running) -> None:
    status, headers, body = shared.ask("GET", "/openapi.json", key="")

    assert (status, headers["content-type"]) == (200, "application/json")
    assert {"/v1/chat/completions", "/admin/v1/keys"} < set(json.loads(body)["paths"])


def test_the_operators_socket_asks_for_no_key_and_offers_administration_alone(shared: Running) -> None:
    assert shared.ask("GET", "/admin/v1/keys", key="", sock="cli.sock")[0] == 200
    assert shared.error("GET", "/docs", key="", sock="cli.sock")[:2] == (404, "not_found")
    assert shared.error("GET", "/admin/v1/../../docs", key="", sock="cli.sock")[:2] == (404, "not_found")


def test_only_its_owner_can_open_the_sockets(shared: Running) -> None:
    sockets = [shared.data / "keeper.sock", shared.data / "cli.sock"]

    assert [path.stat().st_mode & 0o777 for path in sockets] == [0o600, 0o600]


def test_a_path_that_is_too_long_for_a_socket_is_named(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    keeper = Running(settings(data=str(folder)), tmp_path)

    assert (keeper.is_ready, keeper.process.wait(30)) == (False, 1)
    assert "is longer than 100 bytes" in keeper.log() and str(folder) in keeper.log()
    assert "Traceback" not in keeper.log()


# --- lists of models


def listing(port: int, **more: object) -> Provider:
    endpoint = Endpoint(base_url=f"http://127.0.0.1:{port}/v1", speaks=frozenset({"openai.chat", "openai.models"}))
    quick = Timeouts(connect=1.0, first_byte=1.0)
    return Provider(name="mock", endpoints=(endpoint,), key=Secret(UPSTREAM_KEY), timeouts=quick, **more)


def test_a_providers_models_reach_the_doors_and_stay_when_it_fails(tmp_path: Path) -> None:
    with start_mock() as mock, start_keeper(tmp_path, settings(listing(mock.port))) as keeper:
        lists = until(lambda: keeper.stored().lists)
    with start_keeper(tmp_path, settings(listing(mock.port))) as keeper:
        until(lambda: "models.unlisted provider=mock" in keeper.log(), "the report")

        assert "mock-chat" in lists["mock"]
        assert keeper.stored().lists == lists


# --- the command line


def test_keys_are_made_through_the_running_gateway(keeper: Running, capsys: pytest.CaptureFixture[str]) -> None:
    lock = take_lock(keeper.data / "lock")
    assert lock is not None
    codes = [keys_command.create(Place(keeper.data), KeyWanted(name="team-a"), ENGLISH)]
    made = capsys.readouterr()
    entry = until(lambda: keeper.stored().keys)[0]
    codes.append(keys_command.list_(Place(keeper.data), ENGLISH))
    listed = capsys.readouterr().out
    codes += [keys_command.revoke(Place(keeper.data), name, ENGLISH) for name in ("team-a", "tests")]
    ended = capsys.readouterr()
    os.close(lock)

    assert codes == [0, 0, 0, 1]
    assert made.out.startswith("sk-ug-") and made.out.count("\n") == 1
    assert listed.splitlines()[0].split() == [
        "ID",
        "NAME",
        "ROLE",
        "PROJECT",
        "MODELS",
        "LIMITS",
        "EXPIRES",
        "MADE",
        "WHERE",
    ]
    assert entry.id in listed and "configuration" in listed
    assert ended.out == "Key 'team-a' was revoked.\n"
    assert ended.err.startswith("The key 'tests' is named in the configuration file")
    assert keeper.stored().keys == ()


def test_keys_are_made_with_no_gateway_running(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "data"
    wanted = KeyWanted(name="团队", role="admin", models=["gpt-4o"])
    codes = [keys_command.list_(Place(data), ENGLISH)]
    exists = data.exists()
    codes += [keys_command.create(Place(data), wanted, {"LANG": "zh_CN.UTF-8"}) for _ in range(2)]
    said = capsys.readouterr()
    stored = SnapshotFile(data / "snapshot.json").read_if_changed(Stored.with_keys)

    assert (codes, exists) == ([2, 0, 1], False)
    assert said.out.startswith("sk-ug-admin-")
    assert "已有名为“团队”的密钥" in said.err
    assert stored is not None and [(key.name, key.role, key.models) for key in stored.keys] == [
        ("团队", "admin", ("gpt-4o",))
    ]


def test_a_gateway_whose_keeper_is_silent_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store.open(tmp_path / "unigate.db").close()
    lock = take_lock(tmp_path / "lock")
    assert lock is not None

    assert keys_command.list_(Place(tmp_path), ENGLISH) == 1
    assert "its keeper does not answer" in capsys.readouterr().err
    os.close(lock)
