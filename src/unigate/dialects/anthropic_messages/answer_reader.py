"""Reads Messages answers (https://platform.claude.com/docs/en/build-with-claude/streaming)."""

from __future__ import annotations

import msgspec

from unigate.conversation import (
    Answer,
    Asked,
    Begin,
    Block,
    Cited,
    Close,
    Delta,
    End,
    Event,
    Foreign,
    Open,
    Refused,
    Signed,
    Spent,
    Text,
    Thinking,
    ToolUse,
)
from unigate.dialects.anthropic_messages.chunks import Chunk, Piece, block_of, decode, decode_whole, grown, reason_of
from unigate.dialects.anthropic_messages.citations import citation_of
from unigate.dialects.anthropic_messages.counts import Tally
from unigate.dialects.anthropic_messages.errors import fault_in
from unigate.errors import Fault, Kind
from unigate.usage import Usage
from unigate.wire import sse

__all__ = ["MessagesReader"]


class _Growing:
    """A block of the wire that is open: ours by index, or a kind of its own that is told when it is whole."""

    __slots__ = ("block", "held", "index", "pieces", "raw")

    def __init__(self, index: int, block: Block, raw: msgspec.Raw) -> None:
        self.index = index
        self.block = block
        self.raw = raw
        self.held: list[str] = []  # pieces of arguments
        self.pieces: list[bytes] = []  # events of a kind of its own


