"""The connections to one origin: bounded, reused while they are good, opened through a proxy where one is set."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass
from typing import Final, cast

from unigate.errors import Fault, Kind
from unigate.target import Timeouts
from unigate.upstream.connection import Connection

__all__ = ["Origin", "Pool", "Proxy"]

_PATIENCE: Final = 0.05
_HEALTH: Final = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"


@dataclass(frozen=True)
class Origin:
    """Where connections lead: a host and port, or a unix socket; `tls` is the context, or None for plaintext."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    socket: str | None = None


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy that opens tunnels (RFC 9110, section 9.3.6); `authorization` is its header's value or empty."""

    host: str
    port: int
    authorization: str = ""


class Pool:
    """Hands out connections to one origin and takes them back; never more than `limit` at a time."""

    def __init__(self, origin: Origin, limit: int, *, proxy: Proxy | None = None, patient: bool = False) -> None:
        self._origin = origin
        self._limit = limit
        self._proxy = proxy
        self._is_patient = patient
        self._is_loading = patient
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self._open = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def take(self) -> Connection | None:
        """A kept connection that is still good, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable():
                return connection
            self._drop(connection)
        return None

    async def acquire(self, timeout: float, *, fresh: bool = False) -> Connection:
        """A connection ready for a request; a fresh one on demand. Raises Fault within `timeout` seconds."""
        deadline = self._loop.time() + timeout
        while True:
            if not fresh and (kept := self.take()) is not None:
                return kept
            if self._open >= self._limit and self._idle:
                self._drop(self._idle.pop(0))
            if self._open < self._limit:
                break
            await self._queue(deadline)
        self._open += 1
        try:
            return await self._connect(deadline)
        except BaseException:
            self._left()
            raise

    def give_back(self, connection: Connection) -> None:
        """Ends an exchange; keeps the connection if its answer was read to the end."""
        if connection.release():
            self._idle.append(connection)
            self._admit_next()
        else:
            self._left()

    def close(self) -> None:
        """Closes all idle connections."""
        while self._idle:
            self._drop(self._idle.pop())

    def _drop(self, connection: Connection) -> None:
        connection.close()
        self._left()

    def _left(self) -> None:
        self._open -= 1
        self._admit_next()

    def _admit_next(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def _queue(self, deadline: float) -> None:
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(waiter)
        try:
            # Not wait_for: on Python 3.11 it loses a cancellation that comes together with the result.
            async with asyncio.timeout_at(deadline):
                await waiter
        except (TimeoutError, asyncio.CancelledError) as error:
            if waiter.done() and not waiter.cancelled():
                self._admit_next()  # the place was given in the same moment; somebody else must have it
            if isinstance(error, TimeoutError):
                raise Fault(Kind.BUSY, f"All {self._limit} connections to the upstream are in use.") from error
            raise

    async def _connect(self, deadline: float) -> Connection:
        try:
            async with asyncio.timeout_at(deadline):
                while True:
                    if self._is_loading:
                        await self._until_loaded()
                        self._is_loading = False
                    try:
                        return await self._open_connection()
                    except (ConnectionRefusedError, FileNotFoundError):
                        if not self._is_patient:
                            raise
                        self._is_loading = True  # the child has died, and is being started again
        except TimeoutError as error:
            raise Fault(Kind.CONNECT_TIMEOUT, "The upstream could not be reached in time.") from error
        except ssl.SSLCertVerificationError as error:
            raise Fault(Kind.UNREACHABLE, "The upstream's TLS certificate is not valid for its name.") from error
        except OSError as error:
            raise Fault(Kind.UNREACHABLE, "The upstream could not be reached.") from error

    async def _until_loaded(self) -> None:
        """Waits for a child of ours that is still starting: it refuses connections, then answers 503, then serves."""
        while True:
            try:
                connection = await self._open_connection()
                try:
                    await connection.send(_HEALTH, b"", Timeouts())
                    if connection.status != 503:
                        return
                finally:
                    connection.close()
            except (ConnectionRefusedError, FileNotFoundError, Fault):
                pass
            await asyncio.sleep(_PATIENCE)

    async def _open_connection(self) -> Connection:
        connection = Connection(self._loop)
        try:
            await self._reach(connection)
        except OSError as error:
            # The loop's own frames list what failed: with them in its trace, the error would name itself.
            raise error.with_traceback(None)  # noqa: B904  it is the same error
        return connection

    async def _reach(self, connection: Connection) -> None:
        origin = self._origin
        protocol = _protocol(connection)
        if origin.socket is not None:
            await self._loop.create_unix_connection(lambda: protocol, origin.socket)
        elif self._proxy is not None:
            await self._tunnel(connection, self._proxy)
        else:
            host = origin.host if origin.tls else None
            await self._loop.create_connection(
                lambda: protocol, origin.host, origin.port, ssl=origin.tls, server_hostname=host
            )

    async def _tunnel(self, connection: Connection, proxy: Proxy) -> None:
        place = f"{self._origin.host}:{self._origin.port}"
        authorization = f"proxy-authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
        opening = _Opening(self._loop)
        transport, _ = await self._loop.create_connection(lambda: opening, proxy.host, proxy.port)
        try:
            transport.write(f"CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n{authorization}\r\n".encode())
            await opening.opened
            if self._origin.tls is not None:
                secured = await self._loop.start_tls(
                    transport, _protocol(connection), self._origin.tls, server_hostname=self._origin.host
                )
                if secured is None or secured.is_closing():
                    raise OSError("the connection closed during the TLS handshake")
                connection.connection_made(secured)
            else:
                transport.set_protocol(_protocol(connection))
                connection.connection_made(transport)
        except BaseException:
            transport.abort()
            raise


def _protocol(connection: Connection) -> asyncio.Protocol:
    """A connection as a loop takes it: a loop wants its methods alone, and a class without a foreign base is faster."""
    return cast("asyncio.Protocol", connection)


class _Opening(asyncio.Protocol):
    """Waits for a proxy's answer to CONNECT; `opened` fails with OSError unless that is a plain 2xx."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.opened: asyncio.Future[None] = loop.create_future()
        self._head = b""

    def data_received(self, data: bytes) -> None:
        self._head += data
        if b"\r\n\r\n" not in self._head and len(self._head) < 16384:
            return
        if self.opened.done():
            return
        if self._head.startswith((b"HTTP/1.1 2", b"HTTP/1.0 2")) and self._head.endswith(b"\r\n\r\n"):
            self.opened.set_result(None)
        else:
            self.opened.set_exception(OSError("the proxy refused to open a tunnel"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(OSError("the proxy closed the connection"))
