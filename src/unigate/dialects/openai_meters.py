"""What answers in OpenAI's formats say about themselves while they go by: usage, errors, and their proper end."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from unigate.dialects.alike import Alike
from unigate.dialects.counted import told_or_counted
from unigate.dialects.openai_answer import NULL, Answer
from unigate.dialects.openai_errors import read_fault
from unigate.dialects.openai_usage import read_usage
from unigate.errors import Fault, Kind
from unigate.usage import Usage
from unigate.wire import sse

__all__ = ["ChatMeter", "SilentMeter"]


_UNREADABLE: Final = Answer()
_answer: Final = msgspec.json.Decoder(Answer)
_FAILURES: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NO_TEXT: Final = b'"content":""'
_NO_DELTA: Final = b'"delta":{}'
# A reason that is there may be any word, so an event that has one is like no other.
_UNLIKE: Final = re.compile(rb'"finish_reason"(?!\s*:\s*null)')
_MARKS: Final = (b"[DONE]", b'"usage"', b'"error"')


def _answer_of(content: bytes) -> Answer | None:
    """The parts; None if this is not a JSON object."""
    try:
        return _answer.decode(content)
    except _FAILURES:
        return None


class ChatMeter:
    """Watches Chat Completions, Completions, Embeddings and their kind.

    A stream's usage comes last and only on request; the chunk that carries it is kept from a client that did not
    ask for it, because clients index `choices[0]` and that chunk has none.
    """

    __slots__ = ("_alike", "_empty", "_passed", "_shows_usage", "_usage", "ended", "fault")

    def __init__(self, shows_usage: bool) -> None:
        self._shows_usage = shows_usage
        self.fault: Fault | None = None
        self._usage: Usage | None = None
        self._passed = 0
        # Of those the ones that say nothing: the first, with the role alone, and the last, with the reason alone.
        self._empty = 0
        self.ended = False
        # Events that say something and nothing else: they are passed on, and counted.
        self._alike = Alike()

    @property
    def usage(self) -> Usage:
        """The provider's counts, or one token for each event passed on that says something."""
        return told_or_counted(self._usage, self._passed - self._empty)

    def watch(self, block: bytes) -> tuple[bytes, bytes]:
        """See `Meter.watch`."""
        at = 0
        while end := self._alike.end_of(block, at):
            at = end
            self._passed += 1
        if at == len(block):
            return block, b""
        now, last = self._judge(block[at:])
        return block[:at] + now, last

    def _judge(self, block: bytes) -> tuple[bytes, bytes]:
        if sse.has_any(block, _MARKS):
            return self._sort(block)
        count, empty = block.count(b"data:"), _empty_in(block)
        self._passed += count
        self._empty += empty
        if block.count(b'"finish_reason"') > block.count(b'"finish_reason":null'):
            self.ended = self.ended or _has_finish(block)
        if count == 1 and not empty:
            self._learn(block)
        return block, b""

    def _sort(self, block: bytes) -> tuple[bytes, bytes]:
        now: list[bytes] = []
        last: list[bytes] = []
        for event in sse.events(block):
            keep = self._keeps(event)
            if self.fault is not None:
                break
            (last if keep is None or last else now).append(event if keep is not False else b"")
        return b"".join(now), b"".join(last)

    def _keeps(self, event: bytes) -> bool | None:
        """True to pass the event on, False to withhold it, None if it is the terminal one."""
        data = sse.data_of(event)
        if data.strip() == b"[DONE]":
            self.ended = True
            return None
        count = event.count(b"data:")
        if not data:
            self._passed += count
            self._empty += count
            return True
        chunk = self._chunk(data)
        usage = read_usage(chunk.usage, chunk.service_tier)
        self._usage = usage or self._usage
        self.ended = self.ended or _has_finish(data)
        is_bare = bytes(chunk.usage) != b"null" and bytes(chunk.choices).strip() == b"[]"
        is_kept = not is_bare or self._shows_usage
        if is_kept:
            empty = min(_empty_in(event), count)
            self._passed += count
            self._empty += empty
            if count == 1 and not empty and chunk is not _UNREADABLE and chunk.usage == NULL and self.fault is None:
                self._learn(event)
        return is_kept

    def _learn(self, event: bytes) -> None:
        if _UNLIKE.search(event) is None:
            self._alike.learn(event)

    def _chunk(self, data: bytes) -> Answer:
        chunk = _answer_of(data)
        if chunk is None:
            return _UNREADABLE
        if bytes(chunk.error) != b"null":
            # The error is the stream's end; what it was asked for never comes.
            fault = read_fault(500, {}, data)
            if not self._passed:
                raise fault
            self.fault = fault
        return chunk

    def read(self, content: bytes) -> None:
        """See `Meter.read`."""
        answer = _answer_of(content)
        if answer is None:
            raise Fault(Kind.INVALID, "The upstream answered 200 with something that is not a JSON object.")
        if bytes(answer.error) != b"null" and bytes(answer.choices) == b"null":
            raise read_fault(500, {}, content)
        self._usage = read_usage(answer.usage, answer.service_tier) or Usage()


def _empty_in(block: bytes) -> int:
    return block.count(_NO_TEXT) + block.count(_NO_DELTA)


def _has_finish(data: bytes) -> bool:
    """Whether a chunk carries a finish reason that is a word; `null` (or, at DashScope, `"null"`) is none."""
    at = data.find(b'"finish_reason"')
    while at >= 0:
        value = data[at + 15 : at + 40].lstrip(b": \t\r\n")
        if value.startswith(b'"') and not value.startswith((b'"null"', b'""')):
            return True
        at = data.find(b'"finish_reason"', at + 15)
    return False


class SilentMeter:
    """Watches answers that tell nothing: audio, images, anything carried as it is."""

    __slots__ = ()

    ended = True
    fault: Fault | None = None
    usage = Usage()

    def __init__(self, shows_usage: bool) -> None:
        pass

    def watch(self, block: bytes) -> tuple[bytes, bytes]:
        """See `Meter.watch`."""
        return block, b""

    def read(self, content: bytes) -> None:
        """See `Meter.read`."""
