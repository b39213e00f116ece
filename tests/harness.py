"""What end-to-end tests are made of: a real door, a real scripted upstream, sockets that say exactly one thing."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gateways import PATIENCE_S
from unigate.accounting.record import Entry, Record, decode_entry
from unigate.config import ServerSettings
from unigate.journal import read_frames, segments_of
from unigate.lifeline import Birth, write_birth
from unigate.secret import Secret
from unigate.snapshot import KeyEntry, RouteEntry, Settings
from unigate.target import Endpoint, Provider, Timeouts

KEY = "sk-ug-test-key-0123456789"
LIMITED_KEY = "sk-ug-test-key-limited-12"
ADMIN_KEY = "sk-ug-admin-test-key-1234"
# No prefix that a pattern could know: only the gateway itself knows that this is a secret.
UPSTREAM_KEY = "7c1e5a90canary44b0d2f6e8a3915b7"
CHAT = "/v1/chat/completions"
SPEAKS = frozenset(
    "openai." + family
    for family in ("chat", "completions", "responses", "embeddings", "images", "audio", "moderations", "rerank")
)
QUICK = Timeouts(connect=1.0, write=1.0, first_byte=0.5, idle=0.5, total=3.0)
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\n\r\n" + b'{"choices":[]}'
T = TypeVar("T")


def until(look: Callable[[], T | None], what: str = "the condition", within: float = PATIENCE_S) -> T:
    """The first true value `look` gives; fails after `within` seconds."""
    first = began = time.monotonic()
    while not (found := look()):
        looked = time.monotonic()
        assert looked < first + within, f"{what} did not come within {within} s"
        # Neither a look that is dear nor many of them in a long wait may keep what is waited for from its work.
        time.sleep(max(0.005, looked - began, min((looked - first) / 20, 0.02)))
        began = time.monotonic()
    return found


async def eventually(look: Callable[[], bool], within: float = PATIENCE_S) -> None:
    """The same beside other tasks of this loop, whose look costs nothing."""
    deadline = time.monotonic() + within
    while not look():
        assert time.monotonic() < deadline, f"it did not come within {within} s"
        await asyncio.sleep(0.005)


# --- what a client says and hears


@dataclass(frozen=True)
class Answer:
    """One whole answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes
    chunks: tuple[bytes, ...] = ()
    cut: bool = False

    def json(self) -> dict[str, object]:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The text of an unstreamed chat completion."""
        return json.loads(self.body)["choices"][0]["message"]["content"]

    @property
    def events(self) -> list[str]:
        """The events of a stream without their blank lines."""
        return [event for event in self.body.decode().split("\n\n") if event]

    @property
    def streamed_text(self) -> str:
        """The text of a streamed chat completion."""
        chunks = [json.loads(event[6:]) for event in self.events if event.startswith("data: {")]
        return "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c.get("choices"))

    @property
    def error(self) -> tuple[int, str, str | None]:
        """Status, code and param of an error in OpenAI's shape."""
        detail = json.loads(self.body)["error"]
        assert set(detail) == {"message", "type", "param", "code"}
        return self.status, detail["code"], detail["param"]

    @property
    def last_error(self) -> str:
        """The code of the error event that ends a stream; fails if anything follows it."""
        return json.loads(self.events[-1].removeprefix("data: "))["error"]["code"]


class Wire:
    """A client's connection: sends bytes as they are, reads answers one by one."""

    def __init__(self, port: int, *, timeout: float = 60.0, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self._seen = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *packets: bytes) -> Wire:
        """Sends each packet by itself."""
        for packet in packets:
            self.socket.sendall(packet)
        return self

    def until(self, mark: bytes) -> bytes:
        """Everything up to and with the mark; what follows stays for later."""
        while mark not in self._seen:
            piece = self.socket.recv(1 << 20)
            assert piece, f"closed before {mark!r}: {self._seen!r}"
            self._seen += piece
        found, _, self._seen = self._seen.partition(mark)
        return found + mark

    def rest(self) -> bytes:
        """Everything until the other side closes; a reset is marked."""
        seen, self._seen = self._seen, b""
        while True:
            try:
                piece = self.socket.recv(1 << 20)
            except ConnectionResetError:
                return seen + b"<RST>"
            if not piece:
                return seen
            seen += piece

    def answer(self, *, to_head: bool = False) -> Answer:
        """The next answer, to its end."""
        top, *lines = self.until(b"\r\n\r\n").decode("latin-1").rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(top.split()[1])
        if to_head or status == 204:
            return Answer(status, headers, b"")
        if "content-length" in headers:
            return Answer(status, headers, self._exactly(int(headers["content-length"])))
        if headers.get("transfer-encoding") == "chunked":
            return self._chunked(status, headers)
        return Answer(status, headers, self.rest())

    def _chunked(self, status: int, headers: dict[str, str]) -> Answer:
        chunks: list[bytes] = []
        try:
            while size := int(self.until(b"\r\n"), 16):
                chunks.append(self._exactly(size))
                assert self._exactly(2) == b"\r\n"
            assert self._exactly(2) == b"\r\n"
        except (AssertionError, ConnectionResetError):
            return Answer(status, headers, b"".join(chunks), tuple(chunks), cut=True)
        return Answer(status, headers, b"".join(chunks), tuple(chunks))

    def _exactly(self, size: int) -> bytes:
        parts = [self._seen]
        missing = size - len(self._seen)
        while missing > 0:
            piece = self.socket.recv(min(missing, 1 << 20))
            assert piece, f"closed {missing} bytes too early"
            parts.append(piece)
            missing -= len(piece)
        joined = b"".join(parts)
        self._seen = joined[size:]
        return joined[:size]

    def is_closed(self, within: float = 10.0) -> bool:
        """Whether the other side closes, saying nothing more."""
        self.socket.settimeout(within)
        try:
            return self.rest() == b""
        except TimeoutError:
            return False

    def leave(self, *, reset: bool = False) -> None:
        """Goes away, politely or not."""
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def chat(model: str, *, stream: bool = False, **more: object) -> bytes:
    """The body of a chat completion."""
    told = {"model": model, "messages": [{"role": "user", "content": "hi"}], **({"stream": True} if stream else {})}
    return json.dumps(told | more).encode()


