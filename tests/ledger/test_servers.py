"""The servers that other tests rely on: they really stop, freeze, move and come back."""

from __future__ import annotations

import signal
import socket
from contextlib import closing

import pytest

from gateways import free_port
from ledger.servers import Database, Postgres, Redis


def test_each_test_has_an_empty_database(database: Database) -> None:
    database.run("CREATE TABLE t AS SELECT 'a' AS x, 1 AS y UNION SELECT 'b', 2")

    assert database.run("SELECT x, y FROM t ORDER BY x") == [["a", "1"], ["b", "2"]]
    assert database.run("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [["1"]]


def test_a_database_survives_a_crash_and_a_move(database: Database) -> None:
    database.run("CREATE TABLE t (x int); INSERT INTO t VALUES (7)")
    database.server.stop(signal.SIGKILL)
    database.server.start(free_port())

    assert database.run("SELECT x FROM t") == [["7"]]
    assert database.url.endswith(f":{database.server.port}/{database.name}")


def test_a_frozen_server_takes_connections_and_says_nothing(postgres: Postgres) -> None:
    postgres.freeze()

    assert is_silent(postgres.port, b"\x00\x00\x00\x08\x04\xd2\x16\x2f")  # SSLRequest, answered with one byte
    postgres.thaw()
    assert postgres.run("SELECT 1") == [["1"]]


def test_a_frozen_redis_takes_connections_and_says_nothing(redis: Redis) -> None:
    redis.run("SET", "k", "v")
    redis.freeze()

    assert is_silent(redis.port, b"PING\r\n")
    redis.thaw()
    assert redis.run("GET", "k") == "v"


def test_a_stopped_redis_refuses_and_comes_back_empty(redis: Redis) -> None:
    redis.run("SET", "k", "v")
    redis.stop(signal.SIGKILL)

    with pytest.raises(ConnectionRefusedError):
        redis.run("PING")
    redis.start()
    assert redis.run("EXISTS", "k") == "0"


def is_silent(port: int, question: bytes) -> bool:
    with closing(socket.create_connection(("127.0.0.1", port), 2)) as line:
        line.settimeout(0.3)
        line.sendall(question)
        try:
            return line.recv(1) is None
        except TimeoutError:
            return True
