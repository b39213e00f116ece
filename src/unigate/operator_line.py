"""How the command line reaches the administration: the running gateway's own socket or, with none running, in here."""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlencode

import msgspec

from unigate.clock import wall
from unigate.config import ServerSettings
from unigate.config_file import load_table, read_config, resolve
from unigate.discovery import read_dotenv
from unigate.errors import Refusal, UnigateError
from unigate.journal import take_lock
from unigate.seal_keys import seal_keys
from unigate.serve import find_config
from unigate.snapshot import Settings
from unigate.snapshot_file import SnapshotFile
from unigate.storage.change import named_by
from unigate.storage.opening import open_database, sqlite_path
from unigate.storage.registry import Registry
from unigate.storage.store import Store
from unigate.texts import Texts

__all__ = ["NoAnswer", "OperatorLine", "Place", "open_line"]

_STARTING = 3.0  # the keeper of a gateway that is just starting may need this long
_PATIENCE = 30.0
_PAGE = 1000

Query = Mapping[str, str | int | Sequence[str] | None]


class NoAnswer(UnigateError):
    """A gateway runs, but nobody answers at its socket."""


class OperatorLine:
    """Asks the administration, as whoever owns the gateway's data."""

    def ask(self, method: str, path: str, body: object = None, query: Query | None = None) -> bytes:
        """The content of an answer. Raises Refusal with the administration's own words, NoAnswer."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        content = msgspec.json.encode(body) if body is not None else b""
        status, answered = self._carry(method, "/admin/v1" + path, urlencode(given, doseq=True), content)
        if status < 400:
            return answered
        why = msgspec.json.decode(answered, type=_Error).error
        raise Refusal(status, why.code or "", why.message)

    def pages(self, path: str, query: Query | None = None) -> Iterator[bytes]:
        """The pages of a list, to its end. Raises as `ask` does."""
        after: str | None = None
        while True:
            content = self.ask("GET", path, query={**(query or {}), "limit": _PAGE, "after": after})
            yield content
            after = msgspec.json.decode(content, type=_Next).next
            if after is None:
                return

    def _carry(self, method: str, path: str, query: str, content: bytes) -> tuple[int, bytes]:
        raise NotImplementedError


class Place(msgspec.Struct, frozen=True):
    """Where a gateway keeps its data, and the file that configures it, if it is not the usual one."""

    data: Path
    config: Path | None = None


@contextmanager
def open_line(place: Place, *, is_new: bool) -> Generator[OperatorLine | None]:
    """The running gateway's desk; with none running our own, and none can start meanwhile.

    None where there is no database and none may be made. Raises StorageError, ConfigError.
    """
    data = place.data
    settings = None
    if not is_new and not (data / "lock").exists():
        settings = _settings(place)
        if not _has_data(settings, data):
            yield None
            return
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = take_lock(data / "lock")
    if lock is None:
        yield _Remote(data / "cli.sock")
        return
    try:
        settings = settings or _settings(place)
        if not is_new and not _has_data(settings, data):
            yield None
            return
        url = settings.database
        database = open_database(url.reveal() if url is not None else None, data)
        try:
            file = SnapshotFile(data / "snapshot.json")
            registry = Registry(Store(database, wall), file, named_by(settings), settings.seals)
            yield _Local(registry, settings)
        finally:
            database.close()
    finally:
        os.close(lock)


def _settings(place: Place) -> Settings:
    """What the configuration says; without a file, what is usual."""
    path = find_config(place.config, Texts(os.environ))
    if path is None:
        return Settings(server=ServerSettings(), providers=())
    config = read_config(path, read_dotenv(Path(".env"), os.environ))
    settings = resolve(config, load_table(), data=str(place.data), logs="logs", log_level="info")
    return msgspec.structs.replace(settings, seals=seal_keys(place.data, os.environ))


def _has_data(settings: Settings, data: Path) -> bool:
    """Whether there is a database; looking must not make one, or the first start would make no first keys."""
    path = sqlite_path(settings.database.reveal() if settings.database is not None else None, data)
    return path is None or path.exists()


class _Why(msgspec.Struct):
    message: str
    code: str | None = None


class _Next(msgspec.Struct):
    next: str | None = None


class _Error(msgspec.Struct):
    error: _Why


class _Local(OperatorLine):
    """The same application, called without a socket."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        from unigate.http.admin.access import Access  # a running gateway has loaded all this, and then we need not
        from unigate.http.admin.app import OperatorOnly, build_app

        self._app = OperatorOnly(build_app(registry, Access(registry, settings, wall), settings))

    def _carry(self, method: str, path: str, query: str, content: bytes) -> tuple[int, bytes]:
        return asyncio.run(self._call(method, path, query, content))

    async def _call(self, method: str, path: str, query: str, content: bytes) -> tuple[int, bytes]:
        status = 500
        parts: list[bytes] = []

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Mapping[str, object]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(str(message["status"]))
            else:
                part = message.get("body", b"")
                parts.append(part if isinstance(part, bytes) else b"")

        scope: dict[str, object] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(b"content-type", b"application/json"), (b"host", b"gateway")],
            "client": None,
            "server": None,
        }
        await self._app(scope, receive, send)
        return status, b"".join(parts)


class _Remote(OperatorLine):
    """The gateway's keeper, over the operator's socket."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _carry(self, method: str, path: str, query: str, content: bytes) -> tuple[int, bytes]:
        connection = _Connection(self._path)
        target = f"{path}?{query}" if query else path
        try:
            connection.request(method, target, content or None, {"content-type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(str(error) or type(error).__name__) from error
        finally:
            connection.close()


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket; waits a little for one that is not there yet."""

    def __init__(self, path: Path) -> None:
        super().__init__("gateway", timeout=_PATIENCE)
        self._path = path

    def connect(self) -> None:
        deadline = time.monotonic() + _STARTING
        while True:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(self.timeout)
            try:
                self.sock.connect(os.fspath(self._path))
                return
            except (FileNotFoundError, ConnectionRefusedError):
                self.sock.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
