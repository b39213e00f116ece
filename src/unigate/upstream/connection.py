"""One HTTP/1.1 connection to an upstream: sends a request, hands over the answer as it comes, keeps the deadlines."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import cast

import httptools

from unigate.errors import LATE, Fault, Kind
from unigate.target import Timeouts
from unigate.upstream.inflate import Inflate

__all__ = ["Connection", "Take"]

Take = Callable[[bytes], "asyncio.Future[None] | None"]
"""Takes a piece of a body; a future means that the next piece should wait for it."""

_HIGH_WATER = 64 * 1024
_WRITE_AHEAD = 1024 * 1024
_MOST_HEADERS = 200
_SURELY_OPEN = 0.01
# A kept connection that ends this soon was dead already; one that ends later may have begun to work on the call.
_SOON = 0.25
_LARGEST_HEAD = 64 * 1024


class Connection(asyncio.Protocol):
    """A connection that carries one exchange at a time; whoever holds it reads the answer to its end or closes it."""

    __slots__ = (
        "_active",
        "_buffered",
        "_chunks",
        "_complete",
        "_deadline",
        "_drained",
        "_fault",
        "_got_bytes",
        "_has_head",
        "_head_size",
        "_header_count",
        "_inflate",
        "_late",
        "_loop",
        "_parser",
        "_poll",
        "_reading_paused",
        "_slow",
        "_stays_open",
        "_take",
        "_timeouts",
        "_timer",
        "_total_at",
        "_transport",
        "_waiter",
        "headers",
        "idle_since",
        "opened_at",
        "status",
        "used",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._poll = select.poll()
        self.opened_at = loop.time()
        self.idle_since = 0.0
        self.used = False
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._late = Kind.FIRST_BYTE_TIMEOUT
        self._timeouts = Timeouts()
        self._total_at = 0.0
        self._reset()

    def _reset(self) -> None:
        """State of one exchange."""
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._head_size = 0
        self._header_count = 0
        self._reading_paused = False
        self._has_head = False
        self._complete = False
        self._stays_open = False
        self._active = False
        self._got_bytes = False
        self._fault: Fault | None = None
        self._inflate: Inflate | None = None
        self._take: Take | None = None
        self._slow: asyncio.Future[None] | None = None

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        # A body of usual size goes out in one piece; waiting for the socket costs more than holding it.
        self._transport.set_write_buffer_limits(high=_WRITE_AHEAD)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if not self._active:
            self.close()  # An upstream that speaks unasked is not to be trusted with the next request.
            return
        self._got_bytes = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(Fault(Kind.PROTOCOL, "The upstream switched protocols, which nobody asked for."))
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if not isinstance(cause, Fault):
                raise
            self._fail(cause)
        except httptools.HttpParserError:
            self._fail(Fault(Kind.PROTOCOL, "The upstream's answer is not valid HTTP."))
        if self._has_head and not self._complete and self._deadline:
            self._expect(Kind.IDLE_TIMEOUT, self._timeouts.idle)
            if self._take is not None and self._slow is None and self._fault is None:
                return  # all of it was taken; nobody needs to be woken for it
        if self._buffered > _HIGH_WATER and not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._active and not self._complete and self._fault is None:
            self._fault = self._end_at_eof() if exc is None and self._ends_at_eof() else self._lost()
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._wake()

    def _end_at_eof(self) -> Fault | None:
        """The end of an answer that is told by the end of its connection alone."""
        try:
            if self._inflate is not None:
                self._inflate.close()
        except Fault as fault:
            return fault
        self._complete = True
        return None

    def _lost(self) -> Fault:
        if self._has_head:
            return Fault(Kind.TRUNCATED, "The upstream closed the connection in the middle of its answer.")
        if not self._got_bytes and self._was_dead():
            return Fault(Kind.STALE, "The upstream closed a kept connection as it was used again.")
        return Fault(Kind.CONNECTION, "The upstream closed the connection before it answered.")

    def _was_dead(self) -> bool:
        """Whether a failure of this connection comes too soon after its reuse to be about the call."""
        return self.used and self._loop.time() - (self._total_at - self._timeouts.total) < _SOON

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # --- httptools' side

    def on_message_begin(self) -> None:
        if self._complete:
            raise Fault(Kind.PROTOCOL, "The upstream sent a second answer to one request.")
        self.headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_count += 1
        self._head_size += len(name) + len(value)
        if self._header_count > _MOST_HEADERS or self._head_size > _LARGEST_HEAD:
            raise Fault(Kind.PROTOCOL, "The upstream's answer has too many headers.")
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            return
        if status == 408 and self._was_dead():
            raise Fault(Kind.STALE, "The upstream gave up a kept connection as it was used again.")
        self.status = status
        encoding = self.headers.get(b"content-encoding", b"").strip().lower()
        if encoding and encoding != b"identity":
            self._inflate = Inflate(encoding)
        self._has_head = True

    def on_body(self, body: bytes) -> None:
        if self._inflate is not None:
            body = self._inflate.feed(body)
        if self._take is not None and self._slow is None and not self._chunks:
            self._slow = self._take(body)
            return
        self._chunks.append(body)
        self._buffered += len(body)

    def on_message_complete(self) -> None:
        if not self._has_head:
            return  # the end of an informational answer
        if self._inflate is not None:
            self._inflate.close()
        self._complete = True
        self._stays_open = self._parser.should_keep_alive()  # llhttp forgets it with the next byte

    # --- the holder's side

    async def send(self, head: bytes, content: bytes, timeouts: Timeouts) -> None:
        """Sends one request and waits for the head of its answer. Raises Fault."""
        transport = self._transport
        if transport is None:
            raise Fault(Kind.STALE, "The upstream closed a kept connection as it was used again.")
        self._active = True
        self._timeouts = timeouts
        self._total_at = self._loop.time() + timeouts.total
        if len(content) <= _HIGH_WATER:
            transport.write(head + content)
        else:
            transport.write(head)
            transport.write(content)
        if self._drained is not None:
            self._expect(Kind.WRITE_TIMEOUT, timeouts.write)
            # An upstream may answer, and close, before it has read all of a body it does not want.
            while not self._has_head and self._fault is None and (drained := self._drained) and self._transport:
                await self._either(drained)
        if self._has_head:
            self._expect(Kind.IDLE_TIMEOUT, timeouts.idle)
        else:
            self._expect(Kind.FIRST_BYTE_TIMEOUT, timeouts.first_byte)
        while not self._has_head:
            if self._fault is not None:
                raise self._fault
            await self._wait()

    async def pour(self, take: Take) -> None:
        """Hands the body to `take`, each piece in the very step that reads it, and waits where `take` asks for it.

        Raises Fault if the end is not the answer's, and whatever Fault `take` raises.
        """
        self._take = take
        try:
            while True:
                self._hand_over(take)
                if self._slow is not None:
                    await self._slow
                    self._slow = None
                elif self._fault is not None:
                    raise self._fault
                elif self._complete:
                    return
                else:
                    await self._more()
        finally:
            self._take = None

    async def read_all(self, limit: int) -> bytes:
        """The rest of the answer, up to about `limit` bytes. Raises Fault."""
        parts: list[bytes] = []
        size = 0
        while size <= limit:
            if self._chunks:
                parts += self._chunks
                size += self._buffered
                self._chunks, self._buffered = [], 0
            elif self._fault is not None:
                raise self._fault
            elif self._complete:
                break
            else:
                await self._more()
        return b"".join(parts)

    def _hand_over(self, take: Take) -> None:
        if self._chunks and self._slow is None:
            chunks, self._chunks = self._chunks, []
            self._buffered = 0
            try:
                self._slow = take(chunks[0] if len(chunks) == 1 else b"".join(chunks))
            except Fault as fault:
                self._fault = fault
                self.close()

    def release(self) -> bool:
        """Ends the exchange; True if the connection may carry another one."""
        self._deadline = 0.0
        reusable = self._stays_open and self._fault is None and self._transport is not None
        reusable = reusable and not self._chunks and self._drained is None
        if not reusable:
            self.close()
            return False
        if self._reading_paused and self._transport is not None:
            self._transport.resume_reading()  # the last bytes came in one large piece
        self._reset()
        self.used = True
        self.idle_since = self._loop.time()
        return True

    def is_usable(self) -> bool:
        """Whether an idle connection is still open and silent; a readable one was closed or spoke unasked."""
        if self._transport is None or self._transport.is_closing():
            return False
        # Just used, it needs no look: if it closes now, the call is repeated as on any stale connection.
        return self._loop.time() - self.idle_since < _SURELY_OPEN or not self._poll.poll(0)

    def close(self) -> None:
        """Drops the connection at once; nothing that was queued is sent."""
        if self._transport is not None:
            self._transport.abort()

    # --- deadlines and waiting

    def _expect(self, late: Kind, seconds: float) -> None:
        """Sets the one deadline; a timer that is already running earlier is left to look again when it fires."""
        deadline = self._loop.time() + seconds
        if deadline >= self._total_at:
            deadline, late = self._total_at, Kind.TOTAL_TIMEOUT
        self._late = late
        self._deadline = deadline
        if self._timer is not None:
            if self._timer.when() <= deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._deadline:
            return
        if self._loop.time() < self._deadline - 0.001:
            self._timer = self._loop.call_at(self._deadline, self._look)
        elif self._reading_paused and self._late is not Kind.TOTAL_TIMEOUT:
            # It is our client that is slow; the server side has a clock for that.
            self._expect(self._late, self._timeouts.idle)
        else:
            self._fail(Fault(self._late, LATE[self._late]))

    def _fail(self, fault: Fault) -> None:
        if self._fault is None and not self._complete:
            self._fault = fault
        self.close()
        self._wake()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _more(self) -> None:
        if self._reading_paused:
            self._resume_reading()
        await self._wait()

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    async def _either(self, drained: asyncio.Future[None]) -> None:
        self._waiter = self._loop.create_future()
        try:
            await asyncio.wait((self._waiter, drained), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._waiter = None

    def _resume_reading(self) -> None:
        self._reading_paused = False
        if self._deadline:
            self._expect(Kind.IDLE_TIMEOUT, self._timeouts.idle)
        if self._transport is not None:
            self._transport.resume_reading()

    def _ends_at_eof(self) -> bool:
        return (
            self._has_head
            and b"content-length" not in self.headers
            and b"transfer-encoding" not in self.headers
            and self.status not in (204, 304)
        )
