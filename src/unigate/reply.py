"""The answer to one request as the pipeline sees it: opened once, sent in whole events, finished or broken off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.utils import formatdate
from time import monotonic, time
from typing import Final

from unigate.dialects.dialect import ErrorShape
from unigate.errors import Told
from unigate.wire.chunk import chunk_of

__all__ = ["Outlet", "Reply", "nowhere", "write_error"]

_REASONS: Final = {
    200: b"OK",
    204: b"No Content",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    413: b"Content Too Large",
    422: b"Unprocessable Content",
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
}
_STATUS_LINES: Final = {status: b"HTTP/1.1 %d %b\r\n" % (status, reason) for status, reason in _REASONS.items()}
_COMMENT: Final = b": still waiting\n\n"
_EVENTS: Final = b"content-type: text/event-stream"
_STREAM_HEAD: Final = _EVENTS + b"; charset=utf-8\r\ncache-control: no-cache\r\n"


class Outlet:
    """The connection a reply is written to. A base and no protocol: machine code reaches what it has directly."""

    def __init__(self) -> None:
        # Hands bytes to the socket; after the client has left it does nothing.
        self.write: Callable[[bytes], None] = nowhere
        # What to wait for while the client reads too slowly.
        self.drained: asyncio.Future[None] | None = None
        # Whether the client has left.
        self.is_gone = False

    def break_off(self) -> None:
        """Closes the connection so that the client sees the answer was not finished."""
        raise NotImplementedError


def nowhere(data: bytes) -> None:
    """Where what is written to nobody goes."""


class Reply:
    """One answer. `committed`: a data event or body byte was handed over, so from now on nothing is retried."""

    __slots__ = (
        "_chunked",
        "_heartbeat",
        "_interval",
        "_is_framed",
        "_is_head_sent",
        "_last_write",
        "_lines",
        "_outlet",
        "_with_body",
        "committed",
        "extra",
        "finished",
        "is_recorded",
        "keep_alive",
        "request_id",
        "status",
    )

    def __init__(  # what a request says of its answer
        self, outlet: Outlet, request_id: bytes, extra: bytes = b"", *, with_body: bool, http_10: bool, keep_alive: bool
    ) -> None:
        self._outlet = outlet
        self._with_body = with_body
        self._chunked = not http_10
        self._is_framed = with_body and not http_10
        self._is_head_sent = False
        self._heartbeat: asyncio.TimerHandle | None = None
        self._interval = 0.0
        self._last_write = 0.0
        self._lines = b""
        self.request_id = request_id
        self.keep_alive = keep_alive
        self.extra = extra
        self.committed = False
        self.finished = False
        # Whether a call that broke has left its record all the same.
        self.is_recorded = False
        self.status = 0

    @property
    def is_gone(self) -> bool:
        """Whether the client has left."""
        return self._outlet.is_gone

    @property
    def is_open(self) -> bool:
        """Whether the client has seen a head, so that an error can no longer change the status."""
        return self._is_head_sent

    def open(self, status: int, lines: bytes) -> None:
        """Fixes status and header lines (each ended by CR LF); they go out with the first bytes of the body."""
        if not self._is_head_sent:
            self.status = status
            self._lines = lines

    def send(self, data: bytes) -> asyncio.Future[None] | None:
        """Hands over whole events, or a piece of a body; a future to wait for if the client reads too slowly."""
        self.committed = True
        if self._is_head_sent and self._is_framed:
            self._last_write = monotonic()
            self._outlet.write(chunk_of(data))
        else:
            self._write_part(data)
        return self._outlet.drained

    def finish(self, last: bytes = b"") -> None:
        """Hands over the terminal part; head and body in one write if nothing went before."""
        self.committed = True
        self.finished = True
        self._stop_heartbeat()
        if self._is_head_sent:
            self._outlet.write(self._framed(last) + (b"0\r\n\r\n" if self._is_framed else b""))
        else:
            self._is_head_sent = True
            length = b"content-length: %d\r\n" % len(last) if self.status != 204 else b""
            self._outlet.write(self._head(length) + (last if self._with_body else b""))

    def whole(self, status: int, lines: bytes, content: bytes) -> None:
        """A complete answer of our own, in one write."""
        self._stop_heartbeat()
        self.status = status
        self._lines = lines
        self._is_head_sent = True
        self.finished = True
        self._outlet.write(self._head(b"content-length: %d\r\n" % len(content)) + (content if self._with_body else b""))

    def fail(self, event: bytes) -> None:
        """Ends an open stream with an error event, and the connection with it; no end is made up."""
        self._stop_heartbeat()
        if self._is_head_sent and not self.finished:
            self.finished = True
            self.keep_alive = False
            self._outlet.write(self._framed(event) + (b"0\r\n\r\n" if self._is_framed else b""))

    def break_off(self) -> None:
        """Ends an open answer that has no form for an error: the client sees a cut, not a complete body."""
        self._stop_heartbeat()
        self.finished = True
        self._outlet.break_off()

    def beat(self, interval: float) -> None:
        """From now on a comment goes out after each `interval` seconds of silence, opening a 200 head if need be."""
        self._interval = interval
        loop = asyncio.get_running_loop()
        self._last_write = monotonic()
        self._heartbeat = loop.call_later(interval, self._tick, loop)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._outlet.is_gone:
            self._heartbeat = None
            return
        if self._lines and not self._lines.startswith(_EVENTS):
            self._heartbeat = None  # an answer in one piece has begun, and a comment would become a part of it
            return
        silence = monotonic() - self._last_write
        if silence >= self._interval - 0.01 and self._outlet.drained is None:
            if not self._is_head_sent and not self._lines:
                self.open(200, _STREAM_HEAD)
            self._write_part(_COMMENT)
            silence = 0.0
        self._heartbeat = loop.call_later(max(self._interval - silence, 0.1), self._tick, loop)

    def _stop_heartbeat(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            self._heartbeat = None

    def _write_part(self, data: bytes) -> None:
        if self._heartbeat is not None:
            self._last_write = monotonic()
        if self._is_head_sent:
            self._outlet.write(self._framed(data))
            return
        self._is_head_sent = True
        if self._chunked:
            head = self._head(b"transfer-encoding: chunked\r\n")
        else:
            self.keep_alive = False  # HTTP/1.0: the end of the body is the end of the connection
            head = self._head(b"")
        self._outlet.write(head + self._framed(data))

    def _framed(self, data: bytes) -> bytes:
        if not self._with_body or not data:
            return b""
        return chunk_of(data) if self._chunked else data

    def _persistence(self) -> bytes:
        if not self.keep_alive:
            return b"connection: close\r\n"
        return b"" if self._chunked else b"connection: keep-alive\r\n"  # HTTP/1.0 closes unless told otherwise

    def _head(self, framing: bytes) -> bytes:
        return b"%b%b%b%bx-request-id: %b\r\ndate: %b\r\n%b\r\n" % (
            _STATUS_LINES.get(self.status) or b"HTTP/1.1 %d Status\r\n" % self.status,
            self._lines,
            self.extra,
            framing,
            self.request_id,
            _date(int(time())),
            self._persistence(),
        )


def write_error(reply: Reply, told: Told, shape: ErrorShape) -> None:
    """A whole error answer, in the shape of the client's dialect."""
    lines = ["content-type: application/json\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in told.headers]
    if told.retry_after is not None and told.retry_after.isascii() and told.retry_after.isprintable():
        lines.append(f"retry-after: {told.retry_after}\r\n")
    if told.should_retry is not None:
        lines.append(f"x-should-retry: {'true' if told.should_retry else 'false'}\r\n")
    reply.whole(told.status, "".join(lines).encode(), shape.body(told))


class _Date:
    """The Date header's value, formatted once a second."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = 0
        self._text = b""

    def __call__(self, second: int) -> bytes:
        if second != self._second:
            self._second = second
            self._text = formatdate(second, usegmt=True).encode()
        return self._text


_date: Final = _Date()
