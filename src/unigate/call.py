"""A call is one client request, once its head is known to be allowed in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from unigate.tenancy import Standing
from unigate.wire.body import Body

__all__ = ["Call", "Caller", "Guard"]

_UNLIMITED: Final = Standing()


class Guard(Protocol):
    """What a key must fulfil besides being known."""

    def check(self, now_ns: int, origin: str) -> None:
        """Raises Refusal if it may not be used now, or not from there."""
        ...

    def check_time(self, now_ns: int) -> None:
        """Raises Refusal if it may not be used now."""
        ...


class Caller:
    """Who is calling, proved by a key: made only where a key was verified. Role is `client` or `admin`."""

    __slots__ = ("guard", "key_id", "models", "name", "role", "standing")

    def __init__(  # one parameter for each thing a key says
        self,
        key_id: str,
        name: str,
        role: str,
        models: frozenset[str] | None,
        standing: Standing = _UNLIMITED,
        guard: Guard | None = None,
    ) -> None:
        self.key_id = key_id
        self.name = name
        self.role = role
        self.models = models
        self.standing = standing
        self.guard = guard


class Call:
    """What one client asked: who, which operation, which model, and the bytes of it; and when what became of it.

    Its moments are monotonic marks in nanoseconds; 0 is `not yet`.
    """

    __slots__ = (
        "answered",
        "asked",
        "body",
        "caller",
        "content",
        "content_type",
        "headers",
        "id",
        "model",
        "operation",
        "overhead_us",
        "peer",
        "received",
        "size",
        "started_ns",
        "streamed",
        "waited",
        "wants_tools",
        "wants_usage",
    )

    def __init__(  # the parts of a request head, as they were read
        self, id: str, operation: str, caller: Caller, headers: Mapping[bytes, bytes], *, peer: str, started_ns: int
    ) -> None:
        self.id = id
        self.operation = operation
        self.caller = caller
        self.headers = headers
        self.peer = peer
        self.started_ns = started_ns
        self.received = 0
        self.asked = 0
        self.answered = 0
        self.waited = 0
        # Our own time from the last request byte to the answer's head, waiting on the upstream excluded.
        self.overhead_us = 0
        self.content = b""
        # Bytes of the request's body.
        self.size = 0
        # What the upstream is told of it.
        self.content_type = b"application/json"
        self.body: Body | None = None
        self.model = ""
        self.streamed = False
        self.wants_usage = False
        self.wants_tools = False

    def ask_again(self, waited: int) -> None:
        """Another attempt begins; what the one before it took was waiting."""
        self.waited += waited
        self.asked = self.answered = 0

    def answer(self, now: int) -> None:
        """The head of the answer is there; all that goes before it is our own time, or was waiting."""
        self.answered = now
        self.overhead_us = max(self.asked - self.received - self.waited, 0) // 1000