class MessagesReader:
    """Reads one answer; its blocks come one after the other, and so do ours."""

    __slots__ = (
        "_asked",
        "_ends",
        "_events",
        "_explanation",
        "_growing",
        "_has_calls",
        "_index",
        "_is_begun",
        "_is_done",
        "_seen",
        "_stop",
        "_tally",
    )

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._events = sse.Events()
        self._tally = Tally()
        self._growing: dict[int, _Growing] = {}
        self._index = 0  # of the next block
        self._seen = 0
        self._has_calls = False
        self._is_begun = False
        self._is_done = False
        self._stop: tuple[str | None, str | None] = (None, None)
        self._explanation = ""

    @property
    def usage(self) -> Usage:
        """See `AnswerReader.usage`."""
        return self._tally.usage(self._seen)

    def feed(self, chunk: bytes) -> list[Event]:
        """See `AnswerReader.feed`."""
        found: list[Event] = []
        for event in self._events.feed(chunk):
            self._take(event, found)
        return found

    def close(self) -> list[Event]:
        """See `AnswerReader.close`."""
        found: list[Event] = []
        for event in self._events.close():
            self._take(event, found)
        if not self._is_done:
            raise Fault(Kind.TRUNCATED, "The upstream's stream ended before the answer was finished.")
        if not self._is_begun:
            found.append(Begin("", ""))
        for index in tuple(self._growing):
            self._close_block(index, found)
        if self._explanation:
            found += [Open(self._index, Refused("")), Delta(self._index, self._explanation), Close(self._index)]
        found.append(Spent(self.usage))
        found.append(End(reason_of(self._stop[0], has_calls=self._has_calls), self._stop[1]))
        return found

    def read(self, content: bytes) -> Answer:
        """See `AnswerReader.read`."""
        whole = decode_whole(content)
        if whole.content is None:
            raise fault_in(content)
        blocks: list[Block] = [block_of(raw, self._asked.id, index) for index, raw in enumerate(whole.content)]
        if whole.stop_details is not None and whole.stop_details.explanation:
            blocks.append(Refused(whole.stop_details.explanation))
        self._seen = len(blocks)
        self._tally.take(whole.usage, is_final=True)
        has_calls = any(not isinstance(block, Text) and isinstance(block, ToolUse) for block in blocks)
        reason = reason_of(whole.stop_reason, has_calls=has_calls)
        return Answer(whole.id or "", whole.model or "", tuple(blocks), reason, whole.stop_sequence, self.usage)

    # --- one event

    def _take(self, event: bytes, found: list[Event]) -> None:
        data = _data_of(event)
        if not data or self._is_done:
            return
        chunk = decode(data)
        match chunk.type:
            case "content_block_delta" if chunk.delta is not None:
                self._take_delta(chunk.index, chunk.delta, data, found)
            case "content_block_start":
                self._open_block(chunk.index, chunk.content_block, found)
            case "content_block_stop":
                self._close_block(chunk.index, found)
            case "message_start" if chunk.message is not None:
                self._is_begun = True
                self._tally.take(chunk.message.usage, is_final=False)
                found.append(Begin(chunk.message.id or "", chunk.message.model or ""))
                found.append(Spent(self.usage))
            case "message_delta":
                self._take_end(chunk)
            case "message_stop":
                self._is_done = True
            case "error":
                raise fault_in(data)
            case _:
                pass  # pings, and whatever comes to be

    def _take_end(self, chunk: Chunk) -> None:
        self._tally.take(chunk.usage, is_final=True)
        delta = chunk.delta
        if delta is None or delta.stop_reason is None:
            return
        self._stop = (delta.stop_reason, delta.stop_sequence)
        if delta.stop_details is not None:
            self._explanation = delta.stop_details.explanation or ""

    # --- blocks

    def _open_block(self, at: int, raw: msgspec.Raw, found: list[Event]) -> None:
        block = block_of(raw, self._asked.id, self._index)
        growing = self._growing[at] = _Growing(self._index, block, raw.copy())
        if isinstance(block, Foreign):
            return
        self._begin(found)
        self._index += 1
        match block:
            case Text(text):
                found.append(Open(growing.index, Text("")))
                self._say(growing.index, text, found)
                found.extend(Cited(growing.index, citation) for citation in block.citations)
            case Thinking(text, signature, redacted=False):
                found.append(Open(growing.index, msgspec.structs.replace(block, text="", signature=None)))
                self._say(growing.index, text, found)
                found.extend([Signed(growing.index, signature)] if signature else ())
            case ToolUse():
                self._has_calls = True
                found.append(Open(growing.index, msgspec.structs.replace(block, arguments="")))
            case _:
                found.append(Open(growing.index, block))

    def _begin(self, found: list[Event]) -> None:
        if not self._is_begun:
            self._is_begun = True
            found.append(Begin("", ""))

    def _say(self, index: int, text: str | None, found: list[Event]) -> None:
        if text:
            self._seen += 1
            found.append(Delta(index, text))

    def _take_delta(self, at: int, piece: Piece, data: bytes, found: list[Event]) -> None:
        growing = self._growing.get(at)
        if growing is None:
            growing = self._opened_late(at, piece, found)
        if isinstance(growing.block, Foreign):
            self._seen += 1
            if piece.type == "input_json_delta":
                growing.held.append(piece.partial_json or "")
            else:
                growing.pieces.append(data)
            return
        match piece.type:
            case "text_delta":
                self._say(growing.index, piece.text, found)
            case "thinking_delta":
                self._say(growing.index, piece.thinking, found)
            case "input_json_delta":
                self._take_arguments(growing, piece.partial_json or "", found)
            case "signature_delta" if piece.signature:
                found.append(Signed(growing.index, piece.signature))
            case "citations_delta":
                citation = citation_of(piece.citation)
                found.extend([Cited(growing.index, citation)] if citation is not None else ())
            case _:
                pass

    def _opened_late(self, at: int, piece: Piece, found: list[Event]) -> _Growing:
        """Some services leave out the beginning of a text."""
        kind = {"text_delta": b'{"type":"text"}', "thinking_delta": b'{"type":"thinking"}'}.get(piece.type)
        if kind is None:
            raise Fault(Kind.INVALID, "The upstream went on with a block that it had not begun.")
        self._open_block(at, msgspec.Raw(kind), found)
        return self._growing[at]

    def _take_arguments(self, growing: _Growing, text: str, found: list[Event]) -> None:
        if not isinstance(growing.block, ToolUse) or not text:
            return
        # Only whether something was said matters later.
        growing.held = [text]
        self._seen += 1
        found.append(Delta(growing.index, text))

    def _close_block(self, at: int, found: list[Event]) -> None:
        growing = self._growing.pop(at, None)
        if growing is None:
            return
        block = growing.block
        if isinstance(block, Foreign):
            self._tell_foreign(growing, block, found)
            return
        if isinstance(block, ToolUse) and not growing.held:
            # Some services tell a call's arguments where it begins.
            found.append(Delta(growing.index, block.arguments))
        found.append(Close(growing.index))

    def _tell_foreign(self, growing: _Growing, block: Foreign, found: list[Event]) -> None:
        self._begin(found)
        raw = growing.raw
        if growing.held or growing.pieces:
            raw = grown(raw, growing.pieces, "".join(growing.held))
        found += [Open(self._index, Foreign(block.origin, block.kind, raw)), Close(self._index)]
        self._index += 1


def _data_of(event: bytes) -> bytes:
    """The data of one event; the common form, a name and one line of data, without looking at its lines."""
    if event.startswith(b"event: ") and event.count(b"\n") == 3 and sse.CR not in event:
        at = event.find(b"\ndata: ")
        if at > 0:
            return event[at + 7 : -2]
    data = sse.data_of(event)
    # Some services answer an error as plain JSON in what they call an event stream.
    return data if data or not event.lstrip().startswith(b"{") else event.strip()
