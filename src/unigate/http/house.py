"""What all client connections of a door share: the desk, the limits, who is in, and whether the door is closing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

from unigate.http.request import Desk

__all__ = ["Guest", "House", "Limits"]

_LAST_WORDS: Final = 2.0


class Guest(Protocol):
    """A client's connection, as the house sees it."""

    def leave_if_idle(self) -> None:
        """Closes the connection of a client that is not waiting for anything."""
        ...

    def cancel(self) -> None:
        """Ends the running call; its client is told why."""
        ...


@dataclass(frozen=True)
class Limits:
    """What a client may take: bytes and seconds."""

    body: int
    header_timeout: float
    body_timeout: float
    keep_alive: float
    write_timeout: float


class House:
    """What all connections of a door share: the desk, the limits, who is in, and whether the door is closing."""

    def __init__(self, loop: asyncio.AbstractEventLoop, desk: Desk, limits: Limits, prefix: str) -> None:
        self.loop = loop
        self.desk = desk
        self.limits = limits
        self.connections: set[Guest] = set()
        self.is_closing = False
        self._empty = asyncio.Event()
        self._prefix = prefix.encode()
        self._count = 0

    def next_id(self) -> bytes:
        """A request id, unique among all doors of all starts."""
        self._count += 1
        return b"req_%b%08x" % (self._prefix, self._count)

    async def drain(self, seconds: float) -> None:
        """Lets running calls finish within `seconds`, then ends what is left with an error its client can see."""
        self.is_closing = True
        for connection in tuple(self.connections):
            connection.leave_if_idle()
        await self._all_left(seconds)
        for connection in tuple(self.connections):
            connection.cancel()
        await self._all_left(_LAST_WORDS)

    def left(self, connection: Guest) -> None:
        """A connection has ended."""
        self.connections.discard(connection)
        if self.is_closing and not self.connections:
            self._empty.set()

    async def _all_left(self, seconds: float) -> None:
        if self.connections:
            try:
                async with asyncio.timeout(seconds):
                    await self._empty.wait()
            except TimeoutError:
                pass
