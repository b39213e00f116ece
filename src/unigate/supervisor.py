"""The supervisor: starts the doors, the keeper and the demo's children, keeps them alive, and ends them in order."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable

import msgspec

from unigate.demo import DemoChild
from unigate.lifeline import Birth, write_birth
from unigate.snapshot import Settings

__all__ = ["Child", "Supervisor"]

log = logging.getLogger("unigate.supervisor")

# What a child needs of the operator's environment. Keys travel by the life line, so no variable with one is passed on;
# the last three decide which interpreter and libraries run, without them a child may not start at all.
_PASSED_ON = frozenset(
    [
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "LC_MESSAGES",
        "LC_CTYPE",
        "TZ",
        "TMPDIR",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
        "PYTHONPATH",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
    ]
)
# glibc gives a large block back to the system each time it is freed; a door needs the next one at once.
_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 * 1024 * 1024), "MALLOC_TRIM_THRESHOLD_": str(64 * 1024 * 1024)}

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
_READY_WITHIN = 30.0
_KEEPER_WITHIN = 10.0
_AT_ONCE = 1.0


class Child:
    """One child process: how it is born, and the life line it hangs by."""

    def __init__(
        self, name: str, arguments: tuple[str, ...], line: Callable[[int], bytes], listen_fd: int = -1
    ) -> None:
        self.name = name
        self.ready = asyncio.Event()
        self._arguments = arguments
        self._line = line
        self._listen_fd = listen_fd
        self._process: Process | None = None
        self._is_stopping = False

    async def live(self) -> None:
        """Keeps the child running until it is stopped; a child that dies is born again, each time a little later."""
        pause = _FIRST_PAUSE
        while not self._is_stopping:
            try:
                process, ready_fd = await self._be_born()
            except OSError as error:
                pause = min(pause * 2, _LONGEST_PAUSE)
                log.error("child.unborn name=%s again_in_s=%.1f reason=%s", self.name, pause, error)
                await asyncio.sleep(pause)
                continue
            waiting = asyncio.create_task(self._await_ready(ready_fd))
            code = await process.wait()
            await waiting
            if self._is_stopping:
                return
            pause = _FIRST_PAUSE if self.ready.is_set() else min(pause * 2, _LONGEST_PAUSE)
            self.ready.clear()
            log.error("child.died name=%s code=%d again_in_s=%.1f", self.name, code, pause)
            await asyncio.sleep(pause)

    async def stop(self, within: float) -> None:
        """Asks the child to end, and ends it after `within` seconds."""
        self._is_stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(within):
                await process.wait()
        except TimeoutError:
            log.warning("child.killed name=%s after_s=%.0f", self.name, within)
            process.kill()
            await process.wait()

    async def _be_born(self) -> tuple[Process, int]:
        ready_fd, theirs = os.pipe()
        passed = (theirs,) if self._listen_fd < 0 else (theirs, self._listen_fd)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *self._arguments,
                stdin=PIPE,
                env=_environment(),
                pass_fds=passed,
                # A signal to our group must not end the children out of order. Linux shares a core between sessions
                # whatever the niceness in each (sched(7), autogroup), so all children are of the same one.
                process_group=0,
            )
        except BaseException:
            os.close(ready_fd)
            raise
        finally:
            os.close(theirs)
        self._process = process
        assert process.stdin is not None, "a life line was asked for"
        process.stdin.write(self._line(theirs))
        return process, ready_fd

    async def _await_ready(self, fd: int) -> None:
        loop = asyncio.get_running_loop()
        told: asyncio.Future[bytes] = loop.create_future()

        def look() -> None:
            loop.remove_reader(fd)
            told.set_result(os.read(fd, 4096))

        loop.add_reader(fd, look)
        if await told:
            self.ready.set()
        os.close(fd)


def _environment() -> dict[str, str]:
    """The part of our own environment that children see."""
    return {**{name: value for name, value in os.environ.items() if name in _PASSED_ON}, **_MEMORY}


class Supervisor:
    """All children of one gateway, in the order in which they start and end."""

    def __init__(self, settings: Settings, listener: socket.socket, demo: tuple[DemoChild, ...]) -> None:
        self._drain = settings.server.drain
        self._listener = listener
        self._doors = [
            _own(f"door-{number}", "door", settings, listener.fileno()) for number in range(settings.server.workers)
        ]
        self._keeper = _own("keeper", "keeper", settings)
        self._demo = [_demo_child(child) for child in demo]

    async def run(
        self, started: Callable[[], None], model_ready: Callable[[], None], stopping: Callable[[], None]
    ) -> bool:
        """Runs until SIGTERM or SIGINT; False if no door came up. The doors come first: they need nobody else."""
        stop = _stop_signals()
        signal.signal(
            signal.SIGTTOU, signal.SIG_IGN
        )  # children inherit it: they may write to a terminal set to `tostop`
        async with asyncio.TaskGroup() as lives:
            tasks = [lives.create_task(door.live()) for door in self._doors]
            is_up = await _first((stop, *(door.ready for door in self._doors)), within=_READY_WITHIN)
            if is_up and not stop.is_set():
                started()
                tasks += [lives.create_task(child.live()) for child in (*self._demo, self._keeper)]
                waiting = lives.create_task(_tell(self._demo, model_ready))
                await stop.wait()
                waiting.cancel()
                stopping()
            self._listener.close()  # or newcomers would wait, until the last call is over, for doors that are closed
            await self._stop(stop)
            for task in tasks:
                task.cancel()
        return is_up

    async def _stop(self, stop: asyncio.Event) -> None:
        """Doors first, so that the keeper carries what they wrote; a second signal ends the patience with all."""
        stop.clear()
        doors = asyncio.gather(*(door.stop(self._drain + 5.0) for door in self._doors))
        again = asyncio.create_task(stop.wait())
        await asyncio.wait((doors, again), return_when=asyncio.FIRST_COMPLETED)
        if not doors.done():
            doors.cancel()
            await asyncio.gather(*(door.stop(0.0) for door in self._doors))
        others = asyncio.gather(self._keeper.stop(_KEEPER_WITHIN), *(child.stop(2.0) for child in self._demo))
        if not again.done():
            await asyncio.wait((others, again), return_when=asyncio.FIRST_COMPLETED)
        if not others.done():
            others.cancel()
            # What the keeper has not carried yet stays in the journal for the next one.
            await asyncio.gather(*(child.stop(_AT_ONCE) for child in (self._keeper, *self._demo)))
        again.cancel()


def _own(name: str, role: str, settings: Settings, listen_fd: int = -1) -> Child:
    def line(ready_fd: int) -> bytes:
        return write_birth(Birth(name=name, settings=settings, ready_fd=ready_fd, listen_fd=listen_fd))

    return Child(name, ("unigate.app", role), line, listen_fd)


def _demo_child(child: DemoChild) -> Child:
    def line(ready_fd: int) -> bytes:
        told = {"host": "127.0.0.1", "port": child.port, "key": child.key.reveal(), "ready_fd": ready_fd}
        return msgspec.json.encode(told) + b"\n"

    return Child(child.name, (child.module, *child.arguments), line)


def _stop_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _tell(children: list[Child], model_ready: Callable[[], None]) -> None:
    for child in children:
        await child.ready.wait()
    model_ready()


async def _first(events: tuple[asyncio.Event, ...], *, within: float) -> bool:
    """Whether one of several events happened in time."""
    tasks = [asyncio.create_task(event.wait()) for event in events]
    done, rest = await asyncio.wait(tasks, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    return bool(done)
