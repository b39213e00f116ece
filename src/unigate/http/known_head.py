"""A head that a connection's client has sent before: what repeats it needs no parser, which would say the same again.

Clients that keep their connection say the same head with each request, but for the length of its body.
"""

from __future__ import annotations

import re
from typing import Final

from unigate.http.request import Request, Verdict

__all__ = ["KnownHead"]

_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(0|[1-9][0-9]{0,8})\r\n", re.IGNORECASE)
_MOST_DIGITS: Final = 9
# What makes the rest of a message depend on more than its length.
_SPECIAL: Final = (b"transfer-encoding", b"expect", b"upgrade")
# A client that says so many different heads never says one twice.
_MOST_LESSONS: Final = 16


class KnownHead:
    """The last head that a connection learnt: its words around the body's length, and what the parser made of them."""

    __slots__ = ("_after", "_before", "_end", "_first", "_lessons_left", "_rest", "_start")

    def __init__(self) -> None:
        self._lessons_left = _MOST_LESSONS
        # Words that no request begins with.
        self._before = self._after = b"\0"
        self._start = self._end = self._rest = 1
        self._first = Request(b"", b"", b"", {}, Verdict())

    def learn(self, data: bytes, request: Request) -> None:
        """Remembers the head of a request that the parser found in `data`, if it is plain, and all of that."""
        headers = request.headers
        if not self._lessons_left or not request.keep_alive or any(name in headers for name in _SPECIAL):
            return
        self._lessons_left -= 1
        end = data.find(b"\r\n\r\n") + 4
        length = _LENGTH.search(data, 0, end)
        if length is None or len(data) - end != request.size or int(length[1]) != request.size:
            return
        self._before, self._after = data[: length.start(1)], data[length.end(1) : end]
        self._start, self._end, self._rest = length.start(1), length.start(1) + _MOST_DIGITS + 1, len(self._after)
        self._first = Request(request.method, request.path, request.query, headers, request.verdict)
        self._first.size = request.size

    def request_in(self, data: bytes) -> Request | None:
        """The request that is whole in `data`, and all of it, if it begins with this head."""
        at = data.find(b"\r", self._start, self._end)
        if at < 0:
            return None
        body = data[at + self._rest :]
        size = len(body)
        told = data[self._start : at]
        if told != b"%d" % size or not data.startswith(self._before) or not data.startswith(self._after, at):
            return None
        first = self._first
        headers = first.headers if size == first.size else {**first.headers, b"content-length": told}
        request = Request(first.method, first.path, first.query, headers, first.verdict)
        request.size = size
        request.parts.append(body)
        return request