def request(body: bytes = b"", *, path: str = CHAT, method: str = "POST", key: str = KEY, headers: str = "") -> bytes:
    """A request as its bytes; `headers` are whole lines, each ended by CR LF."""
    auth = f"authorization: Bearer {key}\r\n" if key else ""
    length = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n" if method == "POST" else ""
    return f"{method} {path} HTTP/1.1\r\nhost: door\r\n{auth}{headers}{length}\r\n".encode() + body


# --- a real scripted upstream


@dataclass(frozen=True)
class Mock:
    """A scripted upstream in a process of its own, and what it saw."""

    port: int
    process: subprocess.Popen[bytes]

    def calls(self, model: str | None = None) -> list[dict[str, object]]:
        """The calls so far, or those of one model."""
        with Wire(self.port) as wire:
            answer = wire.send(b"GET /mock/calls HTTP/1.1\r\nhost: mock\r\n\r\n").answer()
        return [call for call in json.loads(answer.body) if model is None or call["model"] == model]

    def ended(self, model: str, within: float = PATIENCE_S) -> dict[str, object]:
        """The one call of this model, once it is over."""
        calls = until(lambda: [c for c in self.calls(model) if c["ended"]], f"the end of {model}", within)
        assert len(calls) == 1
        return calls[0]

    def begun(self, model: str) -> dict[str, object]:
        """The one call of this model, as soon as it is there."""
        return until(lambda: self.calls(model), f"the beginning of {model}")[0]


@contextmanager
def start_mock(*flags: str) -> Iterator[Mock]:
    """A scripted upstream that asks for UPSTREAM_KEY."""
    ready, told = os.pipe()
    command = [sys.executable, "-m", "unigate.mock", "--child", *flags]
    with closing(os.fdopen(ready)) as line:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=(told,))
        os.close(told)
        assert process.stdin is not None
        birth = {"host": "127.0.0.1", "port": 0, "key": UPSTREAM_KEY, "ready_fd": told}
        process.stdin.write(json.dumps(birth).encode() + b"\n")
        process.stdin.flush()
        port = json.loads(line.readline())["port"]
    try:
        yield Mock(port, process)
    finally:
        process.stdin.close()
        process.wait(5)


# --- an upstream for what no script can say


