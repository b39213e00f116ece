"""Clients on raw sockets: each call has a nonce of its own, and what its client saw is written down."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from gateways import CLIENT_KEY

__all__ = ["Ask", "Told", "asks", "endless", "load"]

_LINGER_NONE = struct.pack("ii", 1, 0)
_PATIENCE_S = 60.0
_DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Ask:
    """One call to make. `script` is the scripted upstream's; the model's name bears the nonce, so all books do."""

    nonce: str
    script: str = "tokens=3"
    streamed: bool = False
    key: str = CLIENT_KEY
    route: str = ""
    max_tokens: int | None = None
    # Where the client vanishes: `connected`, `half`, `sent`, `head`, `event:K`, `end` (all but the last byte).
    leaves: str = ""
    resets: bool = False
    slow_s: float = 0.0
    # Bytes of text besides the nonce.
    padding: int = 0

    @property
    def model(self) -> str:
        """A route's name if there is one, else a model of the scripted upstream that nobody else asks for."""
        return self.route or f"script:{self.script},message={self.nonce}"

    def request(self) -> bytes:
        asked: dict[str, object] = {
            "model": self.model,
            "messages": [{"role": "user", "content": self.nonce + "x" * self.padding}],
        }
        if self.streamed:
            asked |= {"stream": True, "stream_options": {"include_usage": True}}
        if self.max_tokens is not None:
            asked["max_tokens"] = self.max_tokens
        body = json.dumps(asked).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {self.key}\r\n"
            f"x-request-id: {self.nonce}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@dataclass
class Told:
    """What one client saw: status 0 is not even a head, `ended` is a proper end, `code` an error's."""

    ask: Ask
    began: float
    status: int = 0
    id: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    ended: bool = False
    code: str = ""
    over: float = 0.0

    @property
    def nonce(self) -> str:
        return self.ask.nonce

    @property
    def was_confirmed(self) -> bool:
        """Whether the client may rely on it: a 200 that came to its proper end."""
        return self.status == 200 and self.ended and not self.code

    @property
    def words(self) -> int:
        """How many words of a stream arrived."""
        return sum(1 for event in self._events() for choice in event.get("choices", ()) if _has_text(choice))

    def _events(self) -> Iterator[dict[str, list[object]]]:
        for event in self.body.split(b"\n\n")[:-1]:
            if event.startswith(b"data: {"):
                yield json.loads(event[6:])


def _has_text(choice: object) -> bool:
    assert isinstance(choice, dict)
    return bool(choice.get("delta", {}).get("content"))


def asks(seed: int | str, count: int, **same: object) -> list[Ask]:
    """So many calls that differ in their nonces."""
    return list(islice(endless(seed, **same), count))


def endless(seed: int | str, **same: object) -> Iterator[Ask]:
    """The same calls and all that follow them, each made when it is wanted."""
    rng = random.Random(seed)
    while True:
        yield Ask(nonce=f"n{rng.getrandbits(48):012x}", **same)


async def load(
    port: int | Callable[[], int],
    todo: Iterable[Ask],
    *,
    concurrency: int = 50,
    told: Callable[[Told], None] | None = None,
) -> list[Told]:
    """Makes all calls, so many at a time; a refused connection was no call and is tried anew."""
    waiting = iter(todo)
    seen: list[Told] = []

    async def work() -> None:
        line = _Line(port)
        for ask in waiting:
            one = await line.ask(ask)
            seen.append(one)
            if told is not None:
                told(one)
        line.close()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(concurrency):
            tasks.create_task(work())
    return seen


class _Line:
    """One client's connection, kept from call to call while answers end properly."""

    def __init__(self, port: int | Callable[[], int]) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, ask: Ask) -> Told:
        """Makes one call and sees it through to whatever end it finds."""
        kept = self._writer is not None
        reader, writer = await self._connected()
        told = Told(ask, time.time())
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._exchange(ask, told, reader, writer)
        except (OSError, EOFError):
            self.close()
        told.over = time.time()
        if kept and told.status == 0 and not told.ended and not ask.leaves:
            # The server may have closed the kept connection before it saw the call, or after: both are `not told`.
            self.close()
        if not told.ended or told.headers.get("connection") == "close":
            self.close()
        return told

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        deadline = time.monotonic() + _PATIENCE_S
        while self._reader is None or self._writer is None or self._reader.at_eof():
            port = self._port if isinstance(self._port, int) else self._port()
            try:
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                assert time.monotonic() < deadline, "nobody listens"
                await asyncio.sleep(0.1)  # with the others of the load, there is a try every few milliseconds
        return self._reader, self._writer

    async def _exchange(self, ask: Ask, told: Told, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = ask.request()
        if ask.leaves == "connected":
            return self._vanish(ask)
        if ask.leaves == "half":
            writer.write(request[: len(request) // 2])
            await writer.drain()
            return self._vanish(ask)
        writer.write(request)
        await writer.drain()
        if ask.leaves == "sent":
            return self._vanish(ask)
        await _read_head(told, reader)
        if ask.leaves == "head":
            return self._vanish(ask)
        return await self._read_body(ask, told, reader)

    async def _read_body(self, ask: Ask, told: Told, reader: asyncio.StreamReader) -> None:
        if told.headers.get("transfer-encoding") != "chunked":
            length = int(told.headers.get("content-length", "0"))
            told.body = await reader.readexactly(length - (ask.leaves == "end"))
            if ask.leaves == "end":
                return self._vanish(ask)
            told.code = _code(told.body)
            told.ended = True
            return None
        left_after = int(ask.leaves.partition(":")[2]) if ask.leaves.startswith("event:") else None
        while size := int(await reader.readuntil(b"\n"), 16):
            told.body += (await reader.readexactly(size + 2))[:-2]
            if left_after is not None and told.body.count(b"\n\n") >= left_after:
                return self._vanish(ask)
            if ask.leaves == "end" and told.body.endswith(_DONE):
                return self._vanish(ask)
            if ask.slow_s:
                await asyncio.sleep(ask.slow_s)
        await reader.readexactly(2)
        told.ended = told.body.endswith(_DONE)
        told.code = _code(told.body.rstrip().rpartition(b"data: ")[2]) if not told.ended else ""
        return None

    def _vanish(self, ask: Ask) -> None:
        assert self._writer is not None
        line = self._writer.get_extra_info("socket")
        if ask.resets and line is not None:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
            self._writer.transport.abort()
        self.close()


async def _read_head(told: Told, reader: asyncio.StreamReader) -> None:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
    told.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    told.status = int(first.split()[1])
    told.id = told.headers.get("x-request-id", "")


def _code(body: bytes) -> str:
    """The code of an error in OpenAI's shape; nothing if it is none."""
    try:
        told = json.loads(body)
    except ValueError:
        return "unreadable"
    error = told.get("error") if isinstance(told, dict) else None
    return str(error.get("code") or error.get("type")) if isinstance(error, dict) else ""
