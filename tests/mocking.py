"""A scripted upstream in this process, spoken to over raw sockets."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import uvloop

from unigate.mock.bill import Bill
from unigate.mock.server import start
from unigate.mock.settings import Settings

__all__ = ["KEY", "Answer", "bill", "call", "dechunked", "everything", "last_call", "raw", "upstream"]

KEY = "test-key"


@contextmanager
def upstream(**settings: object) -> Iterator[int]:
    """A scripted upstream in a thread of its own."""
    loop = uvloop.new_event_loop()
    server, port = loop.run_until_complete(start(Settings(**{"key": KEY, **settings}), Bill()))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield port
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)


def raw(port: int, path: str, body: object, *, method: str = "POST", headers: str = "", key: str = KEY) -> bytes:
    """Everything the scripted upstream sends on a connection that we want closed after one answer."""
    told = body if isinstance(body, bytes) else json.dumps(body).encode()
    shown = f"authorization: Bearer {key}\r\n" if key else ""
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\n{shown}connection: close\r\n{headers}"
    with closing(socket.create_connection(("127.0.0.1", port), 5)) as sock:
        sock.sendall(f"{head}content-length: {len(told)}\r\n\r\n".encode() + told)
        return everything(sock)


def everything(sock: socket.socket, until: bytes | None = None) -> bytes:
    seen = b""
    while until is None or until not in seen:
        try:
            piece = sock.recv(1 << 20)
        except ConnectionResetError:
            return seen + b"<RST>"
        if not piece:
            return seen
        seen += piece
    return seen


def dechunked(body: bytes) -> bytes:
    told = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return told
        told, body = told + body[:length], body[length + 2 :]
    raise AssertionError("no last chunk")


def bill(port: int, page: str = "bill") -> object:
    answer = raw(port, f"/mock/{page}", b"", method="GET", key="none")
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def last_call(port: int, model: str) -> dict[str, object]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        calls = bill(port, "calls")
        assert isinstance(calls, list)
        found = [call for call in calls if call["model"] == model and call["ended"]]
        if found:
            return found[-1]
    raise AssertionError(f"no ended call of {model}")


class Answer:
    """One answer taken apart: its status, its headers by name, its body without chunks."""

    def __init__(self, told: bytes) -> None:
        top, _, body = told.partition(b"\r\n\r\n")
        lines = top.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = dict(line.lower().split(": ", 1) for line in lines[1:])
        self.body = dechunked(body) if self.headers.get("transfer-encoding") == "chunked" else body

    def json(self) -> dict[str, object]:
        """The body as one JSON object."""
        told: dict[str, object] = json.loads(self.body)
        return told

    def lines(self) -> list[dict[str, object]]:
        """The body as lines of JSON."""
        return [json.loads(line) for line in self.body.splitlines()]

    def events(self) -> list[dict[str, object]]:
        """The body as the data of server-sent events, without the end mark."""
        told = [line[5:].strip() for line in self.body.splitlines() if line.startswith(b"data:")]
        return [json.loads(data) for data in told if data != b"[DONE]"]


def call(port: int, path: str, body: object, *, method: str = "POST", headers: str = "", key: str = KEY) -> Answer:
    """The answer to one request."""
    return Answer(raw(port, path, body, method=method, headers=headers, key=key))