class RawUpstream:
    """A listener in a thread that treats each connection as `serve` says, and remembers how many came."""

    def __init__(self, serve: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._serve = serve
        self._tls = tls
        self.port: int = self._listener.getsockname()[1]
        self.count = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.count += 1
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(10)
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._serve(connection)
        except (OSError, AssertionError):
            pass
        finally:
            connection.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def read_request(connection: socket.socket) -> bytes:
    """One whole request with a content-length, or nothing if the other side closed."""
    seen = b""
    while b"\r\n\r\n" not in seen:
        piece = connection.recv(65536)
        if not piece:
            return b""
        seen += piece
    head, _, body = seen.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while lengths and len(body) < int(lengths[0]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer_ok(connection: socket.socket) -> None:
    """An upstream that answers everything."""
    while read_request(connection):
        connection.sendall(OK)


# --- a real door


def provider(name: str, port: int, timeouts: Timeouts = QUICK, **more: object) -> Provider:
    """A provider at a port of this machine."""
    scheme = more.pop("scheme", "http")
    host = more.pop("host", "127.0.0.1")
    endpoint = Endpoint(base_url=f"{scheme}://{host}:{port}/v1", speaks=SPEAKS)
    return Provider(name=name, endpoints=(endpoint,), key=Secret(UPSTREAM_KEY), timeouts=timeouts, **more)


def route(name: str, *targets: tuple[str, str]) -> RouteEntry:
    """A route that tries its targets in order."""
    return RouteEntry(name, "ordered", tuple((provider, model, 1) for provider, model in targets))


def key_entry(key: str, name: str, role: str = "client", models: tuple[str, ...] | None = None) -> KeyEntry:
    return KeyEntry(name, name, hashlib.sha256(key.encode()).hexdigest(), role, models)


KEYS = (
    key_entry(KEY, "tests"),
    key_entry(LIMITED_KEY, "limited", models=("only-this",)),
    key_entry(ADMIN_KEY, "admin", "admin"),
)


@dataclass
class Door:
    """A door in a process of its own, and what it wrote down."""

    port: int
    process: subprocess.Popen[bytes]
    data: Path

    def call(self, model: str, *, path: str = CHAT, key: str = KEY, headers: str = "", **more: object) -> Answer:
        """One chat completion on a connection of its own."""
        return self.ask(request(chat(model, **more), path=path, key=key, headers=headers))

    def ask(self, *packets: bytes, timeout: float = 60.0) -> Answer:
        """One answer on a connection of its own."""
        with self.wire(timeout=timeout) as wire:
            return wire.send(*packets).answer()

    def wire(self, *, timeout: float = 60.0, receive_buffer: int = 0) -> Wire:
        return Wire(self.port, timeout=timeout, receive_buffer=receive_buffer)

    def entries(self) -> list[Entry]:
        """Everything in the journal."""
        segments = [one for folder in (self.data / "journal").iterdir() for one in segments_of(folder)]
        return [decode_entry(payload) for one in segments for payload, _ in read_frames(one, 0, 1 << 30)]

    def records(self) -> list[Record]:
        return [entry for entry in self.entries() if isinstance(entry, Record)]

    def record(self, answer: Answer) -> Record:
        """The one record of the call that was answered so."""
        found = [record for record in self.records() if record.id == answer.headers["x-request-id"]]
        assert len(found) == 1
        return found[0]

    def record_of(self, model: str) -> Record:
        """The one record of the one call of this model, once it is there."""
        found = until(lambda: [r for r in self.records() if r.model == model], f"the record of {model}")
        assert len(found) == 1
        return found[0]

    def memory(self) -> int:
        """Resident bytes of the process."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * 4096

    def log(self) -> str:
        return (self.data / "door.log").read_text()


def spawn_door(settings: Settings, listener: socket.socket, environment: dict[str, str] | None = None) -> Door:
    """A door that serves on the listener, which this process gives away."""
    data = Path(settings.data)
    ready, told = os.pipe()
    with closing(os.fdopen(ready)) as line, (data / "door.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "unigate.app", "door"],
            stdin=subprocess.PIPE,
            stderr=log,
            pass_fds=(told, listener.fileno()),
            env={**_without_proxies(), **(environment or {})},
        )
        os.close(told)
        port = listener.getsockname()[1]
        assert process.stdin is not None
        process.stdin.write(
            write_birth(Birth(name="door-0", settings=settings, ready_fd=told, listen_fd=listener.fileno()))
        )
        process.stdin.flush()
        listener.close()
        assert line.readline() == '{"ready":true}\n', (data / "door.log").read_text()
    return Door(port, process, data)


def _without_proxies() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


def listening(send_buffer: int = 0) -> socket.socket:
    """A listening socket on a free port; accepted connections inherit its send buffer."""
    listener = socket.socket()
    if send_buffer:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    return listener


@contextmanager
def start_door(
    data: Path,
    *providers: Provider,
    routes: tuple[RouteEntry, ...] = (),
    server: ServerSettings | None = None,
    environment: dict[str, str] | None = None,
    send_buffer: int = 0,
) -> Iterator[Door]:
    """A door in front of these providers; at the end it must not have reported a defect."""
    data.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        server=server or ServerSettings(), providers=providers, routes=routes, keys=KEYS, data=str(data)
    )
    door = spawn_door(settings, listening(send_buffer), environment)
    try:
        yield door
    finally:
        if door.process.stdin is not None:
            door.process.stdin.close()
        door.process.terminate()
        try:
            door.process.wait(30)
        finally:
            door.process.kill()
    assert "Traceback" not in door.log(), door.log()


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port where nobody listens and nobody else can."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def raw_upstream(serve: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None) -> Iterator[RawUpstream]:
    """A listener that lives as long as the block."""
    upstream = RawUpstream(serve, tls)
    try:
        yield upstream
    finally:
        upstream.close()
