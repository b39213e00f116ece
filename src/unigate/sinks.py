"""Where records end up: the log of calls on disk, and a short line each on the operator's terminal."""

from __future__ import annotations

import json
import logging
import os
import re
import select
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import msgspec

from unigate.accounting.record import Record
from unigate.clock import Wall
from unigate.config import LogSettings
from unigate.errors import StorageError
from unigate.logs import clean
from unigate.manners import unhurried

__all__ = ["ProxyLog", "Sinks", "Terminal", "level_of", "log_line", "terminal_line"]

log = logging.getLogger("unigate.keeper")

_FILE = "proxy.log"
_OLD_FILE = re.compile(r"proxy\.log\.(\d{4}-\d{2}-\d{2})(?:\.\d+)?")
_REQUEST_ID = re.compile(rb'"request_id":"([^"\\]*)"')
_MARK = re.compile(r"(\d+):(\d+)")
_PIPE_ROOM = 4096  # POSIX: a pipe that is ready takes this much at once
_COLOURS = {"info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m"}
_SECOND_NS = 1_000_000_000
_DAY_NS = 24 * 60 * 60 * _SECOND_NS
_PLAIN = "\x1b[0m"


class Sinks:
    """All sinks as one: first the log, which must have each record once, then the terminal, which may miss some."""

    def __init__(self, proxy_log: ProxyLog, terminal: Terminal) -> None:
        self._log = proxy_log
        self._terminal = terminal

    def take(self, records: Sequence[Record]) -> None:
        """Takes all of them or none. Raises StorageError."""
        self._terminal.show(self._log.take(records))

    def settle(self) -> str:
        """Makes what was taken durable; the mark to `resume` from. Raises StorageError."""
        return self._log.settle()

    def resume(self, mark: str) -> None:
        """What came in after `mark` will come again and is then left out."""
        self._log.resume(mark)

    def expect(self, records: Sequence[Record]) -> None:
        """These were taken and come again; they are then left out."""
        self._log.expect(records)

    def is_due(self) -> bool:
        """Whether a new file should be begun."""
        return self._log.is_due()

    def turn_over(self) -> None:
        """Begins a new file. Raises StorageError."""
        self._log.turn_over()


