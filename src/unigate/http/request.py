"""One request as it was read: its head at once, its body as it comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from unigate.call import Caller
from unigate.dialects.dialect import ErrorShape
from unigate.dialects.table import OPENAI_ERRORS
from unigate.errors import Refusal
from unigate.reply import Reply

__all__ = ["Desk", "Handler", "Request"]


class Request:
    """Method, path, headers (names in lower case) and body of one request."""

    __slots__ = (
        "caller",
        "extra",
        "handler",
        "headers",
        "http_10",
        "id",
        "keep_alive",
        "method",
        "parts",
        "path",
        "peer",
        "query",
        "received_ns",
        "refusal",
        "shape",
        "size",
    )

    def __init__(self, method: bytes, path: bytes, query: bytes, headers: dict[bytes, bytes]) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.parts: list[bytes] = []
        self.size = 0
        self.id = b""
        self.peer = ""
        self.http_10 = False
        self.keep_alive = True
        self.extra = b""
        self.received_ns = 0
        self.caller: Caller | None = None
        self.handler: Handler | None = None
        self.refusal: Refusal | None = None
        # How this request's client is told of errors.
        self.shape: ErrorShape = OPENAI_ERRORS

    def take_body(self) -> bytes:
        """The whole body, which the request lets go of."""
        parts, self.parts = self.parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)


Handler = Callable[[Request, Reply], Awaitable[None]]


class Desk(Protocol):
    """Decides what happens with a request, from its head alone."""

    def admit(self, request: Request) -> Handler:
        """The handler, with `request.caller` proved where it needs one. Raises Refusal."""
        ...

    def refuse(self, request: Request, reply: Reply, refusal: Refusal) -> None:
        """Writes a refusal in the form the client understands."""
        ...

    def broken(self, request: Request, reply: Reply, error: Exception) -> None:
        """Answers for a defect of ours, and reports it."""
        ...
