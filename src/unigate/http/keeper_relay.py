"""Carries a request to the keeper over its unix socket, and the answer back: pages, documentation, administration."""

from __future__ import annotations

from unigate.errors import Fault, Kind, Refusal
from unigate.http.request import Request
from unigate.reply import Reply
from unigate.target import Timeouts
from unigate.upstream.client import Answer
from unigate.upstream.pool import Origin, Pool

__all__ = ["KeeperRelay"]

_LARGEST = 64 * 1024 * 1024
# A keeper loads its pages for their first visitor, which takes a busy machine seconds.
_TIMEOUTS = Timeouts(connect=30.0, write=10.0, first_byte=30.0, idle=30.0, total=120.0)
# Written anew, so that nothing a client sends can pass for something a door says.
_TO_KEEPER = (
    b"content-type",
    b"authorization",
    b"x-api-key",
    b"api-key",
    b"x-goog-api-key",
    b"accept",
    b"if-none-match",
    b"user-agent",
    b"host",
)
_FROM_KEEPER = (
    b"content-type",
    b"cache-control",
    b"etag",
    b"content-security-policy",
    b"x-content-type-options",
    b"referrer-policy",
    b"location",
    b"allow",
)


class KeeperRelay:
    """The way to the keeper; while it is starting or restarting, a request waits a moment and is then refused."""

    def __init__(self, socket: str) -> None:
        self._pool = Pool(Origin("keeper", 0, socket=socket), 64, patient=True)

    async def handle(self, request: Request, reply: Reply) -> None:
        """Answers one request with the keeper's answer. Raises Refusal (503) if there is none."""
        content = request.take_body()
        lines = b"".join(
            b"%b: %b\r\n" % (name, request.headers[name]) for name in _TO_KEEPER if name in request.headers
        )
        target = request.path + (b"?" + request.query if request.query else b"")
        head = b"%b %b HTTP/1.1\r\n%bx-request-id: %b\r\ncontent-length: %d\r\n\r\n" % (
            b"GET" if request.method == b"HEAD" else request.method,
            target,
            lines,
            request.id,
            len(content),
        )
        try:
            try:
                await self._carry(head, content, reply, fresh=False)
            except Fault as fault:
                if fault.kind is not Kind.STALE:
                    raise
                await self._carry(head, content, reply, fresh=True)
        except Fault as fault:
            reason = "The gateway's keeper does not answer; calls go on, administration waits until it is back."
            raise Refusal(503, "keeper_unavailable", reason, type="server_error") from fault

    async def _carry(self, head: bytes, content: bytes, reply: Reply, *, fresh: bool) -> None:
        async with Answer(self._pool, head, content, _TIMEOUTS, fresh=fresh) as answer:
            kept = b"".join(b"%b: %b\r\n" % (n, answer.headers[n]) for n in _FROM_KEEPER if n in answer.headers)
            body = await answer.read_all(_LARGEST)
            reply.open(answer.status, kept)
            reply.finish(body)
