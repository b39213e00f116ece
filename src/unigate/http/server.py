"""The server side of HTTP/1.1: one client connection, its requests in order, and every deadline and cap it must keep.

Framing is llhttp's (through httptools) in its strict mode; what a gateway must own besides is here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter_ns
from typing import Final, cast

import httptools

from unigate.errors import Refusal
from unigate.http.alarm import Alarm
from unigate.http.head import Head, body_too_large, has_body, length_of, split_target
from unigate.http.house import House
from unigate.http.known_head import KnownHead
from unigate.http.request import Request, Verdict
from unigate.reply import Outlet, Reply, nowhere

__all__ = ["ClientConnection"]

_MOST_WAITING: Final = 16
_LINGER_BYTES: Final = 16 * 1024 * 1024
_LINGER_SECONDS: Final = 1.0
_LEAST_READ: Final = 64 * 1024
_VERSIONS: Final = ("1.1", "1.0")
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
# What a connection that is gone has, and never feeds.
_NO_PARSER: Final = httptools.HttpRequestParser(None)


class ClientConnection(Outlet):
    """One client's connection. Its states: reading a head, reading a body, answering, lingering after a refusal."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self._house = house
        self._loop = house.loop
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._peer = ""
        self._head = Head()
        self._is_resuming = False
        # Whether the parser stands between two requests, of a connection that goes on.
        self._is_between = True
        self._known = KnownHead()
        self._reading: Request | None = None
        self._waiting: deque[Request] = deque()
        self._answering: Request | None = None
        # Answers one request after the other, and waits in between: cheaper than a task for each of them.
        self._task: asyncio.Task[None] | None = None
        self._next: asyncio.Future[None] | None = None
        self._lingering = -1
        self._is_last = False
        self._is_paused = False
        self._alarm = Alarm(house.loop, self._late)
        self._unsent = 0

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.write = self._transport.write
        peer: object = transport.get_extra_info("peername")
        self._peer = str(cast("tuple[object, ...]", peer)[0]) if isinstance(peer, tuple) and peer else "local"
        self._house.connections.add(self)
        self._alarm.set(self._house.limits.header_timeout)

    def data_received(self, data: bytes) -> None:
        if self._lingering >= 0:
            self._lingering -= len(data)
            if self._lingering < 0:
                self._close()
            return
        if self._is_last:
            return  # what follows a request that closes the connection is nobody's
        if not self._is_between:
            self._parse(data)
        elif (request := self._known.request_in(data)) is not None:
            self._admits(request, request.size)
            self._message_done()
        else:
            self._parse(data)
            latest = self._waiting[-1] if self._waiting else self._answering
            if latest is not None and self._stands_between():
                self._known.learn(data, latest)

    def _stands_between(self) -> bool:
        return self._is_between and not self._is_last

    def _parse(self, data: bytes) -> None:
        while True:
            try:
                self._parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] :]
                self._decline_upgrade()
            except httptools.HttpParserCallbackError as error:
                cause = error.__context__
                if not isinstance(cause, Refusal):
                    raise
                self._refuse_unread(cause)
                return
            except httptools.HttpParserError:
                self._refuse_unread(Refusal(400, "invalid_http", "The request is not valid HTTP/1.1."))
                return

    def _decline_upgrade(self) -> None:
        """Serves a request that offered an upgrade as plain HTTP/1.1 (RFC 9110, section 7.8).

        httptools ends such a message at its head and drops the body. A fresh parser that is told only the body's
        framing reads it, however the bytes are cut, and goes on with the requests after it.
        """
        reading = self._reading
        self._parser = httptools.HttpRequestParser(self)
        if reading is None:
            return
        coding = reading.headers.get(b"transfer-encoding")
        framing = b"transfer-encoding: " + coding if coding else b"content-length: " + length_of(reading.headers)
        self._is_resuming = True
        self._parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n")
        self._is_resuming = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_gone = True
        self._house.left(self)
        self._alarm.end()
        if self.drained is not None and not self.drained.done():
            self.drained.set_result(None)
        if self._task is not None:
            self._task.cancel()
        self._transport = None
        self.write = nowhere
        # It holds methods of ours: a circle, which would lie about until somebody looked for such.
        self._parser = _NO_PARSER

    def pause_writing(self) -> None:
        self.drained = self._loop.create_future()
        self._unsent = self._transport.get_write_buffer_size() if self._transport is not None else 0
        self._alarm.set(self._house.limits.write_timeout)

    def resume_writing(self) -> None:
        if self.drained is not None and not self.drained.done():
            self.drained.set_result(None)
        self.drained = None
        if self._answering is not None and self._lingering < 0:
            self._alarm.off()
            if self._reading is not None:
                self._alarm.set(self._house.limits.body_timeout)

    # --- httptools' side: one request after the other

    def on_message_begin(self) -> None:
        self._is_between = False
        if not self._is_resuming:
            self._head = Head()
            if self._answering is None and self._lingering < 0:
                self._alarm.set(self._house.limits.header_timeout)

    def on_url(self, url: bytes) -> None:
        if not self._is_resuming:
            self._head.add_target(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_resuming:
            # A trailer was not judged with the head, so it counts for nothing (RFC 9110, section 6.5.1).
            self._head.add_line(name, value, counts=self._reading is None)

    def on_headers_complete(self) -> None:
        if self._is_resuming or self._lingering >= 0:
            return
        version = self._parser.get_http_version()
        if version not in _VERSIONS:
            raise Refusal(400, "invalid_http", "The request is not valid HTTP/1.1.")
        headers = self._head.headers
        path, query = split_target(self._head.target)
        request = Request(self._parser.get_method(), path, query, headers, Verdict())
        request.http_10 = version == "1.0"
        request.keep_alive = self._keeps_alive(request)
        if not self._admits(request, int(length_of(headers))):
            return
        self._alarm.set(self._house.limits.body_timeout)
        if b"expect" in headers and not self._waiting and self._answering is None:
            self.write(_CONTINUE)

    def _admits(self, request: Request, size: int) -> bool:
        """Whether a request may come in; of one that may not, the body is not read."""
        request.id = self._house.next_id()
        request.peer = self._peer
        self._reading = request
        try:
            request.handler = self._house.desk.admit(request)
            if size > self._house.limits.body:
                raise body_too_large(self._house.limits.body)
        except Refusal as refusal:
            self._refuse_early(request, refusal)
            return False
        return True

    def on_body(self, body: bytes) -> None:
        request = self._reading
        if request is None or request.refusal is not None:
            return
        request.size += len(body)
        if request.size > self._house.limits.body:
            self._refuse_early(request, body_too_large(self._house.limits.body))
            return
        request.parts.append(body)

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade():
            request = self._reading
            if request is not None and (has_body(request.headers) and request.size == 0):
                return  # only the head is through; the body comes by the fresh parser
        self._message_done()

    def _message_done(self) -> None:
        request, self._reading = self._reading, None
        if request is None or self._lingering >= 0:
            return
        self._is_between = request.keep_alive
        request.received_ns = perf_counter_ns()
        if self._answering is None:
            self._begin(request)
            return
        self._waiting.append(request)
        if self.drained is None:
            self._alarm.off()  # the body is here; the answer before it has clocks of its own
        if len(self._waiting) >= _MOST_WAITING and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    # --- answering, one at a time and in order

    def _answer_next(self) -> None:
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()
        if not self._waiting:
            self._answering = None
            if self._house.is_closing or self._is_last:
                self._close()
            elif self._reading is None:
                self._alarm.set(self._house.limits.keep_alive)
            return
        self._begin(self._waiting.popleft())

    def _begin(self, request: Request) -> None:
        self._answering = request
        if self._reading is None:
            self._alarm.off()
        if self._task is None:
            self._task = self._loop.create_task(self._answer_all())
        elif self._next is not None and not self._next.done():
            self._next.set_result(None)

    async def _answer_all(self) -> None:
        desk = self._house.desk
        try:
            while not self.is_gone:
                request = self._answering
                if request is None:
                    self._next = self._loop.create_future()
                    await self._next
                    continue
                reply = self._reply_to(request)
                try:
                    if request.refusal is not None or request.handler is None:
                        nothing = Refusal(404, "not_found", "There is nothing here.")
                        desk.refuse(request, reply, request.refusal or nothing)
                    else:
                        await request.handler(request, reply)
                except Refusal as refusal:
                    desk.refuse(request, reply, refusal)
                except Exception as error:  # noqa: BLE001  the boundary of a call
                    desk.broken(request, reply, error)
                finally:
                    self._answered(reply)
        finally:
            self._task = None  # how it ended names this frame
            if self._answering is not None:
                self.break_off()

    def _answered(self, reply: Reply) -> None:
        self._answering = None
        if self.is_gone:
            return
        if not reply.finished:
            self.break_off()
        elif not reply.keep_alive:
            self._close()
        else:
            self._answer_next()

    def _reply_to(self, request: Request) -> Reply:
        reply = request.reply(self, is_last=self._house.is_closing)
        self._is_last = self._is_last or not reply.keep_alive
        return reply

    # --- refusing before the request was read

    def _refuse_early(self, request: Request, refusal: Refusal) -> None:
        """A refusal known before the body: answered at once unless other answers come first."""
        request.refusal = refusal
        request.parts.clear()
        if has_body(request.headers):
            request.keep_alive = False
        if self._answering is None and not self._waiting and not request.keep_alive:
            self._refuse_now(request, refusal)

    def _refuse_unread(self, refusal: Refusal) -> None:
        """A refusal of something that could not be read as a request."""
        if self._answering is not None or self._waiting:
            self._is_last = True  # answers that are owed come first; then the connection ends
            return
        request = self._reading or Request(b"", b"", b"", {}, Verdict())
        request.id = request.id or self._house.next_id()
        request.keep_alive = False
        self._refuse_now(request, refusal)

    def _refuse_now(self, request: Request, refusal: Refusal) -> None:
        if self._lingering >= 0:
            return
        self._reading = None
        self._house.desk.refuse(request, self._reply_to(request), refusal)
        self._linger()

    def _linger(self) -> None:
        """Reads on a little before closing, so that the client sees the answer and not a reset (RFC 9112, 9.6)."""
        self._lingering = _LINGER_BYTES
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()
        self._alarm.set(_LINGER_SECONDS)

    def _keeps_alive(self, request: Request) -> bool:
        # HTTP/1.0 with a body and keep-alive is a known way to confuse two parsers, so it never keeps the connection.
        asked = self._parser.should_keep_alive() and request.method != b"CONNECT"
        return asked and not (request.http_10 and has_body(request.headers))

    def break_off(self) -> None:
        """Closes at once, so that an unfinished body is seen as such."""
        if self._transport is not None:
            self._transport.abort()

    # --- the end

    def leave_if_idle(self) -> None:
        """Closes the connection of a client that is not waiting for anything."""
        if self._answering is None and not self._waiting and self._reading is None:
            self._close()

    def cancel(self) -> None:
        """Ends the running call; the pipeline tells the client why."""
        if self._task is not None and self._answering is not None:
            self._task.cancel()
        else:
            self._close()

    def _close(self) -> None:
        transport = self._transport
        if transport is not None:
            transport.close()
            if unsent := transport.get_write_buffer_size():
                self._unsent = unsent
                self._alarm.set(self._house.limits.write_timeout)

    def _late(self) -> None:
        if self._transport is not None and (self.drained is not None or self._transport.is_closing()):
            self._judge_reader(self._transport.get_write_buffer_size())
        elif self._reading is not None and self._lingering < 0:
            reason = "The request's body did not arrive in time."
            self._refuse_unread(Refusal(408, "body_timeout", reason))
        else:
            self._close()

    def _judge_reader(self, unsent: int) -> None:
        """A slow reader of a large answer goes on; one that stopped is cut off."""
        if self._unsent - unsent >= _LEAST_READ:
            self._unsent = unsent
            self._alarm.set(self._house.limits.write_timeout)
        else:
            self.break_off()
