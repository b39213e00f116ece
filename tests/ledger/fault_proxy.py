"""A TCP proxy that misbehaves on command: slow, narrow, in slices, stalled, reset, half closed, deaf or absent."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

__all__ = ["FINE", "FaultProxy", "Weather", "fault_proxy"]

_PIECE = 64 * 1024
_LINGER_NONE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Weather:
    """How one direction of all connections behaves; byte counts are of one connection."""

    latency_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float = 0.0
    slice: int = 0
    stalled: bool = False
    swallowed: bool = False
    reset_after: int | None = None
    half_close_after: int | None = None


FINE = Weather()


@dataclass(eq=False)
class _Line:
    """One direction of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    passed: int = 0
    is_half_closed: bool = False
    waiting: asyncio.Queue[tuple[float, bytes]] = field(default_factory=lambda: asyncio.Queue(64))


class FaultProxy:
    """Listens on `port` and passes on to `target`; `up` is what clients send, `down` what they get. In a thread."""

    def __init__(self, target: int, seed: int = 0) -> None:
        self.target = target
        self.up = self.down = FINE
        self.connections = 0
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        # What the next piece to be kept back has in it, and what lets it go.
        self._mark = b""
        self._is_kept = threading.Event()
        self._let_go = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = 0
        self._on_loop(self._listen)

    # --- commands, from any thread

    def set(self, *, up: Weather = FINE, down: Weather = FINE) -> None:
        """From now on, also for connections that are there."""
        self.up, self.down = up, down
        self._loop.call_soon_threadsafe(self._tell_change)

    def black_hole(self) -> None:
        """Connections are accepted and kept, and not a byte passes."""
        self.set(up=Weather(swallowed=True), down=Weather(swallowed=True))

    def stall(self) -> None:
        """Bytes wait, and pass when the weather is fine again."""
        self.set(up=Weather(stalled=True), down=Weather(stalled=True))

    def keep_back(self, mark: bytes) -> threading.Event:
        """The next piece that a client sends with this in it waits to be let go; tells when there is one."""
        self._mark, self._is_kept, self._let_go = mark, threading.Event(), asyncio.Event()
        return self._is_kept

    def let_go(self) -> None:
        """What was kept back goes on, whatever has become of its connection."""
        self._loop.call_soon_threadsafe(self._let_go.set)

    def refuse(self) -> None:
        """Nobody listens any more, and those who were connected are reset."""
        self._on_loop(self._close)
        self.cut()

    def cut(self) -> None:
        """Resets all connections that are there."""
        self._on_loop(self._cut)

    def mend(self) -> None:
        """Everything passes again, on new connections; swallowed bytes are gone, so old connections are reset."""
        was_lossy = self.up.swallowed or self.down.swallowed
        self.set()
        if was_lossy:
            self.cut()
        self._on_loop(self._listen)

    def end(self) -> None:
        self._on_loop(self._close)
        self._on_loop(self._cut)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    # --- the loop's side

    def _on_loop(self, do: Callable[[], object]) -> None:
        async def play() -> None:
            told = do()
            if asyncio.iscoroutine(told):
                await told

        asyncio.run_coroutine_threadsafe(play(), self._loop).result(5)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, reuse_address=True)
            self.port = self._server.sockets[0].getsockname()[1]

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _tell_change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _cut(self) -> None:
        for writer in list(self._writers):
            _reset(writer)
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self._writers.add(writer)
        try:
            await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            _reset(writer)
        finally:
            self.connections -= 1
            self._tasks.discard(task)
            self._writers.discard(writer)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target)
        self._writers.add(there_writer)
        up, down = _Line(reader, there_writer), _Line(there_reader, writer)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(up, lambda: self.up))
                tasks.create_task(self._write(up, lambda: self.up))
                tasks.create_task(self._read(down, lambda: self.down))
                tasks.create_task(self._write(down, lambda: self.down))
        except* OSError:
            _reset(writer)
            _reset(there_writer)
        finally:
            self._writers.discard(there_writer)
            for one in (writer, there_writer):
                one.close()

    async def _read(self, line: _Line, weather: Callable[[], Weather]) -> None:
        while piece := await line.reader.read(_PIECE):
            now = weather()
            due = self._loop.time() + now.latency_s + self._random.uniform(0, now.jitter_s)
            await line.waiting.put((due, piece))
        await line.waiting.put((self._loop.time() + weather().latency_s, b""))

    async def _write(self, line: _Line, weather: Callable[[], Weather]) -> None:
        while True:
            due, piece = await line.waiting.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            while weather().stalled:
                await self._changed.wait()
            if self._mark and self._mark in piece:
                self._mark = b""
                self._is_kept.set()
                await self._let_go.wait()
            if not piece:
                with contextlib.suppress(OSError):
                    line.writer.write_eof()
                return
            if not weather().swallowed and not line.is_half_closed:
                await self._pass_on(line, piece, weather)

    async def _pass_on(self, line: _Line, piece: bytes, weather: Callable[[], Weather]) -> None:
        while piece:
            now = weather()
            size = _allowed(now, line.passed, len(piece))
            if size <= 0:
                if now.reset_after is not None and line.passed >= now.reset_after:
                    raise ConnectionResetError
                line.is_half_closed = True
                line.writer.write_eof()
                return
            line.writer.write(piece[:size])
            await line.writer.drain()
            line.passed += size
            piece = piece[size:]
            if now.bytes_per_s:
                await asyncio.sleep(size / now.bytes_per_s)
            elif now.slice:
                await asyncio.sleep(0)


def _allowed(weather: Weather, passed: int, size: int) -> int:
    """How many bytes may pass now in one write; none if this direction has come to its end."""
    limits = [size, weather.slice or size]
    limits += [end - passed for end in (weather.reset_after, weather.half_close_after) if end is not None]
    return min(limits)


def _reset(writer: asyncio.StreamWriter) -> None:
    line = writer.get_extra_info("socket")
    if line is not None and not writer.transport.is_closing():
        with contextlib.suppress(OSError):
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
    writer.transport.abort()


@contextmanager
def fault_proxy(target: int, seed: int = 0) -> Iterator[FaultProxy]:
    """A proxy in front of a port of this machine, as long as the block lasts."""
    proxy = FaultProxy(target, seed)
    try:
        yield proxy
    finally:
        proxy.end()
