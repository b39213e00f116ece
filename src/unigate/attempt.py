"""One attempt: a call on its way to one target, and what is added to the answer that comes back."""

from __future__ import annotations

from typing import Final

from unigate.call import Call
from unigate.capture import Capturing, Watched
from unigate.dialects.converted import Crossing, convert
from unigate.dialects.crossing import Straight
from unigate.dialects.dialect import Dialect
from unigate.dialects.translated import Translated
from unigate.routing.catalog import Way, in_header
from unigate.upstream.connection import Connection
from unigate.upstream.signed import Exchange

__all__ = ["Attempt"]

# The microseconds of a number of milliseconds, as they are written.
_THOUSANDTHS: Final = tuple(b".%03d" % n for n in range(1000))


class Attempt:
    """One attempt at a call, on its way to one target; `fresh` means that no kept connection may carry it."""

    __slots__ = ("call", "crossing", "exchange", "fresh", "upstream_request_id", "way")

    def __init__(self, call: Call, asked: Dialect, way: Way, capturing: Capturing | None, *, fresh: bool) -> None:
        self.call = call
        self.way = way
        self.fresh = fresh
        crossing = _crossing(call, asked, way)
        self.crossing = crossing if capturing is None else Watched(crossing, capturing)
        # The way to its upstream, once that is gone.
        self.exchange: Exchange | None = None
        self.upstream_request_id = b""

    @property
    def words(self) -> tuple[str, str]:
        """What the upstream is asked for: the dialect's word for it, and the path below the address."""
        words = self.way.stream_words if self.crossing.streams else self.way.words
        query = self.crossing.query
        return (words[0], f"{words[1]}?{query}") if query else words

    def head(self, answer: Connection) -> bytes:
        """The answer's header lines: the allow-listed ones of the upstream, and ours."""
        headers = answer.headers
        lines = self.way.lines
        request_id = headers.get(b"x-request-id") or headers.get(b"request-id")
        if request_id:
            self.upstream_request_id = request_id
            lines += b"x-unigate-upstream-request-id: %b\r\n" % request_id
        dropped = self.crossing.dropped
        if dropped:
            lines += b"x-unigate-dropped: %b\r\n" % ", ".join(map(in_header, dropped)).encode()
        content_type = self.crossing.content_type(headers.get(b"content-type", b"application/octet-stream"))
        whole, part = str(self.call.overhead_us // 1000).encode(), _THOUSANDTHS[self.call.overhead_us % 1000]
        return b"content-type: %b\r\n%bx-unigate-overhead-ms: %b%b\r\n" % (content_type, lines, whole, part)


def _crossing(call: Call, asked: Dialect, way: Way) -> Crossing:
    spoken = way.dialect
    if spoken is asked:
        return Straight(asked, call.wants_usage, names_model=way.names_model)
    converted = convert(asked, spoken)
    if converted is not None:
        return converted
    assert asked.client is not None and spoken.provider is not None, "a way leads only where it can be gone"
    return Translated(asked.client, spoken, spoken.provider, streamed=call.streamed, names_model=way.names_model)
