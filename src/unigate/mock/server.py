"""The scripted upstream's HTTP/1.1 server: raw bytes in, raw bytes, pauses and resets out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import time
from collections import deque
from typing import Any
from urllib.parse import parse_qsl

import httptools

from unigate.mock.ask import Request
from unigate.mock.bill import Bill, Call, head_of
from unigate.mock.desk import Desk, Plan, Settings
from unigate.mock.faults import Step, Steps, Then
from unigate.mock.wheel import Wheel

__all__ = ["Connection", "start"]

MAX_BODY = 256 * 1024 * 1024
MAX_QUEUE = 32
JOIN = 65_536
PING = b": ping\n\n"
PING_MS = 1_000
RST_MS = 20
HANG_MS = 3_600_000
LINGER_NONE = struct.pack("ii", 1, 0)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
BROKEN = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
EARLY = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
GARBAGE = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Connection(asyncio.Protocol):
    """One client connection: reads requests in order and carries out one plan at a time."""

    __slots__ = (
        "_ahead", "_body", "_call", "_desk", "_fault", "_headers", "_local", "_parser", "_paused", "_peer", "_plan",
        "_queue", "_size", "_steps", "_transport", "_url", "_waiting", "_wheel",
    )  # fmt: skip

    def __init__(self, desk: Desk, wheel: Wheel, fault: str) -> None:
        self._desk = desk
        self._wheel = wheel
        self._fault = fault
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = 0
        self._queue: deque[Request] | None = None
        self._plan: Plan | None = None
        self._steps: Steps | None = None
        self._ahead: Step | None = None
        self._call: Call | None = None
        self._paused = self._waiting = False
        self._local = False
        self._peer = ""

    # --- what asyncio tells us

    def connection_made(self, transport: Any) -> None:  # uvloop's transports are not asyncio's
        """Greet a client, or treat it as the fault at the door demands."""
        self._transport = transport
        self._desk.bill.connections += 1
        peer = transport.get_extra_info("peername") or ("",)
        self._peer = f"{peer[0]}:{peer[1]}" if len(peer) > 1 else ""
        self._local = str(peer[0]).startswith(("127.", "::1", "::ffff:127."))
        match self._fault:
            case "accept-reset":
                self._reset()
            case "accept-close":
                transport.close()
            case "accept-hang":
                # uvloop begins to read only after this callback, whatever is said in it.
                asyncio.get_running_loop().call_soon(transport.pause_reading)
                self._wheel.after(HANG_MS, transport.close)  # and nobody else keeps a paused transport alive
                self._transport = None
            case _:
                pass

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the books on a call that the client left."""
        self._desk.bill.connections -= 1
        self._transport = None
        if self._call is not None:
            self._settle("client")

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            self._abandon(BROKEN)
            raise
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._abandon(BAD_REQUEST)

    def pause_writing(self) -> None:
        """The client reads slowly: stop making bytes."""
        self._paused = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._paused = False
        if self._steps is not None and not self._waiting:
            self._pump()

    # --- what the parser tells us

    def on_message_begin(self) -> None:
        """A new request starts."""
        self._url = b""
        self._headers = []
        self._body = []
        self._size = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the request's target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers.append((name, value))
        if len(name) == 6 and name.lower() == b"expect" and self._transport is not None:
            self._transport.write(CONTINUE)

    def on_headers_complete(self) -> None:
        """The head is complete."""
        if self._fault == "early-answer":
            self._abandon(EARLY)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._size += len(body)
        if self._size > MAX_BODY:
            self._abandon(EARLY)
            return
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The request is complete: answer it now, or after those before it."""
        target = self._url.decode("latin-1")
        path, _, query = target.partition("?")
        request = Request(
            self._parser.get_method().decode(),
            path,
            dict(parse_qsl(query)) if query else {},
            self._headers,
            self._body[0] if len(self._body) == 1 else b"".join(self._body),
            target,
            http11=self._parser.get_http_version() == "1.1",
            keep_alive=self._parser.should_keep_alive(),
        )
        self._body = []
        if self._plan is None:
            self._serve(request)
            return
        if self._queue is None:
            self._queue = deque()
        self._queue.append(request)
        if len(self._queue) >= MAX_QUEUE and self._transport is not None:
            self._transport.pause_reading()

    # --- answering

    def _serve(self, request: Request) -> None:
        if self._transport is None:
            return
        plan = self._plan = self._desk.plan(request, local=self._local)
        self._steps = plan.steps
        if plan.counted:
            self._call = self._opened(request, plan)
        if plan.script.latency > 0:
            self._wait(plan.script.latency)
        else:
            self._pump()

    def _opened(self, request: Request, plan: Plan) -> Call:
        call = Call(
            id=f"mock{plan.number:08d}",
            method=request.method,
            path=request.path,
            query=request.query,
            model=plan.model,
            stream=plan.stream,
            status=plan.status,
            credential=plan.credential,
            head=head_of(request.headers),
            body_sha256=plan.body_sha256,
            bytes_received=len(request.body),
            started=time.time(),
            peer=self._peer,
            input_tokens=plan.input_tokens,
        )
        self._desk.bill.begin(call)
        return call

    def _wait(self, delay_ms: int) -> None:
        self._waiting = True
        self._wheel.after(delay_ms, self._woken)

    def _woken(self) -> None:
        self._waiting = False
        self._pump()

    def _pump(self) -> None:
        """Write as much as script, pace and client allow."""
        steps, plan, transport = self._steps, self._plan, self._transport
        if steps is None or plan is None or transport is None:
            return
        together: list[bytes] = []
        size = 0
        # A transport that is closing swallows bytes and never pauses again.
        while not self._paused and not transport.is_closing():
            step, self._ahead = self._ahead or next(steps, None), None
            if step is None:
                self._write(together)
                self._finish(plan)
                return
            self._count(step)
            together.append(step.payload)
            size += len(step.payload)
            if step.then is not Then.GO:
                self._write(together)
                self._fate(step.then, plan)
                return
            if plan.script.pace or plan.script.split:
                self._write(together)
                together, size = [], 0
                self._ahead = next(steps, None)
                if self._ahead is not None:  # after the last one there is nothing to wait for: the answer is out
                    self._wait(max(1, plan.script.pace)) if plan.script.pace else self._soon()
                    return
            if size >= JOIN:
                self._write(together)
                together, size = [], 0
        self._write(together)

    def _soon(self) -> None:
        self._waiting = True
        asyncio.get_running_loop().call_soon(self._woken)

    def _count(self, step: Step) -> None:
        if self._call is None:
            return
        self._call.events_sent += step.events
        self._call.output_tokens += step.tokens
        self._call.bytes_sent += len(step.payload)
        if self._call.first_byte is None and step.payload:
            self._call.first_byte = time.time()

    def _write(self, parts: list[bytes]) -> None:
        if parts and self._transport is not None:
            self._transport.write(parts[0] if len(parts) == 1 else b"".join(parts))

    def _finish(self, plan: Plan) -> None:
        if self._call is not None:
            self._call.finished = True
            self._settle(None)
        self._plan = self._steps = None
        transport = self._transport
        keep = plan.script.keepalive
        if transport is None:
            return
        if keep is not None:
            self._wheel.after(max(1, keep.at), lambda: self._after(keep.how))
            if keep.how in ("close", "silent") and not keep.at:
                transport.close()
        elif not plan.keep_alive:
            transport.close()
        self._next()

    def _next(self) -> None:
        if self._queue:
            request = self._queue.popleft()
            if self._transport is not None:
                self._transport.resume_reading()
            asyncio.get_running_loop().call_soon(self._serve, request)

    def _after(self, how: str) -> None:
        """What the script does with a connection that has answered."""
        if self._transport is None or self._plan is not None or self._transport.is_closing():
            return
        if how == "garbage":
            self._abandon(GARBAGE)  # a request that crosses it on the way is not served: it comes again
        elif how == "reset":
            self._reset()
        else:
            self._transport.close()

    def _fate(self, then: Then, plan: Plan) -> None:
        """What the script does in the middle of an answer."""
        self._steps = None
        if then is Then.HANG:
            return
        if then is Then.PING:
            self._ping()
            return
        self._settle("server")
        if then is Then.FIN and self._transport is not None:
            self._transport.close()
        elif then is Then.RST:
            self._wheel.after(RST_MS, self._reset)

    def _ping(self) -> None:
        plan = self._plan
        if self._transport is None or plan is None:
            return
        if not self._paused:
            self._transport.write(b"%x\r\n%b\r\n" % (len(PING), PING) if not plan.script.close else PING)
        self._wheel.after(plan.script.pace or PING_MS, self._ping)

    def _settle(self, closed_by: str | None) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.closed_by = closed_by
            call.ended = time.time()
            self._desk.bill.settle(call)

    def _reset(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            sock = self._transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NONE)
            self._transport.abort()

    def _abandon(self, last_words: bytes) -> None:
        if self._transport is not None:
            self._transport.write(last_words)
            self._transport.close()
            self._transport = None


async def start(settings: Settings, bill: Bill) -> tuple[asyncio.Server, int]:
    """A listening scripted upstream, and its port."""
    loop = asyncio.get_running_loop()
    desk, wheel = Desk(settings, bill), Wheel(loop)
    context = None
    if settings.tls_cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings.tls_cert, settings.tls_key or None)
    server = await loop.create_server(
        lambda: Connection(desk, wheel, settings.fault), settings.host, settings.port, ssl=context, backlog=4096
    )
    port: int = server.sockets[0].getsockname()[1]
    return server, port
