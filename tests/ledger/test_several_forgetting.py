"""A Redis with an older book, without room, or replaced by its copy: limits hold, and budgets do not notice."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import Mock, start_mock, until
from ledger.fault_proxy import fault_proxy
from ledger.servers import Database, Redis
from ledger.several import most_in_a_minute, three
from ledger.test_several_outages import BY_MINUTE, KEYS, REQUESTS, Scene

# What is left of the minute when the book is lost is less than one gateway asks for then, and more than none.
BEFORE = 380

IS_LINKED = "return string.find(redis.call('INFO', 'replication'), 'master_link_status:up') and 1 or 0"


@pytest.fixture
def mock() -> Iterator[Mock]:
    with start_mock() as mock:
        yield mock


@pytest.fixture
def copy(redis: Redis) -> Iterator[Redis]:
    """Another server, which follows the first one."""
    server = Redis()
    try:
        server.start()
        redis.run("CONFIG", "SET", "repl-diskless-sync-delay", "0")
        server.run("REPLICAOF", "127.0.0.1", str(redis.port))
        until(lambda: server.run("EVAL", IS_LINKED, "0") == "1", "the copy")
        yield server
    finally:
        server.remove()


def restarts_with_an_older_book(redis: Redis, spend: Callable[[], object]) -> None:
    """SAVE, more calls, a crash, and a start from what was saved."""
    redis.run("SAVE")
    spend()
    redis.stop(signal.SIGKILL)
    redis.start()
    assert redis.run("EXISTS", "unigate:rates") == "1", "the older book is there"


def evicts_all_it_has(redis: Redis, spend: Callable[[], object]) -> None:
    """No room for anything: whatever is there goes."""
    spend()
    redis.run("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    redis.run("CONFIG", "SET", "maxmemory", "1")
    until(lambda: redis.run("DBSIZE") == "0", "the end of all keys")
    redis.run("CONFIG", "SET", "maxmemory", "0")


def refuses_whatever_it_would_have_to_keep(redis: Redis, spend: Callable[[], object]) -> None:
    """No room, and nothing goes: every write is an error."""
    redis.run("CONFIG", "SET", "maxmemory-policy", "noeviction")
    redis.run("CONFIG", "SET", "maxmemory", "1")
    spend()
    redis.run("CONFIG", "SET", "maxmemory", "0")


FAULTS = (restarts_with_an_older_book, evicts_all_it_has, refuses_whatever_it_would_have_to_keep)


def spend(scene: Scene, count: int) -> None:
    """Calls until so many were served: on a busy machine a gateway may say `try again in 1 s` meanwhile."""

    def is_spent() -> bool:
        missing = count - len(scene.served())
        return missing <= 0 or not scene.call(BY_MINUTE, missing)

    until(is_spent, f"{count} calls that are served")


def assert_limit_holds(scene: Scene) -> None:
    """What is left of the minute can be used to its end, and no further."""
    until(lambda: scene.call(BY_MINUTE, 150) and len(scene.served()) >= REQUESTS, "the end of the minute's share")
    assert {one.status for one in scene.call(BY_MINUTE, 30)} <= {429, 503}
    assert most_in_a_minute(scene.served()) <= REQUESTS


def assert_one_gateway_gets_no_more_than_is_left(scene: Scene) -> None:
    """It asks for all that the others have used, before any of them asks for anything."""
    until(lambda: 429 in {one.status for one in scene.call_first(BY_MINUTE, 150)}, "an answer of the bank")
    assert len(scene.served()) >= BEFORE
    assert most_in_a_minute(scene.served()) <= REQUESTS


def assert_said_once_per_change(scene: Scene, changes: int) -> None:
    """One line for each change of state in each gateway's log, however many calls there were."""
    for one in scene.gateways:
        lines = [line for line in one.log().splitlines() if " rates." in line or " bank." in line]
        # A busy machine may lose sight of its store once or twice more; calls there are hundreds of.
        assert len(lines) <= 2 * (changes + 2), lines


def test_a_redis_that_forgets_what_was_lent_lets_nobody_pass_a_limit(
    mock: Mock, database: Database, redis: Redis, tmp_path: Path
) -> None:
    with fault_proxy(redis.port) as proxy, three(tmp_path, mock, database, KEYS, redis.url) as gateways:
        scene = Scene(mock, gateways, proxy, redis)
        until(scene.are_well, "the first calls")
        for fault in FAULTS:
            fault(redis, lambda: scene.call(BY_MINUTE, 60))
            scene.assert_nobody_waits()
            until(scene.are_well, "the recovery")

        assert_limit_holds(scene)
        assert_said_once_per_change(scene, len(FAULTS))


def test_a_copy_that_takes_over_lets_nobody_pass_a_limit(
    mock: Mock, database: Database, redis: Redis, copy: Redis, tmp_path: Path
) -> None:
    with (
        fault_proxy(redis.port) as proxy,
        three(tmp_path, mock, database, KEYS, redis.url_through(proxy.port)) as gateways,
    ):
        scene = Scene(mock, gateways, proxy, redis)
        until(scene.are_well, "the first calls")
        spend(scene, 60)
        copy.run("REPLICAOF", "NO", "ONE")  # it never hears of the next ones
        spend(scene, BEFORE)
        redis.stop(signal.SIGKILL)
        proxy.target = copy.port
        proxy.cut()
        assert_one_gateway_gets_no_more_than_is_left(scene)
        scene.assert_nobody_waits()
        assert_limit_holds(scene)
        assert_said_once_per_change(scene, 1)


@pytest.mark.parametrize("fault", [restarts_with_an_older_book, evicts_all_it_has])
def test_near_the_limit_nobody_is_lent_what_a_redis_forgot(
    fault: Callable[[Redis, Callable[[], object]], None],
    mock: Mock,
    database: Database,
    redis: Redis,
    tmp_path: Path,
) -> None:
    with fault_proxy(redis.port) as proxy, three(tmp_path, mock, database, KEYS, redis.url) as gateways:
        scene = Scene(mock, gateways, proxy, redis)
        until(scene.are_well, "the first calls")
        fault(redis, lambda: spend(scene, BEFORE))

        assert_one_gateway_gets_no_more_than_is_left(scene)
        assert_limit_holds(scene)
