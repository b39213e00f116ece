"""Numbers as the answers tell them: token counts, honest or as the script wants them, and times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from unigate.mock.script import Lie, Script

__all__ = ["Shares", "number", "shares", "stamped"]

TOLD: dict[str, Callable[[int], bytes]] = {
    "zero": lambda n: b"0",
    "negative": lambda n: b"-%d" % (n + 1),
    "huge": lambda n: b"%d" % (n + 10**18),
    "string": lambda n: b'"%d"' % n,
    "float": lambda n: b"%d.5" % n,
    "null": lambda n: b"null",
}


def number(lie: Lie, tokens: int) -> bytes:
    """The count as JSON text."""
    told = TOLD.get(lie)
    return told(tokens) if told else b"%d" % tokens


class Shares(NamedTuple):
    """The input's tokens by where they came from: new ones, read from the cache, written to it."""

    fresh: int
    read: int
    written: int


def shares(tokens: int, script: Script) -> Shares:
    """How the script divides the input; together they are always all of it."""
    read = min(script.cached, tokens)
    written = min(script.cachewrite, tokens - read)
    return Shares(tokens - read - written, read, written)


def stamped(seconds: int) -> bytes:
    """The time as RFC 3339 with a fraction of a second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.123456Z").encode()
