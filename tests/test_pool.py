"""The pool of connections to one origin: a place is never lost, and nobody waits longer than was said."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from harness import answer_ok, raw_upstream
from unigate.errors import Fault, Kind
from unigate.target import Timeouts
from unigate.upstream.connection import Connection
from unigate.upstream.pool import Origin, Pool


def test_a_place_in_the_queue_given_to_one_whose_time_is_just_over_is_given_on() -> None:
    async def play(port: int) -> None:
        loop = asyncio.get_running_loop()
        pool = Pool(Origin("127.0.0.1", port), 1)
        holder = await pool.acquire(10.0)
        late = asyncio.ensure_future(pool.acquire(0.1))
        patient = asyncio.ensure_future(pool.acquire(5.0))
        await asyncio.sleep(0.01)

        def both_at_once() -> None:
            loop.call_at(loop.time(), pool.give_back, holder)
            time.sleep(0.2)  # the loop sleeps over the deadline, so that both are due in the same turn

        loop.call_soon(both_at_once)
        async with asyncio.timeout(1.0):
            pool.give_back(await patient)
        await asyncio.gather(late, return_exceptions=True)

    with raw_upstream(answer_ok) as upstream:
        asyncio.run(play(upstream.port))


def test_who_is_overtaken_in_the_queue_waits_no_longer_for_it() -> None:
    async def play(port: int) -> float:
        pool = Pool(Origin("127.0.0.1", port), 1)
        taken = await exchanged(pool)
        waiting = asyncio.ensure_future(pool.acquire(0.4))
        begun = time.monotonic()
        while not waiting.done() and time.monotonic() - begun < 20.0:
            await asyncio.sleep(0.05)
            pool.give_back(taken)
            taken = await exchanged(pool)  # overtakes the one in the queue
        try:
            await waiting
        except Fault as fault:
            assert fault.kind is Kind.BUSY
        return time.monotonic() - begun

    async def exchanged(pool: Pool) -> Connection:
        connection = pool.take() or await pool.acquire(10.0)
        await connection.send(b"GET / HTTP/1.1\r\n\r\n", b"", Timeouts())
        await connection.read_all(1000)
        return connection

    with raw_upstream(answer_ok) as upstream:
        assert asyncio.run(play(upstream.port)) < 6.0


def test_a_child_of_ours_that_was_started_again_is_waited_for_again(tmp_path: Path) -> None:
    path = str(tmp_path / "child.sock")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readline():
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async def play() -> None:
        pool = Pool(Origin("child", 0, socket=path), 4, patient=True)
        first = await asyncio.start_unix_server(serve, path)
        pool.give_back(await pool.acquire(10.0))
        first.close()
        waiting = asyncio.ensure_future(pool.acquire(3.0, fresh=True))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        second = await asyncio.start_unix_server(serve, path)
        (await waiting).close()
        second.close()

    asyncio.run(play())
