"""Until when and from where a key works, at a running door; and what is said of an unknown one while nobody knows."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

from harness import KEY, Answer, Door, answer_ok, chat, listening, provider, raw_upstream, request, spawn_door, until
from unigate.admission.addresses import Networks, network_fault
from unigate.admission.guard import KeyGuard
from unigate.config import ServerSettings
from unigate.errors import Refusal
from unigate.snapshot import KeyEntry, Settings, Stored, build_snapshot
from unigate.snapshot_file import SnapshotFile

PROXIES = Networks(["10.0.0.0/8", "192.168.1.1", "fd00::/8"])
HOUR = 3600 * 10**9


def hash_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def text_of(name: str) -> str:
    return f"sk-ug-{name}-9f3KqWm27ZtRbV5x"


# --- where a request comes from


@pytest.mark.parametrize(
    ("peer", "told", "origin"),
    [
        ("203.0.113.9", "198.51.100.7", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "198.51.100.7, 10.0.0.2", "198.51.100.7"),
        ("10.0.0.1", "198.51.100.7, 192.168.1.1,10.9.9.9", "198.51.100.7"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("10.0.0.1", "[2001:db8::1]:4711, 10.0.0.2", "2001:db8::1"),
        ("::ffff:10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("fd00::1", "unknown", "unknown"),
        ("10.0.0.1", "1.1.1.1, not an address", "not an address"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7,", ""),
    ],
)
def test_the_right_most_stranger_sent_the_request(peer: str, told: str, origin: str) -> None:
    assert PROXIES.origin(peer, {b"x-forwarded-for": told.encode()}) == origin


def test_without_the_header_the_peer_sent_it() -> None:
    assert PROXIES.origin("10.0.0.1", {}) == "10.0.0.1"
    assert Networks([]).origin("10.0.0.1", {b"x-forwarded-for": b"1.1.1.1"}) == "10.0.0.1"


@pytest.mark.parametrize(
    ("address", "is_in"),
    [
        ("10.255.0.1", True),
        ("11.0.0.1", False),
        ("::ffff:10.1.1.1", True),
        ("192.168.1.1", True),
        ("192.168.1.2", False),
        ("fd12::1%eth0", True),
        ("fe80::1", False),
        ("", False),
        ("10", False),
        ("0x0a000001", False),
        ("10.0.0.1.example", False),
    ],
)
def test_an_address_is_in_a_network_or_not(address: str, is_in: bool) -> None:
    assert PROXIES.has(address) is is_in


def test_a_networks_fault_names_what_to_write() -> None:
    assert network_fault("10.0.0.0/8") is None
    assert network_fault("2001:db8::1/32") == "names an address within a network; write 2001:db8::/32"


# --- what a guard says


def test_a_key_ends_at_its_instant_and_not_before() -> None:
    guard = KeyGuard(1000, None)
    guard.check(999, "anywhere")
    with pytest.raises(Refusal) as refused:
        guard.check(1000, "anywhere")

    assert (refused.value.told.status, refused.value.told.code) == (401, "key_expired")


def test_a_rotated_key_has_two_texts_until_the_overlap_ends() -> None:
    entry = KeyEntry("key_1", "a", hash_of("new"), expires_ns=2000, old_hash=hash_of("old"), old_until_ns=1000)
    keyring = build_snapshot(Settings(server=ServerSettings(), providers=(), keys=(entry,)), Stored()).keyring
    new, old = (keyring[bytes.fromhex(hash_of(text))] for text in ("new", "old"))
    assert new.guard is not None and old.guard is not None
    for caller in (new, old):
        assert caller.guard is not None
        caller.guard.check_time(999)
    new.guard.check_time(1999)

    assert (new.key_id, old.key_id) == ("key_1", "key_1")
    with pytest.raises(Refusal, match="was replaced by a newer one"):
        old.guard.check_time(1000)
    with pytest.raises(Refusal, match="has expired"):
        new.guard.check_time(2000)


def test_a_key_without_conditions_has_no_guard() -> None:
    entry = KeyEntry("key_1", "a", hash_of("a"))
    keyring = build_snapshot(Settings(server=ServerSettings(), providers=(), keys=(entry,)), Stored()).keyring

    assert [caller.guard for caller in keyring.values()] == [None]


# --- a running door


def entries() -> Mapping[str, KeyEntry]:
    now = time.time_ns()
    made = (
        KeyEntry("", "plain", ""),
        KeyEntry("", "ended", "", expires_ns=now - 1),
        KeyEntry("", "lasting", "", expires_ns=now + HOUR),
        KeyEntry("", "here", "", addresses=("127.0.0.0/8",)),
        KeyEntry("", "elsewhere", "", addresses=("198.51.100.0/24",)),
    )
    return {
        one.name: msgspec.structs.replace(one, id="key_" + one.name, hash=hash_of(text_of(one.name))) for one in made
    }


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A door behind a proxy of this machine's own network, which is trusted."""
    yield from started(tmp_path_factory.mktemp("door"), ServerSettings(trusted_proxies=("127.0.0.1",)))


