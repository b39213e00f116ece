"""One HTTP/1.1 connection to an upstream: sends a request, hands over the answer as it comes, keeps the deadlines."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import Final, cast

import httptools

from unigate.errors import LATE, Fault, Kind
from unigate.target import Timeouts
from unigate.upstream.head import LARGEST_HEAD, ends_at_eof, headers_in, too_many_headers
from unigate.upstream.inflate import Inflate
from unigate.wire.chunk import data_in

__all__ = ["Connection", "Flow"]

Flow = tuple[Callable[[bytes], bytes], Callable[[bytes], "asyncio.Future[None] | None"]]
"""What makes parts of an answer of its pieces, and what sends a part on; a future: the next should wait for it."""

_HIGH_WATER: Final = 64 * 1024
_WRITE_AHEAD: Final = 1024 * 1024
_SURELY_OPEN: Final = 0.01
# A kept connection that ends this soon was dead already; one that ends later may have begun to work on the call.
_SOON: Final = 0.25
_LONGEST_IDLE: Final = 55.0  # most servers close after 60 s or more; ours must be first
_LONGEST_LIFE: Final = 300.0  # so that a changed DNS entry is followed
# What a connection that is not open has, and never feeds.
_NO_PARSER: Final = httptools.HttpResponseParser(None)


class Connection:
    """A connection that carries one exchange at a time; whoever holds it reads the answer to its end or closes it."""

    __slots__ = (
        "_asked_at",
        "_buffered",
        "_chunks",
        "_drained",
        "_fault",
        "_flow",
        "_head_size",
        "_heard_at",
        "_inflate",
        "_is_active",
        "_is_between_chunks",
        "_is_complete",
        "_is_paused",
        "_lines",
        "_loop",
        "_now",
        "_opened_at",
        "_parser",
        "_poll",
        "_shortest",
        "_slow",
        "_stays_open",
        "_timeouts",
        "_timer",
        "_transport",
        "_used_at",
        "_waiter",
        "headers",
        "on_header",
        "status",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._now = loop.time
        self._transport: asyncio.Transport | None = None
        self._lines: dict[bytes, bytes] = {}
        # The parser calls this for each line of a head; there are many, and none needs a step of ours.
        self.on_header = self._lines.__setitem__
        self._parser = _NO_PARSER
        self._poll = select.poll()
        self._opened_at = loop.time()
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._used_at = self._asked_at = self._heard_at = 0.0
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._is_paused = False
        self._fault: Fault | None = None
        self._flow: Flow | None = None
        self._slow: asyncio.Future[None] | None = None
        self._timeouts = Timeouts()
        self._begin(Timeouts())
        self._is_active = False

    def _begin(self, timeouts: Timeouts) -> None:
        """State of one exchange, as far as the end of the one before has not left it behind."""
        if timeouts is not self._timeouts:
            self._timeouts = timeouts
            self._shortest = min(timeouts.write, timeouts.first_byte, timeouts.idle, timeouts.total)
        self._is_active = True
        self.status = 0  # until the head is there
        self.headers: dict[bytes, bytes] = {}
        self._head_size = 0  # with whatever came together with its end
        self._is_complete = self._stays_open = self._is_between_chunks = False
        self._inflate: Inflate | None = None

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpResponseParser(self)
        # A body of usual size goes out in one piece; waiting for the socket costs more than holding it.
        self._transport.set_write_buffer_limits(high=_WRITE_AHEAD)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if not self._is_active:
            self.close()  # An upstream that speaks unasked is not to be trusted with the next request.
            return
        if not self.status:
            self._head_size += len(data)
        if self._flow is not None and self._slow is None and self._is_between_chunks and (piece := data_in(data)):
            # The parser stands where it stood, and nothing that came before still waits.
            self._heard_at = self._now()
            if not self._hand_over(self._flow, piece):
                self._wake()
            return
        self._parse(data)
        if self.status:
            self._heard_at = self._now()
            if self._flow is not None and self._slow is None:
                is_taken = not self._chunks or self._hand_over(self._flow, self.take_whole())
                if is_taken and self._fault is None and not self._is_complete:
                    return  # all of it was taken; nobody needs to be woken for it
            if self._buffered > _HIGH_WATER and not self._is_paused and self._transport is not None:
                self._is_paused = True
                self._transport.pause_reading()
        elif self._head_size > LARGEST_HEAD:
            self._fail(too_many_headers())
        self._wake()

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
            # Part of the next chunk's size may have come as well, but nothing of it that ends a line.
            self._is_between_chunks = self._is_between_chunks and data.endswith(b"\r\n")
        except httptools.HttpParserUpgrade:
            self._fail(Fault(Kind.PROTOCOL, "The upstream switched protocols, which nobody asked for."))
        except httptools.HttpParserCallbackError as error:
            if not isinstance(cause := error.__context__, Fault):
                raise
            self._fail(cause)
        except httptools.HttpParserError:
            self._fail(Fault(Kind.PROTOCOL, "The upstream's answer is not valid HTTP."))

    def eof_received(self) -> None:
        """An upstream that says it has no more to say has ended the connection."""

    def connection_lost(self, exc: Exception | None) -> None:
        if self._is_active and not self._is_complete and self._fault is None:
            self._fault = self._end_at_eof() if exc is None and ends_at_eof(self.status, self.headers) else self._lost()
        self._transport = None
        # It holds methods of ours: a circle, which would lie about until somebody looked for such.
        self._parser = _NO_PARSER
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.resume_writing()
        self._wake()

    def _end_at_eof(self) -> Fault | None:
        """The end of an answer that is told by the end of its connection alone."""
        try:
            if self._inflate is not None:
                self._inflate.close()
        except Fault as fault:
            return fault
        self._is_complete = True
        return None

    def _lost(self) -> Fault:
        if self.status:
            return Fault(Kind.TRUNCATED, "The upstream closed the connection in the middle of its answer.")
        if not self._head_size and self._was_dead():
            return Fault(Kind.STALE, "The upstream closed a kept connection as it was used again.")
        return Fault(Kind.CONNECTION, "The upstream closed the connection before it answered.")

    def _was_dead(self) -> bool:
        """Whether a failure of this connection comes too soon after its reuse to be about the call."""
        return self._used_at > 0 and self._now() - self._asked_at < _SOON

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # --- httptools' side

    def on_message_begin(self) -> None:
        if self._is_complete:
            raise Fault(Kind.PROTOCOL, "The upstream sent a second answer to one request.")
        self._lines.clear()

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            return
        if status == 408 and self._was_dead():
            raise Fault(Kind.STALE, "The upstream gave up a kept connection as it was used again.")
        self.headers = headers_in(self._lines, self._head_size)
        if b"content-encoding" in self.headers:
            encoding = self.headers[b"content-encoding"].strip().lower()
            self._inflate = Inflate(encoding) if encoding and encoding != b"identity" else None
        self.status = status

    def on_body(self, body: bytes) -> None:
        # Kept until all that came with it is parsed: pieces that came together are taken together.
        if self._inflate is not None:
            body = self._inflate.feed(body)
        self._chunks.append(body)
        self._buffered += len(body)

    def on_chunk_header(self) -> None:
        self._is_between_chunks = False

    def on_chunk_complete(self) -> None:
        self._is_between_chunks = self._inflate is None

    def on_message_complete(self) -> None:
        self._is_between_chunks = False
        if not self.status:
            return  # the end of an informational answer
        if self._inflate is not None:
            self._inflate.close()
        self._is_complete = True
        self._stays_open = self._parser.should_keep_alive()  # llhttp forgets it with the next byte

    # --- the holder's side

    async def send(self, head: bytes, content: bytes, timeouts: Timeouts) -> None:
        """Sends one request and waits for the head of its answer. Raises Fault."""
        transport = self._transport
        if transport is None:
            raise Fault(Kind.STALE, "The upstream closed a kept connection as it was used again.")
        self._begin(timeouts)
        self._asked_at = self._heard_at = now = self._now()
        self._look_by(now + self._shortest)
        if len(content) <= _HIGH_WATER:
            transport.write(head + content)
        else:
            transport.writelines((head, content))
        if self._drained is not None:
            # An upstream may answer, and close, before it has read all of a body it does not want.
            while not self.status and self._fault is None and (drained := self._drained) and self._transport:
                await asyncio.wait((self._bell(), drained), return_when=asyncio.FIRST_COMPLETED)
            self._heard_at = self._now()
        while not self.status:
            if self._fault is not None:
                raise self._fault
            await self._bell()

    async def pour(self, flow: Flow) -> None:
        """Lets the body flow on, each piece in the very step that reads it, and waits where the flow asks for it.

        Raises Fault if the end is not the answer's, and whatever Fault the flow raises.
        """
        self._flow = flow
        try:
            while True:
                if self._chunks and self._slow is None:
                    self._hand_over(flow, self.take_whole())
                if self._slow is not None:
                    await self._slow
                    self._slow = None
                elif self._fault is not None:
                    raise self._fault
                elif self._is_complete:
                    return
                else:
                    await self._more()
        finally:
            self._flow = self._slow = None

    @property
    def is_whole(self) -> bool:
        """Whether all of the answer is here already."""
        return self._is_complete and self._fault is None

    def take_whole(self) -> bytes:
        """The body of an answer that is here already."""
        chunks, self._chunks = self._chunks, []
        self._buffered = 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def read_all(self, limit: int) -> bytes:
        """The rest of the answer, up to about `limit` bytes. Raises Fault."""
        parts: list[bytes] = []
        size = 0
        while size <= limit:
            if self._chunks:
                size += self._buffered
                parts.append(self.take_whole())
            elif self._fault is not None:
                raise self._fault
            elif self._is_complete:
                break
            else:
                await self._more()
        return b"".join(parts)

    def _hand_over(self, flow: Flow, piece: bytes) -> bool:
        """Whether the next piece may follow at once."""
        feed, send = flow
        try:
            part = feed(piece)
            self._slow = slow = send(part) if part else None
        except Fault as fault:
            self._fault = fault
            self.close()
            return False
        return slow is None

    def release(self) -> bool:
        """Ends the exchange; True if the connection may carry another one."""
        self._is_active = False
        if not self._stays_open or self._chunks or self._fault is not None or self._drained is not None:
            self.close()
            self._fault = None  # as it was raised, it names the frames that name us
            return False
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()  # the last bytes came in one large piece
        self._used_at = self._now()
        return self._transport is not None

    def is_usable(self) -> bool:
        """Whether an idle connection is young, open and silent; a readable one was closed or spoke unasked."""
        if self._transport is None or self._transport.is_closing():
            return False
        now = self._now()
        if now - self._used_at > _LONGEST_IDLE or now - self._opened_at > _LONGEST_LIFE:
            return False
        # Just used, it needs no look: if it closes now, the call is repeated as on any stale connection.
        return now - self._used_at < _SURELY_OPEN or not self._poll.poll(0)

    def close(self) -> None:
        """Drops the connection at once; nothing that was queued is sent."""
        if self._transport is not None:
            self._transport.abort()

    # --- deadlines and waiting

    def _look_by(self, moment: float) -> None:
        """Has the deadline looked at then at the latest; a timer that fires earlier will find out for itself."""
        if self._timer is not None:
            if self._timer.when() <= moment:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(moment, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._is_active or self._is_complete:
            return
        now = self._now()
        deadline, late = self._timeouts.deadline(
            self._asked_at, self._heard_at, is_answered=self.status > 0, is_written=self._drained is None
        )
        if self._is_paused and late is not Kind.TOTAL_TIMEOUT:
            # It is our client that is slow; the server side has a clock for that.
            self._heard_at = now
        elif now >= deadline - 0.001:
            self._fail(Fault(late, LATE[late]))
            return
        self._look_by(min(deadline, now + self._shortest))

    def _fail(self, fault: Fault) -> None:
        if self._fault is None and not self._is_complete:
            self._fault = fault
        self.close()
        self._wake()

    def _wake(self) -> None:
        if (waiter := self._waiter) is not None and not waiter.done():
            waiter.set_result(None)

    def _bell(self) -> asyncio.Future[None]:
        self._waiter = waiter = self._loop.create_future()
        return waiter

    async def _more(self) -> None:
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._heard_at = self._now()
            self._transport.resume_reading()
        await self._bell()
