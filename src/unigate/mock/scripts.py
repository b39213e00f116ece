"""The scripts read so far, each with its text ready."""

from __future__ import annotations

from typing import NamedTuple

from unigate.mock.script import Script, parse
from unigate.mock.words import filler

__all__ = ["Lines", "Scripts"]

KEPT = 1_000
MAX_BYTES = 256_000_000
WORD = "word "


class Lines(NamedTuple):
    """A script and the text it makes an ordinary answer of, shared by all its streams."""

    script: Script
    text: str
    words: int


def lines(script: Script) -> Lines:
    """The script with its text."""
    if script.size:
        words = -(-script.size // len(WORD))
        return Lines(script, (WORD * words)[: script.size], words)
    return Lines(script, filler(script.tokens), script.tokens)


PLAIN = lines(Script())


class Scripts:
    """Remembers scripts, and how often each of those that hold only sometimes was asked for."""

    def __init__(self) -> None:
        self._known: dict[str, Lines] = {}
        self._turns: dict[str, int] = {}
        self._bytes = 0

    def read(self, model: str) -> Lines:
        """The script that holds for this call of this model."""
        known = self._known.get(model)
        if known is None:
            known = lines(parse(model))
            self._bytes += len(known.text)
            if len(self._known) >= KEPT or self._bytes > MAX_BYTES:
                self._known.clear()
                self._bytes = len(known.text)
            self._known[model] = known
        script = known.script
        if not script.first and not script.every:
            return known
        turn = self._turns[model] = self._turns.get(model, 0) + 1
        missed = turn > script.first if script.first else turn % script.every != 0
        return PLAIN if missed else known

    def forget(self) -> None:
        """Count from one again."""
        self._turns.clear()
