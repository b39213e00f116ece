"""Answers given before, so that the same request again costs next to nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from unigate.mock.faults import Step, Steps, Then
from unigate.mock.script import Script

__all__ = ["Known", "Memory", "digest", "record"]

KEPT = 256
MAX_REQUEST = 65_536
MAX_TOKENS = 4_000
JOIN = 65_536
MAX_BYTES = 128_000_000

Key = tuple[str, bytes]
Part = tuple[list[bytes], int, int, Then]


class Known(msgspec.Struct, frozen=True):
    """One answer with gaps where the call's number goes."""

    script: Script
    status: int
    model: str
    stream: bool
    input_tokens: int
    body_sha256: str
    parts: list[Part]

    def steps(self, tag: bytes) -> Steps:
        """The answer once more for the call with this number, each step made only when it is wanted."""
        return (Step(tag.join(pieces), events, tokens, then) for pieces, events, tokens, then in self.parts)


class Memory:
    """Remembers the answers of the requests that came more than once lately."""

    def __init__(self) -> None:
        self._known: dict[Key, Known | None] = {}
        self._bytes = 0

    def find(self, key: Key) -> Known | None:
        """The answer to this very request, if it is remembered."""
        return self._known.get(key)

    def worth(self, key: Key, script: Script, stream: bool) -> bool:
        """Whether this request has been seen before and its answer may be kept."""
        changing = script.first or script.every or script.echo_key
        packed = script.encoding is not None or script.split or script.merge
        long = max(script.tokens, script.think, script.size // 5 if stream else 0) > MAX_TOKENS
        if changing or packed or long or script.bigevent or len(key[1]) > MAX_REQUEST:
            return False
        if key in self._known:
            return True
        if len(self._known) >= KEPT:
            self._known.clear()
            self._bytes = 0
        self._known[key] = None
        return False

    def keep(self, key: Key, known: Known) -> None:
        """Remember the answer to this request."""
        self._bytes += sum(len(piece) for pieces, *_ in known.parts for piece in pieces)
        if self._bytes > MAX_BYTES:
            self._known.clear()
            self._bytes = 0
            return
        self._known[key] = known


def record(steps: Iterable[Step], tag: bytes, *, joined: bool) -> list[Part]:
    """The steps with gaps instead of the call's number; all in one if nothing comes between them."""
    parts = list(steps)
    size = sum(len(step.payload) for step in parts)
    if joined and size <= JOIN:
        whole = b"".join([step.payload for step in parts])
        events, tokens = sum(step.events for step in parts), sum(step.tokens for step in parts)
        return [(whole.split(tag), events, tokens, parts[-1].then)]
    return [(step.payload.split(tag), step.events, step.tokens, step.then) for step in parts]


def digest(body: bytes) -> str:
    """The body's SHA-256 in hexadecimal digits."""
    return hashlib.sha256(body).hexdigest()
