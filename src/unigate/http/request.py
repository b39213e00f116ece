"""One request as it was read: its head at once, its body as it comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol
from weakref import ref

from unigate.call import Caller
from unigate.dialects.dialect import ErrorShape
from unigate.dialects.table import OPENAI_ERRORS
from unigate.errors import Refusal
from unigate.reply import Outlet, Reply
from unigate.snapshot import Snapshot

__all__ = ["Desk", "Handler", "Request", "Route", "Verdict"]


class Verdict:
    """What a desk found in a head; it holds for every request that repeats that head, as long as the snapshot does."""

    __slots__ = ("caller", "route", "snapshot")

    def __init__(self) -> None:
        # A weak reference, so that an idle connection keeps no former keys in memory.
        self.snapshot: ref[Snapshot] | None = None
        self.route: Route | None = None
        self.caller: Caller | None = None


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
        "verdict",
    )

    def __init__(self, method: bytes, path: bytes, query: bytes, headers: dict[bytes, bytes], verdict: Verdict) -> None:
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
        self.verdict = verdict
        self.caller: Caller | None = None
        self.handler: Handler | None = None
        self.refusal: Refusal | None = None
        # How this request's client is told of errors.
        self.shape: ErrorShape = OPENAI_ERRORS

    def take_body(self) -> bytes:
        """The whole body, which the request lets go of."""
        parts, self.parts = self.parts, []
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def reply(self, outlet: Outlet, *, is_last: bool) -> Reply:
        """What answers it, there; the last one closes the connection."""
        with_body, keep_alive = self.method != b"HEAD", self.keep_alive and not is_last
        return Reply(outlet, self.id, self.extra, with_body=with_body, http_10=self.http_10, keep_alive=keep_alive)


Handler = Callable[[Request, Reply], Awaitable[None]]


@dataclass(frozen=True)
class Route:
    """What a path offers: methods, the handler, and the role its caller must have (None: anyone)."""

    methods: tuple[bytes, ...]
    handler: Handler
    role: str | None = "client"
    shape: ErrorShape = OPENAI_ERRORS
    id_header: bytes = b""


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
