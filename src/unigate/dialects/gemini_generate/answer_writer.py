"""Writes answers as generateContent's: whole, as events, or as the items of an array.

https://ai.google.dev/api/generate-content#response-body; a stream without `alt=sse` is one JSON array.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from unigate.conversation import Answer, Asked, Begin, End, Event, Spent
from unigate.dialects.collect import events_of
from unigate.dialects.gemini_generate.answer_parts import AnswerParts
from unigate.dialects.gemini_generate.usage import usage_metadata
from unigate.usage import Usage

__all__ = ["ArrayWriter", "EventWriter"]

_NO_USAGE: Final = Usage()
_NOT_BEGUN: Final = Begin("", "")
_encode: Final = msgspec.json.Encoder().encode


class _Chunks:
    """The chunks of one answer, each as its JSON."""

    __slots__ = ("_asked", "_begin", "_parts", "_tail", "_usage")

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._parts = AnswerParts(shows_thoughts=asked.shows_thoughts)
        self._begin: Begin | Answer = _NOT_BEGUN
        self._usage = _NO_USAGE
        self._tail = b""  # what every chunk ends with

    def of(self, event: Event) -> bytes:
        """The chunk that an event makes, or empty."""
        match event:
            case Begin():
                self._begin = event
                self._set_tail()
            case Spent(usage):
                self._usage = usage
                self._set_tail()
            case End(reason):
                last = self._parts.last() or b'{"text":""}'
                return self._chunk(last, self._parts.finish(reason))
            case _:
                part = self._parts.of(event)
                if part:
                    return self._chunk(part, b'"index":0' + self._logprobs())
        return b""

    def whole(self, answer: Answer) -> bytes:
        """All of them as one."""
        text = answer.plain_text
        if not text:
            return self._joined(events_of(answer))
        self._begin, self._usage = answer, answer.usage
        self._set_tail()
        return self._chunk(b'{"text":%b}' % _encode(text), self._parts.finish(answer.reason))

    def _joined(self, events: Iterable[Event]) -> bytes:
        parts: list[bytes] = []
        finish = b""
        logprobs = b""
        for event in events:
            match event:
                case Begin() | Spent():
                    self.of(event)
                case End(reason):
                    parts.append(self._parts.last())
                    finish = self._parts.finish(reason)
                case _:
                    parts.append(self._parts.of(event))
                    logprobs = self._logprobs() or logprobs
        return self._chunk(b",".join(filter(None, parts)), finish + logprobs)

    def _logprobs(self) -> bytes:
        told, self._parts.logprobs = self._parts.logprobs, b""
        return b',"logprobsResult":' + told if told else b""

    def _chunk(self, parts: bytes, rest: bytes) -> bytes:
        return b'{"candidates":[{"content":{"parts":[%b],"role":"model"},%b}]%b' % (parts, rest, self._tail)

    def _set_tail(self) -> None:
        begin, asked = self._begin, self._asked
        model, id = _encode(begin.model or asked.model), _encode(begin.id or asked.id)
        told = b"" if self._usage is _NO_USAGE else b',"usageMetadata":' + usage_metadata(self._usage)
        self._tail = b'%b,"modelVersion":%b,"responseId":%b}' % (told, model, id)


class EventWriter:
    """Writes one answer as server-sent events, as `alt=sse` asks for, or whole."""

    __slots__ = ("_chunks",)

    def __init__(self, asked: Asked) -> None:
        self._chunks = _Chunks(asked)

    def write(self, events: Iterable[Event]) -> bytes:
        """See `AnswerWriter.write`."""
        return b"".join([b"data: %b\r\n\r\n" % chunk for event in events if (chunk := self._chunks.of(event))])

    def whole(self, answer: Answer) -> bytes:
        """See `AnswerWriter.whole`."""
        return self._chunks.whole(answer)


class ArrayWriter:
    """Writes one answer as the items of an array, or whole."""

    __slots__ = ("_before", "_chunks")

    def __init__(self, asked: Asked) -> None:
        self._chunks = _Chunks(asked)
        self._before = b"["

    def write(self, events: Iterable[Event]) -> bytes:
        """See `AnswerWriter.write`."""
        written = b""
        for event in events:
            chunk = self._chunks.of(event)
            if chunk:
                written += self._before + chunk
                self._before = b"\n,\r\n"
            if isinstance(event, End):
                written += b"\n]\n"
        return written

    def whole(self, answer: Answer) -> bytes:
        """See `AnswerWriter.whole`."""
        return self._chunks.whole(answer)
