"""The life of a call: admit, order the targets, relay, go on to the next on a fault, settle, record."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from urllib.parse import quote

from unigate.call import Call
from unigate.clock import Wall
from unigate.dialects.crossing import Straight
from unigate.dialects.dialect import Dialect
from unigate.dialects.openai_errors import error_event
from unigate.errors import Fault, Kind, Refusal, StorageError, Told
from unigate.gate import Gate, Ledger
from unigate.journal import Journal
from unigate.relay import Leg, relay
from unigate.reply import Reply, write_error
from unigate.snapshot import Snapshot
from unigate.target import Target
from unigate.upstream.client import Upstream
from unigate.upstream.connection import Connection

__all__ = ["Pipeline"]

_MOST_ATTEMPTS = 3
_STOPPING = Told(
    status=503, code="server_shutting_down", message="The gateway is stopping; repeat the call.", type="server_error"
)


class Pipeline:
    """Carries calls; the snapshot it judges by is whatever `snapshot()` gives at that moment."""

    def __init__(
        self, snapshot: Callable[[], Snapshot], upstream: Upstream, journal: Journal, *, wall: Wall, heartbeat: float
    ) -> None:
        self._snapshot = snapshot
        self._upstream = upstream
        self._journal = journal
        self._wall = wall
        self._heartbeat = heartbeat
        self._gate = Gate()
        self._random = random.Random()

    async def carry(self, call: Call, dialect: Dialect, path_model: str | None, reply: Reply) -> None:
        """Answers one call, whatever happens to it, and leaves its record."""
        catalog = self._snapshot().catalog
        ledger = Ledger(call, self._journal, self._wall, demo=catalog.demo is not None)
        try:
            self._gate.admit(call, dialect, path_model)
            if call.streamed:
                reply.beat(self._heartbeat)
            targets = catalog.targets(call.model, dialect.name, has_tools=call.wants_tools, random=self._random)
            await self._try_each(call, dialect, targets, reply, ledger)
        except Refusal as refusal:
            _end(call, reply, ledger, refusal.told, "refused")
        except Fault as fault:
            _end(call, reply, ledger, fault.told, fault.kind.value)
        except asyncio.CancelledError:
            _end(call, reply, ledger, _STOPPING, "client_left" if reply.is_gone else "drained")
        except StorageError:
            # Not written down means not confirmed: the client must not see a proper end.
            reply.break_off()

    async def _try_each(
        self, call: Call, dialect: Dialect, targets: tuple[Target, ...], reply: Reply, ledger: Ledger
    ) -> None:
        """Tries targets in order until one answers. Raises the last Fault."""
        number, fresh = 0, False
        last = Fault(Kind.UNREACHABLE, "No attempt was made.")
        for _ in range(_MOST_ATTEMPTS):
            leg = Leg(targets[number], dialect, Straight(dialect, call.wants_usage), fresh=fresh)
            ledger.intend(leg.target, leg.crossing)
            try:
                await relay(call, leg, self._upstream, reply, _Attempt(call, leg, ledger))
                return
            except Fault as fault:
                ledger.attempt_failed(fault.kind.value)
                if reply.committed or reply.is_gone or not fault.reaction.try_next:
                    raise
                # A kept connection that had died is no fault of the target: it gets one fresh connection.
                fresh = fault.kind is Kind.STALE and not leg.fresh
                number += 0 if fresh else 1
                last = fault
                if number >= len(targets):
                    break
        raise last


class _Attempt:
    """The relay's hooks for one attempt."""

    __slots__ = ("_call", "_ledger", "_leg")

    def __init__(self, call: Call, leg: Leg, ledger: Ledger) -> None:
        self._call = call
        self._leg = leg
        self._ledger = ledger

    def head(self, answer: Connection) -> bytes:
        """The allow-listed headers of the upstream, and ours."""
        headers = answer.headers
        target = self._leg.target
        request_id = headers.get(b"x-request-id") or headers.get(b"request-id") or b""
        self._ledger.upstream_request_id = request_id
        return (
            b"content-type: %b\r\nx-unigate-model: %b\r\nx-unigate-provider: %b\r\n%b%bx-unigate-overhead-ms: %.3f\r\n"
            % (
                headers.get(b"content-type", b"application/octet-stream"),
                _printable(target.model),
                target.provider.name.encode(),
                b"x-unigate-upstream-request-id: %b\r\n" % request_id if request_id else b"",
                b"x-unigate-demo: true\r\n" if self._ledger.is_demo else b"",
                self._call.times.overhead_ns(time.perf_counter_ns()) / 1e6,
            )
        )

    def settle(self, status: int) -> None:
        """Writes the record of a call that was answered to its end."""
        self._ledger.settle(status, "ok")


def _end(call: Call, reply: Reply, ledger: Ledger, told: Told, end: str) -> None:
    """Records a call that went wrong, then tells its client in whatever form is still possible."""
    if ledger.is_settled:
        return  # the answer was complete, only its last bytes did not get out
    ledger.settle(reply.status if reply.is_open else told.status, end, told.code)
    if reply.is_gone:
        return
    if not reply.is_open:
        write_error(reply, told)
    elif call.streamed:
        reply.fail(error_event(told))
    else:
        reply.break_off()


def _printable(name: str) -> bytes:
    """A model's name as a header value; what a header cannot hold is percent-encoded."""
    return (name if name.isascii() and name.isprintable() else quote(name)).encode()
