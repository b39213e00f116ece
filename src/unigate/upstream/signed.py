"""An exchange whose credential is made at the moment it is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol

import msgspec

from unigate.target import Target
from unigate.upstream.connection import Connection

__all__ = ["Exchange", "Request", "Sender", "Signed", "Signer"]


class Exchange(Protocol):
    """A way to an upstream: entered, it has sent its request and knows the answer's status and headers."""

    @property
    def was_sent(self) -> bool:
        """Whether any byte of the request can have reached the upstream."""
        ...

    async def __aenter__(self) -> Connection: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Request(msgspec.Struct, frozen=True, gc=False):
    """What a signature covers; `target` is the path and query as they are sent, `content_type` empty without a body."""

    method: str
    target: str
    host: str
    content_type: str
    content: bytes


class Signer(Protocol):
    """Makes the credential of each request."""

    async def sign(self, request: Request) -> bytes:
        """The header lines that carry it. Raises Fault if there is none to be had."""
        ...

    def refused(self) -> None:
        """Takes note that the upstream answered 401."""
        ...

    def close(self) -> None:
        """Ends what goes on in the background."""
        ...


class Sender(Protocol):
    """Whatever can carry a request to an address of a provider."""

    def send(  # what one attempt is made of
        self,
        target: Target,
        dialect: str,
        operation: str,
        headers: Mapping[bytes, bytes],
        content: bytes,
        *,
        content_type: bytes = ...,
        fresh: bool = ...,
    ) -> Exchange:
        """The exchange that carries `content` to the target."""
        ...


class Signed:
    """An exchange that asks its signer for the credential first, then begins as `start` says."""

    __slots__ = ("_exchange", "_request", "_signer", "_start")

    def __init__(self, signer: Signer, request: Request, start: Callable[[bytes], Exchange]) -> None:
        self._signer = signer
        self._request = request
        self._start = start
        self._exchange: Exchange | None = None

    @property
    def was_sent(self) -> bool:
        """Whether any byte of the request can have reached the upstream."""
        return self._exchange is not None and self._exchange.was_sent

    async def __aenter__(self) -> Connection:
        self._exchange = self._start(await self._signer.sign(self._request))
        connection = await self._exchange.__aenter__()
        if connection.status == 401:
            self._signer.refused()
        return connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._exchange is not None
        await self._exchange.__aexit__(kind, error, trace)