class ProxyLog:
    """The log of calls: one JSON line each, in a file begun anew each day or when it is large; old ones are removed."""

    def __init__(self, folder: Path, settings: LogSettings, clock: Wall) -> None:
        self._folder = folder
        self._path = folder / _FILE
        self._settings = settings
        self._clock = clock
        self._fd = -1
        self._size = 0
        self._day = ""
        self._known: frozenset[str] = frozenset()

    def take(self, records: Sequence[Record]) -> list[Record]:
        """Appends them in one write; those that were not in the file yet. Raises StorageError and has added nothing."""
        fresh = [record for record in records if record.id not in self._known] if self._known else list(records)
        if fresh:
            content = b"".join(map(log_line, unhurried(fresh)))
            try:
                self._open()
                self._append(content)
            except OSError as error:
                raise StorageError(f"{self._path} cannot be written: {error.strerror}.") from error
        if self._known:
            self._known = self._known.difference(record.id for record in records)
        return fresh

    def settle(self) -> str:
        """Forces the lines to the disk itself; which file, and how long it is. Raises StorageError."""
        if self._fd < 0:
            return ""
        try:
            os.fsync(self._fd)
            return f"{os.fstat(self._fd).st_ino}:{self._size}"
        except OSError as error:
            raise StorageError(f"{self._path} cannot be written: {error.strerror}.") from error

    def resume(self, mark: str) -> None:
        """Remembers which calls the file has after `mark`: their records come again. In another file, all of them."""
        found = _MARK.fullmatch(mark)
        inode, size = map(int, found.groups()) if found else (0, 0)
        try:
            with self._path.open("rb") as file:
                stat = os.fstat(file.fileno())
                file.seek(size if inode == stat.st_ino and size <= stat.st_size else 0)
                ids = [match[1] for line in file if (match := _REQUEST_ID.search(line))]
        except OSError as error:
            log.debug("log.not_there reason=%s", error)
            return
        self._known = frozenset(id.decode("ascii") for id in ids)

    def expect(self, records: Sequence[Record]) -> None:
        """Remembers that these are in the file: they come again."""
        self._known = self._known.union(record.id for record in records)

    def is_due(self) -> bool:
        """Whether the day is over or the file is large."""
        return self._day != self._today() or self._size > self._settings.rotate_mb * 1024 * 1024

    def turn_over(self) -> None:
        """Puts the file aside under its day and removes those that are too old. Raises StorageError."""
        try:
            self._open()
            today = self._today()
            if self._size and (self._day != today or self.is_due()):
                self._path.rename(self._free_name(self._day))
                self._close()
                self._open()
            self._day = today
            self._remove_old()
        except OSError as error:
            raise StorageError(f"{self._path} cannot be put aside: {error.strerror}.") from error

    # --- the file

    def _open(self) -> None:
        """Makes sure that we write to the file of that name, also after somebody moved it away."""
        try:
            if self._fd >= 0 and os.path.samestat(self._path.stat(), os.fstat(self._fd)):
                return
        except FileNotFoundError:
            pass
        self._close()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        self._fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        stat = os.fstat(self._fd)
        self._size = _whole_lines(self._fd, stat.st_size)
        self._day = _day(stat.st_mtime_ns) if self._size else self._today()

    def _append(self, content: bytes) -> None:
        end = os.fstat(self._fd).st_size
        if end > self._size:  # half a line that a full disk left
            os.ftruncate(self._fd, self._size)
        self._size = min(end, self._size)
        written = 0
        while written < len(content):
            written += os.write(self._fd, memoryview(content)[written:])
        self._size += written

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _today(self) -> str:
        return _day(self._clock())

    def _free_name(self, day: str) -> Path:
        first = self._folder / f"{_FILE}.{day}"
        number = 0
        name = first
        while name.exists():
            number += 1
            name = first.with_name(f"{first.name}.{number}")
        return name

    def _remove_old(self) -> None:
        oldest = _day(self._clock() - self._settings.keep_days * _DAY_NS)
        for path in self._folder.glob(_FILE + ".*"):
            found = _OLD_FILE.fullmatch(path.name)
            if found is not None and found[1] < oldest:
                path.unlink()


class Terminal:
    """The operator's terminal, or whatever standard error is; it is never waited for."""

    def __init__(self, fd: int, level: str) -> None:
        self._fd = fd
        self._shown = {"debug": _ALL, "info": _ALL, "warning": _ALL - {"info"}, "error": _ALL - {"info", "warning"}}[
            level
        ]
        self._with_attempts = level == "debug"
        self._colours = os.isatty(fd)
        self._missed = 0
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def show(self, records: Sequence[Record]) -> None:
        """Prints a line for each that this level shows."""
        lines = [
            terminal_line(record, with_attempts=self._with_attempts, colours=self._colours)
            for record in unhurried(records)
            if level_of(record) in self._shown
        ]
        if lines and self._missed:
            lines.insert(0, f"({self._missed} calls are not shown here; the log has them)\n")
            self._missed = 0
        self._missed += self._write(lines)

    def _write(self, lines: Sequence[str]) -> int:
        """Writes in pieces that cannot block; how many lines were left out."""
        content = "".join(lines).encode("utf-8", "replace")
        begin = 0
        while begin < len(content):
            end = content.rfind(b"\n", begin, begin + _PIPE_ROOM) + 1 or begin + _PIPE_ROOM
            try:
                if not self._poll.poll(0):
                    return content.count(b"\n", begin)
                os.write(self._fd, content[begin:end])
            except OSError:
                return 0  # nobody is there to read
            begin = end
        return 0


_ALL = frozenset({"info", "warning", "error"})


def level_of(record: Record) -> str:
    """How much an operator should care: `info`, `warning` or `error`."""
    if record.end == "ok":
        return "info"
    is_failure = record.end != "client_left" and not 0 < record.status < 500
    return "error" if is_failure else "warning"


