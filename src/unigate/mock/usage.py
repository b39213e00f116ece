"""Token counts as JSON numbers: told honestly, or as the script wants them told."""

from __future__ import annotations

from collections.abc import Callable

from unigate.mock.script import Lie

__all__ = ["number"]

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
