"""A streaming client of its own process: many raw connections, each counting the events it is sent.

`python -m benchmarks.streams '{"mode": "pace" | "hold", …}'` prints one JSON line; `hold` keeps its streams
open until its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field

import msgspec
import uvloop

LAST_CHUNK = b"0\r\n\r\n"


class Plan(msgspec.Struct, frozen=True):
    """What to ask for, how often, how long."""

    mode: str
    port: int
    path: str
    key: str
    body: str
    mark: str  # stands once in each event
    end: str  # stands in the last one
    streams: int
    seconds: float = 0
    events: int = 0
    deadline_s: float = 60


@dataclass
class Tally:
    """What all connections saw together."""

    events: int = 0
    bytes: int = 0
    finished: int = 0
    first_ms: list[float] = field(default_factory=list[float])


class StreamError(Exception):
    """A stream that was refused, cut or short."""


class Stream(asyncio.Protocol):
    """One connection that counts the events of the answer now arriving."""

    def __init__(self, plan: Plan, tally: Tally) -> None:
        self._mark, self._end = plan.mark.encode(), plan.end.encode()
        self._kept = max(len(self._mark), len(self._end)) - 1
        self._wanted = plan.events
        self._tally = tally
        self._transport: asyncio.Transport | None = None
        self._tail = b""
        self._sent_at = 0.0
        self._first: asyncio.Future[None] | None = None
        self._whole: asyncio.Future[None] | None = None
        self.reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.events = 0
        self.done = False

    def bind(self, transport: asyncio.Transport) -> None:
        """Takes the connection to ask on."""
        self._transport = transport

    def ask(self, request: bytes) -> tuple[asyncio.Future[None], asyncio.Future[None]]:
        """Sends a request; the futures are its first event and its end."""
        loop = asyncio.get_running_loop()
        self._first, self._whole = loop.create_future(), loop.create_future()
        self.events, self.done, self._tail = 0, False, b""
        assert self._transport is not None
        self._sent_at = time.perf_counter()
        self._transport.write(request)
        return self._first, self._whole

    def data_received(self, data: bytes) -> None:
        self._tally.bytes += len(data)
        if self._first is not None and not self._first.done() and not self._opened(data):
            return
        seen = self._tail + data
        self.events += seen.count(self._mark) - self._tail.count(self._mark)
        self.done = self.done or self._end in seen
        self._tail = seen[-self._kept :]
        if self.events >= self._wanted and not self.reached.done():
            self.reached.set_result(None)
        if seen.endswith(LAST_CHUNK) and self._whole is not None and not self._whole.done():
            self._whole.set_result(None)

    def _opened(self, data: bytes) -> bool:
        assert self._first is not None and self._whole is not None
        if not self._tail and not data.startswith(b"HTTP/1.1 200"):
            error = StreamError(f"refused: {data[:300]!r}")
            self._first.set_exception(error)
            self._whole.cancel()
            return False
        if self._mark not in self._tail + data:
            self._tail = self._tail + data
            return False
        self._tally.first_ms.append((time.perf_counter() - self._sent_at) * 1e3)
        self._first.set_result(None)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        for waiting in (self._first, self._whole, self.reached):
            if waiting is not None and not waiting.done():
                waiting.set_exception(StreamError(f"cut after {self.events} events: {exc!r}"))
                waiting.exception()

    def close(self) -> None:
        """Leaves, and waits for nothing more."""
        self._first = self._whole = None
        if self._transport is not None:
            self._transport.abort()


def request_bytes(plan: Plan) -> bytes:
    """The one request that every stream sends."""
    head = (
        f"POST {plan.path} HTTP/1.1\r\nhost: 127.0.0.1:{plan.port}\r\nauthorization: Bearer {plan.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(plan.body.encode())}\r\n\r\n"
    )
    return (head + plan.body).encode()


async def connect(plan: Plan, tally: Tally, number: int) -> Stream:
    """Opens one connection, from one of several loopback addresses."""
    source = (f"127.0.0.{1 + number % 8}", 0)
    loop = asyncio.get_running_loop()
    transport, stream = await loop.create_connection(
        lambda: Stream(plan, tally), "127.0.0.1", plan.port, local_addr=source
    )
    stream.bind(transport)
    return stream


async def run_back_to_back(plan: Plan, tally: Tally, number: int) -> None:
    """One connection that asks for stream after stream until time is up, and checks each one whole."""
    # Starts are spread over a second: 64 streams in step would arrive as one burst.
    await asyncio.sleep(number / plan.streams)
    stream, request = await connect(plan, tally, number), request_bytes(plan)
    end = time.monotonic() + plan.seconds
    while time.monotonic() < end:
        first, whole = stream.ask(request)
        await asyncio.wait_for(first, plan.deadline_s)
        await asyncio.wait_for(whole, plan.deadline_s)
        if stream.events < plan.events or not stream.done:
            raise StreamError(f"short: {stream.events} of {plan.events} events, end seen: {stream.done}")
        tally.events += stream.events
        tally.finished += 1
    stream.close()


async def pace(plan: Plan) -> dict[str, float]:
    """Runs all connections to their end; what they counted."""
    tally = Tally()
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(plan.streams):
            group.create_task(run_back_to_back(plan, tally, number))
    firsts = sorted(tally.first_ms)
    return {
        "events": tally.events,
        "streams": tally.finished,
        "bytes_per_event": tally.bytes / tally.events,
        "seconds": time.monotonic() - began,
        "first_p50_ms": firsts[len(firsts) // 2],
        "first_p99_ms": firsts[len(firsts) * 99 // 100],
    }


async def hold(plan: Plan) -> None:
    """Opens streams, 64 at a time, says so once each has shown its events, keeps them until stdin ends."""
    tally, gate, request = Tally(), asyncio.Semaphore(64), request_bytes(plan)
    opened: list[tuple[Stream, asyncio.Future[None]]] = []

    async def open_one(number: int) -> None:
        async with gate:
            stream = await connect(plan, tally, number)
            first, whole = stream.ask(request)
            await asyncio.wait_for(first, plan.deadline_s)
            await asyncio.wait_for(stream.reached, plan.deadline_s)
            opened.append((stream, whole))

    async with asyncio.TaskGroup() as group:
        for number in range(plan.streams):
            group.create_task(open_one(number))
    print(json.dumps({"open": len(opened)}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    still = sum(not whole.done() for _, whole in opened)
    print(json.dumps({"still_open": still}), flush=True)
    for stream, _ in opened:
        stream.close()


async def main(plan: Plan) -> None:
    """Runs one plan and prints what came of it."""
    try:
        if plan.mode == "hold":
            await hold(plan)
        else:
            print(json.dumps(await pace(plan)), flush=True)
    except* (StreamError, OSError, TimeoutError) as errors:
        print(json.dumps({"error": repr(errors.exceptions[0])}), flush=True)


if __name__ == "__main__":
    uvloop.run(main(msgspec.json.decode(sys.argv[1], type=Plan)))
