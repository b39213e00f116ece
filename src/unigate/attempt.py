"""One attempt: a call on its way to one target, and what is added to the answer that comes back."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from urllib.parse import quote

from unigate.call import Call
from unigate.capture import Watched
from unigate.dialects.converted import Crossing, convert
from unigate.dialects.crossing import Straight
from unigate.dialects.dialect import Dialect
from unigate.dialects.translated import Translated
from unigate.gate import Ledger
from unigate.routing.catalog import Way
from unigate.upstream.connection import Connection
from unigate.upstream.signed import Exchange

__all__ = ["Attempt"]


class Attempt:
    """The parts of one attempt; `fresh` means that no kept connection may carry it."""

    __slots__ = ("_ledger", "call", "crossing", "dialect", "fresh", "target")

    def __init__(self, call: Call, asked: Dialect, way: Way, ledger: Ledger, *, fresh: bool) -> None:
        self.call = call
        self.dialect = way.dialect
        self.target = way.target
        self.fresh = fresh
        crossing = _crossing(call, asked, way)
        self.crossing = crossing if ledger.capturing is None else Watched(crossing, ledger.capturing)
        self._ledger = ledger

    @property
    def operation(self) -> tuple[str, str]:
        """What the upstream is asked for: the dialect's word for it, and the path below the address."""
        dialect = self.dialect
        if dialect.stream_operation and self.crossing.streams:
            return f"{dialect.name}.stream", dialect.stream_operation
        return dialect.name, dialect.operation

    def head(self, answer: Connection) -> bytes:
        """The answer's header lines: the allow-listed ones of the upstream, and ours."""
        headers = answer.headers
        request_id = headers.get(b"x-request-id") or headers.get(b"request-id") or b""
        self._ledger.upstream_request_id = request_id
        dropped = self.crossing.dropped
        return b"content-type: %b\r\n%b%b%b%bx-unigate-overhead-ms: %d.%03d\r\n" % (
            self.crossing.content_type(headers.get(b"content-type", b"application/octet-stream")),
            _names(self.target.model, self.target.provider.name),
            b"x-unigate-upstream-request-id: %b\r\n" % request_id if request_id else b"",
            b"x-unigate-dropped: %b\r\n" % ", ".join(map(_shown, dropped)).encode() if dropped else b"",
            b"x-unigate-demo: true\r\n" if self._ledger.is_demo else b"",
            *divmod(self.call.overhead_us, 1000),
        )

    def through(self, exchange: Exchange) -> Exchange:
        """The exchange that this attempt goes through."""
        self._ledger.exchange = exchange
        return exchange

    def settle(self, status: int) -> asyncio.Future[None] | None:
        """Writes down that the answer came to its end; what to wait for, if anything. Raises StorageError."""
        return self._ledger.settle(status, "ok")


def _crossing(call: Call, asked: Dialect, way: Way) -> Crossing:
    spoken = way.dialect
    if spoken is asked:
        return Straight(asked, call.wants_usage, names_model=way.names_model)
    converted = convert(asked, spoken)
    if converted is not None:
        return converted
    assert asked.client is not None and spoken.provider is not None, "a way leads only where it can be gone"
    return Translated(asked.client, spoken, spoken.provider, streamed=call.streamed, names_model=way.names_model)


@lru_cache(maxsize=4096)
def _names(model: str, provider: str) -> bytes:
    """Who answers, as header lines; what a header cannot hold is percent-encoded."""
    return f"x-unigate-model: {_shown(model)}\r\nx-unigate-provider: {provider}\r\n".encode()


def _shown(name: str) -> str:
    """A name as a header can hold it."""
    return name if name.isascii() and name.isprintable() else quote(name, safe="[]. ")
