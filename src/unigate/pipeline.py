"""The life of a call: admit, order the targets, relay, go on to the next on a fault, settle, record."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import replace
from typing import Final

from unigate.attempt import Attempt
from unigate.call import Call
from unigate.capture import Books
from unigate.charge import Cashier
from unigate.current import Current
from unigate.dialects.dialect import Dialect
from unigate.drains import Drains
from unigate.errors import Fault, Kind, Refusal, StorageError, Told
from unigate.flusher import confirmed
from unigate.gate import Gate, Ledger
from unigate.relay import relay
from unigate.reply import Reply, write_error
from unigate.routing.catalog import Way
from unigate.target import Target
from unigate.upstream.client import Upstream

__all__ = ["Pipeline"]

log: Final = logging.getLogger("unigate.door")

_MOST_ATTEMPTS: Final = 3
_SHORTEST_SECRET: Final = 8
_STOPPING: Final = Told(
    status=503, code="server_shutting_down", message="The gateway is stopping; repeat the call.", type="server_error"
)
_NOT_KEPT: Final = Told(
    status=503,
    code="storage_full",
    message="The call was answered, but could not be written down, so the answer is withheld; is the disk full?",
    type="server_error",
    should_retry=False,
)


class Pipeline:
    """Carries calls; each is judged by the snapshot of the moment it comes."""

    def __init__(
        self,
        current: Current,
        upstream: Upstream,
        books: Books,
        cashier: Cashier,
        *,
        heartbeat: float,
    ) -> None:
        self._current = current
        self._upstream = upstream
        self._books = books
        self._cashier = cashier
        self._heartbeat = heartbeat
        self._gate = Gate()
        self.drains = Drains()
        self._random = random.Random()

    async def carry(self, call: Call, dialect: Dialect, path_model: str | None, reply: Reply) -> None:
        """Answers one call, whatever happens to it, and leaves its record."""
        catalog = self._current.snapshot.catalog
        ledger = Ledger(call, self._books, demo=catalog.demo is not None)
        purse = self._cashier.purse(call)
        try:
            try:
                self._gate.admit(call, dialect, path_model)
                if call.streamed and dialect.comments:
                    reply.beat(self._heartbeat)
                is_rich = call.wants_tools or catalog.is_beyond_demo(call.body)
                ways = catalog.ways(call.model, dialect, has_tools=is_rich, random=self._random)
                said = _said_here(call, dialect, ways)
                if purse is not None and said is None:
                    terms = self._cashier.terms(call, purse, ways)
                    ways = terms.ways
                    ledger.hold(self._cashier.hold(purse, terms) or await self._cashier.wait(call, purse, terms))
            finally:
                if purse is not None:  # with every answer, a refusal too
                    reply.extra += self._cashier.lines(call, purse)
            if said is None:
                await self._try_each(call, dialect, ways, reply, ledger)
            else:
                await _say(said, reply, ledger)
        except Refusal as refusal:
            _end(call, dialect, reply, ledger, (refusal.told, "refused"))
        except Fault as fault:
            _end(call, dialect, reply, ledger, (fault.told, fault.kind.value))
        except asyncio.CancelledError:
            _end(call, dialect, reply, ledger, (_STOPPING, "client_left" if reply.is_gone else "drained"))
        except StorageError as error:
            # Not written down means not confirmed: the client must not see a proper end.
            log.error("record.lost request_id=%s reason=%s", call.id, error)
            if reply.is_open:
                reply.break_off()
            else:
                write_error(reply, _NOT_KEPT, dialect.errors)
        finally:
            reply.is_recorded = ledger.close()

    async def _try_each(
        self, call: Call, dialect: Dialect, ways: tuple[Way, ...], reply: Reply, ledger: Ledger
    ) -> None:
        """Tries targets in order until one answers. Raises the last Fault, or the Refusal of what none can say."""
        number, fresh = 0, False
        for attempts in range(1, _MOST_ATTEMPTS + 1):
            attempt = Attempt(call, dialect, ways[number], ledger.capturing, fresh=fresh)
            target = attempt.way.target
            written = ledger.intend(attempt)
            if written is not None:
                await _confirmed_intent(written)
            try:
                work = relay(attempt, ledger, self._upstream, reply)
                await (self.drains.through(work, reply, ledger) if target.provider.drains else work)
                return
            except Refusal as refusal:
                # This target's format has no words for the call; another's may.
                number += 1
                if refusal.told.status != 422 or attempts == _MOST_ATTEMPTS or number >= len(ways):
                    raise
                ledger.attempt_failed(refusal.told.code)
                fresh = False
            except Fault as fault:
                fault.told = _without_key(fault.told, target)
                ledger.attempt_failed(fault.kind.value)
                # A kept connection that had died is no fault of the target: it gets one fresh connection.
                fresh = fault.kind is Kind.STALE and not attempt.fresh
                number += 0 if fresh else 1
                is_over = attempts == _MOST_ATTEMPTS or number >= len(ways)
                if is_over or reply.committed or reply.is_gone or not fault.reaction.try_next:
                    raise


async def _confirmed_intent(written: asyncio.Future[None]) -> None:
    """Waits until the disk has the intent. Raises Refusal (503): nothing was sent yet."""
    try:
        await confirmed(written)
    except StorageError as error:
        raise Refusal(503, "storage_full", f"The call was not sent: {error}", type="server_error") from error


def _said_here(call: Call, dialect: Dialect, ways: tuple[Way, ...]) -> tuple[bytes, bytes] | None:
    """Head and body of what no target is asked for: an estimate, or that there was nothing to do; None for others."""
    if not ways:
        assert dialect.estimate is not None and call.body is not None, "only such a dialect is left without a way"
        content = dialect.estimate(call.body, call.model)
        return b"content-type: application/json\r\nx-unigate-estimated: true\r\n", content
    if dialect.idle is None or call.body is None or ways[0].dialect is dialect:
        return None
    nothing = dialect.idle(call.body, call.model)
    return None if nothing is None else (b"content-type: %b\r\n" % dialect.stream_type, nothing)


async def _say(said: tuple[bytes, bytes], reply: Reply, ledger: Ledger) -> None:
    """Answers a call that no target was asked for."""
    head, content = said
    if ledger.capturing is not None:
        ledger.capturing.answer.add(content)
    written = ledger.settle(200, "ok")
    if written is not None:
        await confirmed(written)
    reply.whole(200, head, content)


def _without_key(told: Told, target: Target) -> Told:
    """What is told, in case the upstream repeated the credential it was sent."""
    for secret in (target.provider.key, target.provider.signing.session_token):
        key = secret.reveal()
        if len(key) >= _SHORTEST_SECRET:
            told = replace(
                told,
                message=told.message.replace(key, "[redacted]"),
                code=told.code.replace(key, "[redacted]"),
                param=told.param.replace(key, "[redacted]") if told.param else None,
            )
    return told


def _end(call: Call, dialect: Dialect, reply: Reply, ledger: Ledger, how: tuple[Told, str]) -> None:
    """Records a call that went wrong, then tells its client in whatever form is still possible."""
    told, end = replace(how[0], call_id=call.id), how[1]
    if ledger.is_settled or ledger.is_draining:
        return  # the answer was complete, only its last bytes did not get out; or nobody waits for it any more
    if ledger.capturing is not None and not reply.is_gone:
        ledger.capturing.answer.add(_words(call, dialect, reply, told))
    try:
        ledger.settle(reply.status if reply.is_open else told.status, end, told.code)
    except StorageError as error:
        # An error confirms nothing, so the client may hear it all the same.
        log.error("record.lost request_id=%s reason=%s", call.id, error)
    if reply.is_gone:
        return
    if not reply.is_open:
        write_error(reply, told, dialect.errors)
    elif call.streamed:
        reply.fail(dialect.errors.event(told))
    else:
        reply.break_off()


def _words(call: Call, dialect: Dialect, reply: Reply, told: Told) -> bytes:
    """What the client is going to read of an error."""
    if not reply.is_open:
        return dialect.errors.body(told)
    return dialect.errors.event(told) if call.streamed else b""
