"""A step of rates that reaches the store after its door has told anew what it has: nothing stays lent by it."""

from __future__ import annotations

import pytest

from harness import until
from ledger.fault_proxy import fault_proxy
from ledger.servers import Redis
from unigate.admission.bank_words import Verdict, Want
from unigate.errors import StorageError
from unigate.storage.branch import Job
from unigate.storage.valkey import ValkeyRates

LIMIT = 100


def wish(amount: int) -> Want:
    return Want("key:k", "requests", "", LIMIT, 0, (amount,), 0)


def lines_of(redis: Redis) -> int:
    """How many connections the server has."""
    return int(redis.run("EVAL", "return redis.call('INFO', 'clients'):match('connected_clients:(%d+)')", "0"))


def test_a_step_that_comes_after_the_next_hello_lends_nothing(redis: Redis) -> None:
    with fault_proxy(redis.port) as proxy:
        rates = ValkeyRates(redis.url_through(proxy.port), "gateway-a")
        rates.beat(("door-0", "door-1"), 0, "")
        rates.work([Job("door-0", holdings=()), Job("door-1", holdings=())])
        kept = proxy.keep_back(b"HDEL")
        with pytest.raises(StorageError):
            rates.work([Job("door-0", wants=(wish(60),))])
        assert kept.wait(5)

        rates.work([Job("door-0", holdings=())])  # it hung up, came back, and has nothing
        before = lines_of(redis)
        proxy.let_go()
        until(lambda: lines_of(redis) < before)  # its line was closed long ago
        (outcome,) = rates.work([Job("door-1", wants=(wish(LIMIT),))])

        assert [(grant.verdict, grant.amount) for grant in outcome.grants] == [(Verdict.GRANTED, LIMIT)]
