"""The keeper, the one process with the database: it carries journals to the log, serves administration and pages."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from unigate.admission.standby import Standby
from unigate.bank_desk import LONGEST, BankDesk
from unigate.bank_line import living_in
from unigate.carrying import Carrying
from unigate.clock import wall
from unigate.errors import Fault, StorageError, UnigateError
from unigate.journal import take_lock
from unigate.lifeline import Birth, tell_ready, watch_parent
from unigate.manners import step_back
from unigate.price_file import load_prices
from unigate.reception import Reception
from unigate.sinks import ProxyLog, Sinks, Terminal
from unigate.snapshot import Settings
from unigate.snapshot_file import SnapshotFile
from unigate.storage.bank import Bank
from unigate.storage.body_rows import redactor_of
from unigate.storage.branch import Branch, RateStore
from unigate.storage.carrier import Carrier
from unigate.storage.change import named_by
from unigate.storage.database import Database
from unigate.storage.forgetting import known_gateways
from unigate.storage.ledger import Ledger
from unigate.storage.opening import MOVED, gateway_id, is_moved, open_database, sqlite_path
from unigate.storage.rate_office import RateOffice
from unigate.storage.registry import Registry
from unigate.storage.retention import Retention
from unigate.storage.sql_rates import SqlRates
from unigate.storage.sqlite import Sqlite
from unigate.storage.store import Store
from unigate.target import Provider
from unigate.upstream.client import Upstream
from unigate.upstream.models import fetch_models, list_of

if TYPE_CHECKING:
    from unigate.http.admin.server import AdminServer

__all__ = ["Keeper"]

log = logging.getLogger("unigate.keeper")

_LONGEST_SOCKET_PATH = 100  # the systems' own limits are 104 and 108 bytes
_PUBLISH = 0.5
_LAST_DRAIN = 1.3
_NEXT_LISTS = 1.0
_LISTS = 600.0
_MOST_LISTS_AT_ONCE = 8
_PREDECESSOR = 5.0
_UNSEEN = 62
_TIDY = 60.0
_TIDY_WHOLE = 3600.0


class Keeper:
    """Everything the keeper holds, and its life from ready to the last turn."""

    def __init__(self, birth: Birth) -> None:
        self._birth = birth
        self._settings = birth.settings
        self._data = Path(birth.settings.data)
        self._stop = asyncio.Event()
        self._unlisted: set[str] = set()

    def run(self) -> None:
        """Serves until told to stop or left alone by its parent. Exits with 1 if it cannot start."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor decides
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._live())
        except UnigateError as error:
            log.error("keeper.cannot_start reason=%s", error)
            sys.exit(1)

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        watch_parent(loop, self._stop.set)
        lock = await self._take_over()
        url = self._settings.database
        database = open_database(url.reveal() if url is not None else None, self._data)
        store = Store(database, wall)
        sockets = (self._data / "keeper.sock", self._data / "cli.sock")
        try:
            told = self._settings
            file = SnapshotFile(self._data / "snapshot.json")
            registry = Registry(store, file, named_by(told), told.seals, load_prices)
            ledger = Ledger(database, gateway_id(self._data))
            redactor = redactor_of(told, lambda: registry.stored, lambda: registry.added)
            carrier = Carrier(self._data / "journal", ledger, _sinks(self._settings), redactor)
            carrying = Carrying(carrier, ledger)
            with _listen(sockets[0]) as for_doors, _listen(sockets[1]) as for_operator:
                reception = self._reception(database, ledger.gateway, lambda: registry.stored.version)
                await self._work((for_doors, for_operator), registry, carrying, reception, database)
        finally:
            for path in sockets:
                path.unlink(missing_ok=True)
            database.close()
            os.close(lock)

    def _reception(self, database: Database, gateway: str, version: Callable[[], int]) -> Reception:
        """The desks for doors; several gateways share rates in Valkey, or in the database they share."""
        bank = Bank(database, gateway, of_money=False)
        url, valkey = self._settings.database, self._settings.valkey
        is_shared = url is not None and sqlite_path(url.reveal(), self._data) is None
        rates: Branch = bank
        patience = LONGEST
        if is_shared or valkey is not None:
            store: RateStore = SqlRates(database, bank, gateway)
            if valkey is not None:
                from unigate.storage.valkey import ValkeyRates  # its library alone takes 20 MB

                store = ValkeyRates(valkey.reveal(), gateway)
            others = [one.id for one in known_gateways(database) if one.silent_s < _UNSEEN and one.id != gateway]
            rates = RateOffice(store, Standby(others, time.monotonic()))
            patience = store.patience
        living = partial(living_in, self._data / "journal")
        money_desk = BankDesk(Bank(database, gateway, of_money=True), living, version, is_shared=is_shared)
        rates_desk = BankDesk(rates, living, version, is_shared=rates is not bank, patience=patience)
        return Reception(self._data / "bank.sock", money_desk, rates_desk)

    async def _take_over(self) -> int:
        """The lock of the one keeper; a predecessor whose parent has died may need a moment to leave."""
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        deadline = time.monotonic() + _PREDECESSOR
        while (lock := take_lock(self._data / "keeper.lock")) is None:
            if self._stop.is_set() or time.monotonic() > deadline:
                raise StorageError(f"Another keeper is at work in {self._data}.")
            await self._rest(0.05)
        return lock

    async def _work(
        self,
        listeners: tuple[socket.socket, socket.socket],
        registry: Registry,
        carrying: Carrying,
        reception: Reception,
        database: Database,
    ) -> None:
        async with asyncio.TaskGroup() as tasks:
            administration = tasks.create_task(self._administer(listeners, registry))
            chores = [tasks.create_task(self._publish(registry)), tasks.create_task(self._follow_lists(registry))]
            chores.append(tasks.create_task(reception.live()))
            chores.append(tasks.create_task(self._tidy(database)))
            chores.append(tasks.create_task(self._follow_move(database)))
            tasks.create_task(self._carry(carrying))
            gc.collect()
            gc.set_threshold(20_000, 20, 20)  # records leave no cycles, and whoever looks for some stops the bank
            gc.freeze()
            tell_ready(self._birth)
            await self._stop.wait()
            for chore in chores:
                chore.cancel()
            await administration

    async def _administer(self, listeners: tuple[socket.socket, socket.socket], registry: Registry) -> None:
        """Serves pages and administration; most gateways run for days without, so the first visitor has it loaded."""
        if not await self._is_visited(listeners):
            return
        servers = await asyncio.to_thread(self._open_servers, listeners, registry)
        gc.freeze()
        async with asyncio.TaskGroup() as serving:
            for server in servers:
                serving.create_task(server.live())
            await self._stop.wait()
            for server in servers:
                server.should_exit = True

    async def _is_visited(self, listeners: tuple[socket.socket, socket.socket]) -> bool:
        """Waits for the first visitor; False if the end came before any."""
        loop = asyncio.get_running_loop()
        visited = asyncio.Event()
        for listener in listeners:
            loop.add_reader(listener, visited.set)
        waiting = [asyncio.create_task(event.wait()) for event in (visited, self._stop)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        for listener in listeners:
            loop.remove_reader(listener)
        return visited.is_set()

    def _open_servers(
        self, listeners: tuple[socket.socket, socket.socket], registry: Registry
    ) -> Sequence[AdminServer]:
        from unigate.http.admin.server import open_servers

        return open_servers(*listeners, registry, self._settings)

    async def _carry(self, carrying: Carrying) -> None:
        loop = asyncio.get_running_loop()
        # A thread that stepped back cannot step forward again without privileges, so there are two.
        with ThreadPoolExecutor(1, "carrier", step_back) as quiet, ThreadPoolExecutor(1, "late-carrier") as pressing:
            while not self._stop.is_set():
                thread = pressing if carrying.is_late else quiet
                await self._rest(await loop.run_in_executor(thread, carrying.turn))
            await loop.run_in_executor(pressing, carrying.finish, _LAST_DRAIN)

    async def _follow_move(self, database: Database) -> None:
        """Ends this keeper once its database was moved; the next one opens the new one."""
        while not self._stop.is_set():
            await self._rest(_PUBLISH)
            if isinstance(database, Sqlite) and (self._data / MOVED).exists():
                try:
                    if await asyncio.to_thread(is_moved, database):
                        self._stop.set()
                except StorageError as error:
                    log.debug("database.not_seen reason=%s", error)

    async def _tidy(self, database: Database) -> None:
        """Removes what is too old, in small batches between which others have their turn."""
        retention = Retention(database, self._settings.retention)
        tidied_at, trouble = 0.0, ""
        while not self._stop.is_set():
            rest = _TIDY
            try:
                if time.monotonic() - tidied_at > _TIDY_WHOLE:
                    tidied_at = time.monotonic()
                    await asyncio.to_thread(database.tidy)
                rest = await asyncio.to_thread(retention.turn)
                trouble = ""
            except StorageError as error:
                if not trouble:
                    log.warning("retention.failed reason=%s", error)
                trouble = str(error)
            await self._rest(rest)

    async def _publish(self, registry: Registry) -> None:
        """The doors' file at the start, and whenever another gateway or the command line changed something."""
        trouble = ""
        while not self._stop.is_set():
            try:
                await asyncio.to_thread(registry.follow)
                trouble = ""
            except StorageError as error:
                if not trouble:
                    log.error("snapshot.behind reason=%s", error)
                trouble = str(error)
            await self._rest(_PUBLISH)

    async def _follow_lists(self, registry: Registry) -> None:
        """Asks each provider for its models, now and then, and one that is new or was changed at once."""
        if self._settings.demo is not None:
            return
        upstream = Upstream()
        turns = asyncio.Semaphore(_MOST_LISTS_AT_ONCE)
        asked: dict[str, tuple[Provider, float]] = {}
        try:
            async with asyncio.TaskGroup() as asking:
                while not self._stop.is_set():
                    await self._rest(_NEXT_LISTS)
                    now = time.monotonic()
                    for one in self._listing(registry):
                        if _is_due(asked.get(one.name), one, now):
                            asked[one.name] = (one, now)
                            asking.create_task(self._follow_list(one, upstream, registry, turns))
        finally:
            upstream.close()

    def _listing(self, registry: Registry) -> list[Provider]:
        """The providers that have a list, the file's and those that were made."""
        made = registry.added.providers.values()
        providers = {one.name: one for one in (*made, *self._settings.providers)}
        return [one for one in providers.values() if list_of(one) is not None]

    async def _follow_list(
        self, provider: Provider, upstream: Upstream, registry: Registry, turns: asyncio.Semaphore
    ) -> None:
        try:
            async with turns:
                models = await fetch_models(upstream, provider)
            await asyncio.to_thread(registry.keep_list, provider.name, models)
            self._unlisted.discard(provider.name)
            log.debug("models.listed provider=%s count=%d", provider.name, len(models))
        except (Fault, StorageError) as error:
            if provider.name not in self._unlisted:
                log.warning("models.unlisted provider=%s reason=%s", provider.name, error)
            self._unlisted.add(provider.name)

    async def _rest(self, seconds: float) -> None:
        """Waits, but not beyond the moment this process is told to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            pass


def _is_due(asked: tuple[Provider, float] | None, provider: Provider, now: float) -> bool:
    """Whether a provider is asked for its models now; one that did not change stays the same object."""
    return asked is None or asked[0] is not provider or now - asked[1] >= _LISTS


def _sinks(settings: Settings) -> Sinks:
    return Sinks(ProxyLog(Path(settings.logs), settings.log, wall), Terminal(sys.stderr.fileno(), settings.log_level))


def _listen(path: Path) -> socket.socket:
    """A unix socket that only its owner can open. Raises StorageError."""
    name = os.fspath(path)
    if len(os.fsencode(name)) > _LONGEST_SOCKET_PATH:
        raise StorageError(
            f"The socket's path '{name}' is longer than {_LONGEST_SOCKET_PATH} bytes, which systems do not allow; "
            "choose a shorter --data, best one relative to the working directory."
        )
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)  # a keeper that was killed leaves it behind
        listener.bind(name)
        listener.listen(128)
    except OSError as error:
        raise StorageError(f"The socket '{name}' cannot be made: {error.strerror}.") from error
    finally:
        os.umask(before)
    return listener
