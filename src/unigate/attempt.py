"""One attempt: a call on its way to one target, and what is added to the answer that comes back."""

from __future__ import annotations

import time
from functools import lru_cache
from urllib.parse import quote

from unigate.call import Call
from unigate.dialects.crossing import Straight
from unigate.dialects.dialect import Dialect
from unigate.gate import Ledger
from unigate.target import Target
from unigate.upstream.connection import Connection

__all__ = ["Attempt"]


class Attempt:
    """The parts of one attempt; `fresh` means that no kept connection may carry it."""

    __slots__ = ("_ledger", "call", "crossing", "dialect", "fresh", "target")

    def __init__(self, call: Call, dialect: Dialect, target: Target, ledger: Ledger, *, fresh: bool) -> None:
        self.call = call
        self.dialect = dialect
        self.target = target
        self.fresh = fresh
        self.crossing = Straight(dialect, call.wants_usage)
        self._ledger = ledger

    def head(self, answer: Connection) -> bytes:
        """The answer's header lines: the allow-listed ones of the upstream, and ours."""
        headers = answer.headers
        request_id = headers.get(b"x-request-id") or headers.get(b"request-id") or b""
        self._ledger.upstream_request_id = request_id
        dropped = self.crossing.dropped
        return b"content-type: %b\r\n%b%b%b%bx-unigate-overhead-ms: %d.%03d\r\n" % (
            headers.get(b"content-type", b"application/octet-stream"),
            _names(self.target.model, self.target.provider.name),
            b"x-unigate-upstream-request-id: %b\r\n" % request_id if request_id else b"",
            b"x-unigate-dropped: %b\r\n" % ", ".join(dropped).encode() if dropped else b"",
            b"x-unigate-demo: true\r\n" if self._ledger.is_demo else b"",
            *divmod(self.call.times.overhead_ns(time.perf_counter_ns()) // 1000, 1000),
        )

    def settle(self, status: int) -> None:
        """Writes down that the answer came to its end. Raises StorageError."""
        self._ledger.settle(status, "ok")


@lru_cache(maxsize=4096)
def _names(model: str, provider: str) -> bytes:
    """Who answers, as header lines; what a header cannot hold is percent-encoded."""
    shown = model if model.isascii() and model.isprintable() else quote(model)
    return f"x-unigate-model: {shown}\r\nx-unigate-provider: {provider}\r\n".encode()
