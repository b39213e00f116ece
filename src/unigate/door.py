"""A door: one process that serves the client API, from the configuration and the last snapshot alone."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import resource
import secrets
import signal
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from unigate.accounting.prices import day_of
from unigate.capture import Books, Shelf
from unigate.charge import Cashier
from unigate.clock import StoreClock, wall
from unigate.current import Current
from unigate.errors import StorageError
from unigate.flusher import Confirmed, Flusher
from unigate.http.client_api import ClientApi
from unigate.http.house import House, Limits
from unigate.http.keeper_relay import KeeperRelay
from unigate.http.server import ClientConnection
from unigate.journal import Journal
from unigate.lender import Lender
from unigate.lifeline import Birth, tell_ready, watch_parent
from unigate.pipeline import Pipeline
from unigate.price import NANO
from unigate.snapshot import KeyEntry, Snapshot, Stored, build_snapshot
from unigate.snapshot_file import SnapshotFile
from unigate.upstream.client import Upstream

__all__ = ["Door"]

log = logging.getLogger("unigate.door")

_LOOK_FOR_CHANGES = 0.5
_LAST_BODIES = 2.0


class Door:
    """Everything one door holds, and its life from ready to drained."""

    def __init__(self, birth: Birth, loop: asyncio.AbstractEventLoop) -> None:
        self._birth = birth
        self._loop = loop
        settings = birth.settings
        data = Path(settings.data)
        self._file = SnapshotFile(data / "snapshot.json")
        self._current = Current(build_snapshot(settings, Stored(), wall()))
        self._current.snapshot = self._read_stored(wall()) or self._current.snapshot
        life = secrets.token_hex(4)
        folder = data / "journal" / f"{birth.name}-{life}"
        self._journal = Journal(folder, most=int(settings.journal.max_gb * 1024**3))
        self._flusher = Flusher(self._journal, settings.journal.interval_s)
        self._shelf = Shelf(self._journal, folder, most=settings.capture.max_kb * 1024)
        is_confirmed = settings.journal.fsync == "always"
        books = Books(Confirmed(self._journal, self._flusher) if is_confirmed else self._journal, self._shelf)
        self._clock = StoreClock()
        self._news = asyncio.Event()
        self._lender = Lender(data / "bank.sock", folder.name, self._clock, self._hear_of)
        self._upstream = Upstream()
        server = settings.server
        ceiling = settings.budgets.unpriced_call_usd
        cashier = Cashier(self._lender, self._clock, round(ceiling * NANO) if ceiling is not None else None)
        self._pipeline = Pipeline(self._current, self._upstream, books, cashier, heartbeat=server.heartbeat)
        self._api = ClientApi(
            self._current,
            self._pipeline,
            self._journal,
            KeeperRelay(str(data / "keeper.sock")).handle,
            server=server,
            wall=self._clock,
            limits=cashier.told,
        )
        limits = Limits(
            body=server.max_body_mb * 1024 * 1024,
            header_timeout=server.header_timeout,
            body_timeout=server.body_timeout,
            keep_alive=server.keep_alive,
            write_timeout=server.write_timeout,
        )
        self._house = House(loop, self._api, limits, life)

    def _read_stored(self, at_ns: int) -> Snapshot | None:
        """The snapshot with what is new in the file; a damaged one counts for nothing until it is written anew."""
        last = self._current.snapshot

        def build(stored: Stored, keys: Iterable[KeyEntry]) -> Snapshot:
            return build_snapshot(self._birth.settings, stored, at_ns, last.added, last.keyring, keys)

        try:
            return self._file.read_if_changed(build)
        except StorageError as error:
            log.warning("snapshot.unreadable reason=%s", error)
            return None

    async def run(self) -> None:
        """Serves until told to stop or left alone by its parent, then drains."""
        _raise_open_files()
        stop = asyncio.Event()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
        self._loop.add_signal_handler(signal.SIGTERM, stop.set)
        watch_parent(self._loop, stop.set)
        listener = socket.socket(fileno=self._birth.listen_fd)
        server = await self._loop.create_server(self._connection, sock=listener, backlog=2048)
        gc.collect()
        gc.set_threshold(20_000, 20, 20)  # a call leaves no cycles; looking for them is the larger cost
        gc.freeze()  # what is there at the start stays; later collections need not look at it
        tell_ready(self._birth)
        async with asyncio.TaskGroup() as tasks:
            chores = [tasks.create_task(self._follow_changes()), tasks.create_task(self._flusher.run())]
            chores.append(tasks.create_task(self._lender.live()))
            await stop.wait()
            self._api.is_ready = False
            server.close()
            await self._house.drain(self._birth.settings.server.drain)
            await self._pipeline.drains.close()
            await self._shelf.close(_LAST_BODIES)
            for chore in chores:
                chore.cancel()
        self._upstream.close()
        try:
            self._journal.close()
        except OSError as error:
            log.error("journal.sync_failed reason=%s", error)

    def _connection(self) -> asyncio.Protocol:
        """What serves a new client. The loop wants its methods alone, and a class without a foreign base is faster."""
        return cast("asyncio.Protocol", ClientConnection(self._house))

    async def _follow_changes(self) -> None:
        day = day_of(wall())  # of the first snapshot
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_FOR_CHANGES):
                    await self._news.wait()
            self._news.clear()
            now_ns = self._clock()  # the store's, as calls and what they cost are dated
            if (today := day_of(now_ns)) != day:
                day = today
                self._file.forget()  # a price may begin today
            self._api.is_current = self._file.is_current(self._loop.time())
            await self._catch_up(now_ns)

    def _hear_of(self, version: int) -> None:
        """The keeper has told the doors something of that version."""
        if version != self._current.snapshot.version:
            self._news.set()

    async def _catch_up(self, now_ns: int) -> None:
        """Reads the snapshot file if it is new, with that moment's prices; beside the calls, for it may be large."""
        fresh = await asyncio.to_thread(self._read_stored, now_ns)
        if fresh is not None:
            self._current.snapshot = fresh
            self._lender.wallet.forget()
            log.debug("snapshot.swapped version=%d", fresh.version)


def _raise_open_files() -> None:
    """A stream takes two descriptors; the usual soft limit of 1,024 is far too low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):
            log.debug("open_files.unchanged soft=%d", soft)
