"""Reads generateContent's answers: whole, as events, or as the items of an array.

https://ai.google.dev/api/generate-content#response-body
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from unigate.conversation import Answer, Asked, Begin, End, Event, Reason, Spent, Text
from unigate.dialects.collect import Collector
from unigate.dialects.counted import told_or_counted
from unigate.dialects.gemini_generate import chunks
from unigate.dialects.gemini_generate.answer_blocks import Blocks
from unigate.dialects.gemini_generate.chunks import Chunk
from unigate.dialects.gemini_generate.errors import fault_in
from unigate.dialects.gemini_generate.shapes import ABSENT, given
from unigate.dialects.gemini_generate.usage import usage_of
from unigate.errors import Fault, Kind
from unigate.usage import Usage
from unigate.wire import sse
from unigate.wire.lines import ArrayItems

__all__ = ["GenerateReader"]

_FAILURES: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# Under names of the module: an enumeration's members are slow to look up.
_STOP: Final = Reason.STOP
_FILTER: Final = Reason.FILTER
_REASONS: Final[Mapping[str, Reason]] = {
    "STOP": Reason.STOP,
    "1": Reason.STOP,
    "MAX_TOKENS": Reason.LENGTH,
    "2": Reason.LENGTH,
}
# The model's answer makes no sense; all other reasons mean that something was held back.
_FAILED: Final = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
        "TOO_MANY_TOOL_CALLS",
        "UNEXPECTED_TOOL_CALL",
    }
)
# How the service itself frames its events.
_DATA: Final = b"data: "
_END: Final = b"\r\n\r\n"
_UNSPECIFIED: Final = ("", "0", "FINISH_REASON_UNSPECIFIED")


class GenerateReader:
    """Reads one answer. A stream has ended once a reason to finish was told; there is no other mark."""

    __slots__ = (
        "_blocks",
        "_counts",
        "_explained",
        "_fault",
        "_finish",
        "_is_begun",
        "_is_blocked",
        "_items",
        "_spent",
    )

    def __init__(self, asked: Asked) -> None:
        self._blocks = Blocks(asked)
        self._items: _Framing | None = None  # known from the first byte
        self._fault: Fault | None = None
        self._is_begun = False
        self._is_blocked = False
        self._finish = ""
        self._explained = ""
        self._counts = ABSENT
        self._spent: Usage | None = None  # of a whole answer

    @property
    def usage(self) -> Usage:
        """See `AnswerReader.usage`."""
        if self._spent is not None:
            return self._spent
        pieces = self._blocks.pieces
        ended = bool(self._finish) or self._is_blocked
        told = usage_of(self._counts, ended=ended, events=pieces) if given(self._counts) else None
        return told_or_counted(told, pieces)

    def feed(self, chunk: bytes) -> list[Event]:
        """See `AnswerReader.feed`."""
        if self._items is None:
            if not chunk.strip():
                return []
            self._items = ArrayItems() if chunk.lstrip().startswith(b"[") else _Events()
        if self._fault is not None:
            raise self._fault
        found: list[Event] = []
        try:
            for data in self._items.feed(chunk):
                self._take(self._decoded(data), data, found)
        except Fault as fault:
            if not found:
                raise
            self._fault = fault  # what came before it is told first, however the bytes were cut
        return found

    def close(self) -> list[Event]:
        """See `AnswerReader.close`."""
        if self._fault is not None:
            raise self._fault
        found: list[Event] = []
        if isinstance(self._items, _Events):
            for data in self._items.rest():
                self._take(self._decoded(data), data, found)
        elif self._items is not None:
            self._items.close()
        if not self._finish and not self._is_blocked:
            raise Fault(Kind.TRUNCATED, "The upstream's stream ended before the answer was finished.")
        self._end(found)
        return found

    def read(self, content: bytes) -> Answer:
        """See `AnswerReader.read`."""
        try:
            whole = chunks.decode_all(content)
        except _FAILURES as error:
            reason = "The upstream answered 200 with something that is not Gemini's."
            raise Fault(Kind.INVALID, reason) from error
        text = chunks.plain_text(whole)
        if text:  # most answers are no more than that
            return self._plain(whole[0], text)
        found: list[Event] = []
        for chunk in whole:
            self._take(chunk, content, found)
        if not self._is_blocked and not any(chunk.candidates for chunk in whole):
            raise Fault(Kind.INVALID, "The upstream answered 200 without a candidate.")
        self._finish = self._finish or "STOP"
        self._end(found)
        collector = Collector()
        collector.take(found)
        return collector.answer()

    def _plain(self, chunk: Chunk, text: str) -> Answer:
        candidate = chunk.first()
        self._finish = str(candidate.finish_reason) if candidate is not None else ""
        self._counts = chunk.usage_metadata
        self._blocks.pieces = 1
        self._spent = self.usage
        return Answer(
            chunk.response_id or "", chunk.model_version or "", (Text(text),), self._reason(), None, self._spent
        )

    # --- one chunk

    def _decoded(self, data: bytes) -> Chunk:
        try:
            return chunks.decode(data)
        except _FAILURES as error:
            raise Fault(Kind.INVALID, "The upstream sent a chunk that is not one of Gemini's.") from error

    def _take(self, chunk: Chunk, data: bytes, found: list[Event]) -> None:
        if given(chunk.error):
            raise fault_in(data)
        if b"TokenCount" in bytes(chunk.usage_metadata):
            self._counts = chunk.usage_metadata
        if not self._is_begun:
            self._is_begun = True
            found.append(Begin(chunk.response_id or "", chunk.model_version or ""))
            if given(self._counts):
                found.append(Spent(self.usage))
        if not chunk.candidates:
            self._is_blocked = self._is_blocked or chunk.is_blocked
            return
        candidate = chunk.first()
        if candidate is None:
            return
        try:
            self._blocks.take(candidate, found)
        except _FAILURES as error:
            raise Fault(Kind.INVALID, "The upstream sent a candidate that is not one of Gemini's.") from error
        reason = candidate.finish_reason
        if reason is not None and str(reason) not in _UNSPECIFIED:
            self._finish = str(reason)
            self._explained = candidate.finish_message or ""

    def _end(self, found: list[Event]) -> None:
        if self._finish in _FAILED:
            because = f": {self._explained[:500]}" if self._explained else ""
            raise Fault(Kind.INVALID, f"The model's answer ended with {self._finish}{because}")
        self._blocks.close(found)
        found.append(Spent(self.usage))
        found.append(End(self._reason()))

    def _reason(self) -> Reason:
        reason = _FILTER if self._is_blocked else _REASONS.get(self._finish, _FILTER)
        return Reason.TOOL_USE if self._blocks.calls and reason is _STOP else reason


class _Events:
    """Cuts server-sent events; an error comes as bare JSON among them."""

    __slots__ = ("_events", "_is_between")

    def __init__(self) -> None:
        self._events = sse.Events()
        self._is_between = True  # two events, so that a chunk of whole ones needs no cutter

    def feed(self, chunk: bytes) -> list[bytes]:
        if self._is_between and chunk.endswith(_END) and chunk.startswith(_DATA):
            pieces = chunk[:-4].split(_END)
            if chunk.count(b"\n") == 2 * len(pieces) and all(piece.startswith(_DATA) for piece in pieces):
                return [piece[6:] for piece in pieces]
        self._is_between = chunk.endswith((_END, b"\n\n"))
        return [data for event in self._events.feed(chunk) if (data := _data_of(event))]

    def rest(self) -> list[bytes]:
        return [data for event in self._events.close() if (data := _data_of(event))]


_Framing = _Events | ArrayItems


def _data_of(event: bytes) -> bytes:
    data = sse.data_of(event)
    if not data and (bare := event.strip()).startswith(b"{"):
        return bare
    return data