@pytest.fixture(scope="module")
def open_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A door that trusts no proxy."""
    yield from started(tmp_path_factory.mktemp("open_door"), ServerSettings())


def started(data: Path, server: ServerSettings) -> Iterator[Door]:
    with raw_upstream(answer_ok) as upstream:
        told = Settings(
            server=server,
            providers=(provider("p", upstream.port),),
            keys=tuple(entries().values()),
            data=str(data),
        )
        door = spawn_door(told, listening())
        yield door
        door.process.terminate()
        door.process.wait(10)
    assert "Traceback" not in door.log(), door.log()


def asked(door: Door, name: str, forwarded: str = "") -> Answer:
    headers = f"x-forwarded-for: {forwarded}\r\n" if forwarded else ""
    return door.ask(request(chat("p/m"), key=text_of(name), headers=headers))


def verdict(answer: Answer) -> tuple[int, str | None]:
    return answer.status, json.loads(answer.body)["error"]["code"] if answer.status >= 400 else None


@pytest.mark.parametrize(
    ("name", "forwarded", "told"),
    [
        ("plain", "", (200, None)),
        ("lasting", "", (200, None)),
        ("ended", "", (401, "key_expired")),
        ("here", "", (200, None)),
        ("elsewhere", "", (403, "address_not_allowed")),
        ("elsewhere", "198.51.100.7", (200, None)),
        ("elsewhere", "198.51.100.7, 203.0.113.9", (403, "address_not_allowed")),
        ("elsewhere", "203.0.113.9, 198.51.100.7", (200, None)),
        ("here", "198.51.100.7", (403, "address_not_allowed")),
        ("here", "garbage", (403, "address_not_allowed")),
    ],
)
def test_a_key_works_until_and_where_it_may(
    door: Door, name: str, forwarded: str, told: tuple[int, str | None]
) -> None:
    assert verdict(asked(door, name, forwarded)) == told


@pytest.mark.parametrize("forwarded", ["", "198.51.100.7", "127.0.0.1, 198.51.100.7"])
def test_an_untrusted_peer_cannot_say_where_it_is(open_door: Door, forwarded: str) -> None:
    assert verdict(asked(open_door, "elsewhere", forwarded)) == (403, "address_not_allowed")
    assert verdict(asked(open_door, "here", forwarded)) == (200, None)


def test_the_origin_is_what_the_record_has(door: Door) -> None:
    answer = asked(door, "plain", "198.51.100.7")

    assert door.record(answer).peer == "198.51.100.7"


def test_an_unknown_key_is_only_unknown_while_the_database_is_heard_of(door: Door) -> None:
    file = SnapshotFile(door.data / "snapshot.json")
    before = verdict(door.ask(request(chat("p/m"), key=KEY)))
    file.tell_current()
    heard = verdict(door.ask(request(chat("p/m"), key=KEY)))
    silent = until(lambda: verdict(door.ask(request(chat("p/m"), key=KEY))) == (503, "keys_unavailable"), "503")
    known = verdict(asked(door, "plain"))
    file.tell_current()
    again = until(lambda: verdict(door.ask(request(chat("p/m"), key=KEY))) == (401, "invalid_api_key"), "401")

    assert (before, heard) == ((401, "invalid_api_key"), (401, "invalid_api_key"))
    assert (silent, known, again) == (True, (200, None), True)