class _Line(msgspec.Struct, omit_defaults=True, gc=False):
    """A line of the log; what is unknown is left out."""

    time: str
    level: str
    event: str
    request_id: str
    operation: str
    status: int
    end: str
    total_us: int
    streamed: bool
    demo: bool
    key: str | None = None
    name: str | None = None
    project: str | None = None
    organisation: str | None = None
    model: str | None = None
    provider: str | None = None
    target: str | None = None
    first_byte_us: int | None = None
    overhead_us: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_hour_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    estimated: bool = False
    # Nano-dollars, as everywhere.
    cost_nano: int | None = None
    price: str | None = None
    held_nano: int | None = None
    flags: tuple[str, ...] = ()
    error: str | None = None
    peer: str | None = None
    client_request_id: str | None = None
    upstream_request_id: str | None = None
    dropped: tuple[str, ...] = ()
    attempts: tuple[dict[str, object], ...] = ()


_encode = msgspec.json.Encoder().encode


def log_line(record: Record) -> bytes:
    """A record as one line of ASCII JSON, whatever its texts hold."""
    usage = record.usage
    # By position: by name it takes as long as all the rest.
    line = _Line(
        f"{_utc(record.at_ns // _SECOND_NS)}.{record.at_ns // 1_000_000 % 1000:03d}Z",
        level_of(record),
        "call.finished",
        record.id,
        record.operation,
        record.status,
        record.end,
        record.total_us,
        record.streamed,
        record.demo,
        record.key,
        record.name,
        record.project,
        record.organisation,
        record.model,
        record.provider,
        record.target,
        record.first_byte_us,
        record.overhead_us,
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.reasoning_tokens,
        usage.cache_write_tokens,
        usage.cache_write_hour_tokens,
        usage.audio_input_tokens,
        usage.audio_output_tokens,
        usage.estimated,
        record.cost,
        record.price,
        record.held,
        record.flags,
        record.error,
        record.peer,
        record.client_request_id,
        record.upstream_request_id,
        record.dropped,
        tuple(map(msgspec.structs.asdict, record.attempts)),
    )
    encoded = _encode(line)
    return (encoded if encoded.isascii() and b"\x7f" not in encoded else _escaped(encoded)) + b"\n"


def _escaped(encoded: bytes) -> bytes:
    """The same JSON in printable ASCII: log readers differ on what else ends a line. JSON itself allows DEL."""
    text = json.dumps(json.loads(encoded), separators=(",", ":"))
    return text.replace("\x7f", "\\u007f").encode("ascii")


def terminal_line(record: Record, *, with_attempts: bool = False, colours: bool = False) -> str:
    """A record as a person reads it while calls go by."""
    status = str(record.status or "---")
    words = [record.operation.partition(".")[2] or record.operation, record.model or ""]
    if record.provider:
        words.append(f"→ {record.provider}/{record.target}")
    usage = record.usage
    if usage.input_tokens is not None or usage.output_tokens is not None:
        words.append(f"{_count(usage.input_tokens)}→{_count(usage.output_tokens)} tok")
    words.append(f"{record.total_us / 1000:.0f} ms ")
    words += [record.name or "-", record.id]
    if record.end != "ok":
        words.append(record.error or record.end)
    if with_attempts:
        words += [f"[{one.provider}/{one.target} {one.end} {one.us / 1000:.0f} ms]" for one in record.attempts]
    if colours:
        status = f"{_COLOURS[level_of(record)]}{status}{_PLAIN}"
    text = " ".join(word for word in words if word)
    return f"{_clock_time(record.at_ns // _SECOND_NS)} {status} {text if text.isprintable() else clean(text)}\n"


def _whole_lines(fd: int, size: int) -> int:
    """The length of the file up to its last whole line: a process that was killed may have left half of one."""
    step = 1024 * 1024
    start = size
    while start:
        start = max(start - step, 0)
        end = os.pread(fd, step, start).rfind(b"\n")
        if end >= 0:
            return start + end + 1
    return 0


@lru_cache(maxsize=16)
def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=16)
def _clock_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds).strftime("%H:%M:%S")


def _day(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns / 1e9, UTC).strftime("%Y-%m-%d")


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else str(tokens)
