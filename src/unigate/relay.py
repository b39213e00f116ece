"""The hot path: carries one call to one target, and its answer back."""

from __future__ import annotations

from time import perf_counter_ns
from typing import Final

from unigate.attempt import Attempt
from unigate.errors import Fault, Kind
from unigate.flusher import confirmed
from unigate.gate import Ledger
from unigate.reply import Reply
from unigate.upstream.client import Upstream
from unigate.upstream.connection import Connection

__all__ = ["relay"]

_LARGEST_ERROR: Final = 256 * 1024


async def relay(attempt: Attempt, ledger: Ledger, upstream: Upstream, reply: Reply) -> None:
    """Carries one call to one target, and its answer back. Raises Fault; the reply tells whether it was committed."""
    call, crossing, target = attempt.call, attempt.crossing, attempt.way.target
    content = crossing.outgoing(call, target)
    dialect, operation = attempt.words
    call.asked = perf_counter_ns()
    attempt.exchange = exchange = upstream.send(
        target, dialect, operation, call.headers, content, content_type=call.content_type, fresh=attempt.fresh
    )
    async with exchange as answer:
        call.answer(perf_counter_ns())
        if answer.status >= 400:
            raise crossing.fault(answer.status, answer.headers, await _said(answer))
        if answer.status >= 300:
            raise Fault(Kind.PROTOCOL, "The upstream answered with a redirect, which is never followed.")
        crossing.begin(answer.headers.get(b"content-type", b""))
        if reply.is_open and not crossing.is_stream:
            raise Fault(Kind.INVALID, "The upstream answered in one piece after a stream to the client had begun.")
        reply.open(answer.status, attempt.head(answer))

        if answer.is_whole:
            whole_events = crossing.feed(answer.take_whole())
            if whole_events and (slow := reply.send(whole_events)) is not None:
                await slow
        else:
            await answer.pour((crossing.feed, reply.send))
        last = crossing.close()
        written = ledger.settle(answer.status, "ok")  # in the journal before the client can see the end
        if written is not None:
            await confirmed(written)
        reply.finish(last)


async def _said(answer: Connection) -> bytes:
    """The body of an error answer; one that cannot be read leaves the status, which says enough."""
    try:
        return await answer.read_all(_LARGEST_ERROR)
    except Fault:
        return b""
