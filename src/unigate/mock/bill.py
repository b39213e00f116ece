"""The scripted upstream's own record of what it was asked, what it said and what that would cost."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator

import msgspec

__all__ = ["Bill", "Call", "fingerprint", "head_of"]

KEPT = 10_000
MODELS = 1_000
SECRET = frozenset(
    (
        b"authorization",
        b"x-api-key",
        b"api-key",
        b"x-goog-api-key",
        b"x-amz-security-token",
        b"cookie",
        b"proxy-authorization",
    )
)


def head_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Header fields as the lines of `Call.head`."""
    return b"\r\n".join([b"%b: %b" % field for field in headers])


def fingerprint(secret: str) -> str:
    """The first eight hexadecimal digits of the secret's SHA-256; nothing for nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8] if secret else ""


class Call(msgspec.Struct, gc=False):
    """One call as the scripted upstream saw it; filled in while the answer goes out.

    It holds nothing that the collector of circles looks through: with ten thousand calls it would stop every answer
    for 20 ms and more, now and then.
    """

    id: str
    method: str
    path: str
    query: dict[str, str]
    model: str
    stream: bool
    status: int
    credential: str
    head: bytes
    body_sha256: str
    bytes_received: int
    started: float
    peer: str
    bytes_sent: int = 0
    events_sent: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    first_byte: float | None = None
    ended: float | None = None
    closed_by: str | None = None
    finished: bool = False

    def shown(self) -> dict[str, object]:
        """The call as JSON-ready data, with each credential replaced by its fingerprint."""
        told = msgspec.structs.asdict(self)
        fields = [line.partition(b": ") for line in told.pop("head").splitlines()]
        told["headers"] = [[name.decode("latin-1"), _shown(name.lower(), value)] for name, _, value in fields]
        told["query"] = {name: fingerprint(value) if name == "key" else value for name, value in self.query.items()}
        told["credential"] = fingerprint(self.credential)
        return told


def _shown(name: bytes, value: bytes) -> str:
    text = value.decode("latin-1")
    if name not in SECRET:
        return text
    scheme, space, secret = text.rpartition(" ")
    return f"{scheme}{space}{fingerprint(secret)}"


class Totals(msgspec.Struct):
    """Sums over finished and unfinished calls alike."""

    calls: int = 0
    finished: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, call: Call) -> None:
        """Count one ended call."""
        self.calls += 1
        self.finished += call.finished
        self.errors += call.status >= 400
        self.input_tokens += call.input_tokens
        self.output_tokens += call.output_tokens


class Bill:
    """Every call since the last reset in sums, and the last ten thousand one by one."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=KEPT)
        self._total = Totals()
        self._models: dict[str, Totals] = {}
        self.open = 0
        self.connections = 0

    def begin(self, call: Call) -> None:
        """Take note of a call that starts."""
        self._calls.append(call)
        self.open += 1

    def settle(self, call: Call) -> None:
        """Add an ended call to the sums."""
        self.open -= 1
        self._total.add(call)
        name = call.model if call.model in self._models or len(self._models) < MODELS else "(others)"
        self._models.setdefault(name, Totals()).add(call)

    def reset(self) -> None:
        """Forget every call that has ended and every sum."""
        self._calls.clear()
        self._total = Totals()
        self._models = {}

    def totals(self) -> bytes:
        """The sums as JSON."""
        told = msgspec.to_builtins(self._total) | {
            "open": self.open,
            "connections": self.connections,
            "models": msgspec.to_builtins(self._models),
        }
        return msgspec.json.encode(told)

    def calls(self) -> bytes:
        """The kept calls as a JSON list, oldest first."""
        return msgspec.json.encode(list(self._shown()))

    def _shown(self) -> Iterator[dict[str, object]]:
        return (call.shown() for call in self._calls)
