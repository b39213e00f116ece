"""The hot path: carries one call to one target, and its answer back."""

from __future__ import annotations

import time
from typing import Protocol

from unigate.call import Call
from unigate.dialects.crossing import Straight
from unigate.dialects.dialect import Dialect
from unigate.errors import Fault, Kind
from unigate.reply import Reply
from unigate.target import Target
from unigate.upstream.client import Upstream
from unigate.upstream.connection import Connection

__all__ = ["Hooks", "Leg", "relay"]

_LARGEST_ERROR = 256 * 1024


class Hooks(Protocol):
    """What the pipeline adds to a relay: header lines for the answer, and the settlement."""

    def head(self, answer: Connection) -> bytes:
        """The header lines of the answer, each ended by CR LF."""
        ...

    def settle(self, status: int) -> None:
        """Writes down that the answer came to its end. Raises StorageError."""
        ...


class Leg:
    """One attempt's facts: the target, the dialect spoken with it, and whether a kept connection may be used."""

    __slots__ = ("crossing", "dialect", "fresh", "target")

    def __init__(self, target: Target, dialect: Dialect, crossing: Straight, *, fresh: bool) -> None:
        self.target = target
        self.dialect = dialect
        self.crossing = crossing
        self.fresh = fresh


async def relay(call: Call, leg: Leg, upstream: Upstream, reply: Reply, hooks: Hooks) -> None:
    """Carries one call to one target, and its answer back. Raises Fault; the reply tells whether it was committed."""
    crossing, dialect = leg.crossing, leg.dialect
    content = crossing.outgoing(call, leg.target)
    content_type = call.content_type if dialect.model_in == "form" else b"application/json"
    call.times.asked = time.perf_counter_ns()
    async with upstream.send(
        leg.target, dialect.name, dialect.operation, call.headers, content, content_type=content_type, fresh=leg.fresh
    ) as answer:
        call.times.answered = time.perf_counter_ns()
        if answer.status >= 400:
            raise crossing.fault(answer.status, answer.headers, await answer.read_all(_LARGEST_ERROR))
        if answer.status >= 300:
            raise Fault(Kind.PROTOCOL, "The upstream answered with a redirect, which is never followed.")
        crossing.begin(answer.headers.get(b"content-type", b""))
        reply.open(answer.status, hooks.head(answer))
        while chunk := await answer.read():
            if whole_events := crossing.feed(chunk):
                await reply.send(whole_events)
        last = crossing.close()
        hooks.settle(answer.status)  # in the journal before the client can see the end
        await reply.finish(last)
