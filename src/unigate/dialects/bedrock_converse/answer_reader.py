"""Reads Converse answers (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html)."""

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
    Open,
    Signed,
    Spent,
    Text,
    Thinking,
    ToolUse,
)
from unigate.dialects.bedrock_converse.block_writer import OWN
from unigate.dialects.bedrock_converse.blocks_reader import HOSTED, block_of, foreign_of, picture_of, redacted_of
from unigate.dialects.bedrock_converse.chunks import (
    NULL,
    Chunk,
    Picture,
    Piece,
    citation_of,
    decode,
    decode_start,
    decode_whole,
    input_of,
    reason_of,
    usage_of,
)
from unigate.dialects.bedrock_converse.errors import fault_named
from unigate.dialects.counted import told_or_counted
from unigate.errors import Fault, Kind
from unigate.usage import Usage
from unigate.wire.eventstream import Frame, Frames

__all__ = ["ConverseReader"]


class _Growing:
    """A block of the wire that is open; without an index it is told when it is whole."""

    __slots__ = ("blobs", "has_arguments", "index", "payloads", "picture", "start")

    def __init__(self, index: int | None, start: msgspec.Raw = NULL) -> None:
        self.index = index
        self.start = start
        self.blobs: list[str] = []  # of redacted thoughts
        self.picture: Picture | None = None
        self.payloads: list[bytes] = []  # of a block that is a kind of its own
        self.has_arguments: bool | None = None  # None: it is no call


class ConverseReader:
    """Reads one answer; only tools tell where their blocks begin, and usage comes after the reason for the end."""

    __slots__ = ("_asked", "_frames", "_growing", "_has_calls", "_index", "_is_begun", "_seen", "_stop", "_usage")

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._frames = Frames()
        self._growing: dict[int, _Growing] = {}
        self._index = 0  # of the next block
        self._seen = 0
        self._has_calls = False
        self._is_begun = False
        self._stop: str | None = None
        self._usage: Usage | None = None

    @property
    def usage(self) -> Usage:
        """See `AnswerReader.usage`."""
        return told_or_counted(self._usage, self._seen)

    def feed(self, chunk: bytes) -> list[Event]:
        """See `AnswerReader.feed`."""
        found: list[Event] = []
        for frame in self._frames.feed(chunk):
            self._take(frame, found)
        return found

    def close(self) -> list[Event]:
        """See `AnswerReader.close`."""
        self._frames.close()
        if self._stop is None:
            raise Fault(Kind.TRUNCATED, "The upstream's stream ended before the answer was finished.")
        found: list[Event] = []
        self._begin(found)
        for at in tuple(self._growing):
            self._close_block(at, found)
        found.append(Spent(self.usage))
        found.append(End(reason_of(self._stop, has_calls=self._has_calls)))
        return found

    def read(self, content: bytes) -> Answer:
        """See `AnswerReader.read`."""
        whole = decode_whole(content)
        contents = whole.output.message.content if whole.output.message else []
        blocks = tuple([block_of(raw, self._asked.id, index) for index, raw in enumerate(contents)])
        self._seen = len(blocks)
        self._usage = usage_of(whole)
        has_calls = any(not isinstance(block, Text) and isinstance(block, ToolUse) for block in blocks)
        return Answer("", "", blocks, reason_of(whole.stop_reason, has_calls=has_calls), None, self.usage)

    def _spare_id(self, index: int) -> str:
        return f"call_{self._asked.id[-12:]}{index}"

    # --- one frame

    def _take(self, frame: Frame, found: list[Event]) -> None:
        headers = frame.headers
        if headers.get(":message-type", "event") != "event":
            raise fault_named(headers.get(":exception-type") or headers.get(":error-code", ""), frame.payload)
        match headers.get(":event-type"):
            case "contentBlockDelta":
                chunk = decode(frame.payload)
                if chunk.delta is not None:
                    self._take_delta(chunk.content_block_index, chunk.delta, frame.payload, found)
            case "contentBlockStart":
                self._start_block(decode(frame.payload), found)
            case "contentBlockStop":
                self._close_block(decode(frame.payload).content_block_index, found)
            case "messageStart":
                self._begin(found)
            case "messageStop":
                self._stop = decode(frame.payload).stop_reason or "end_turn"
            case "metadata":
                self._usage = usage_of(decode(frame.payload)) or self._usage
            case _:
                pass  # whatever comes to be

    def _begin(self, found: list[Event]) -> None:
        if not self._is_begun:
            self._is_begun = True
            found.append(Begin("", ""))

    # --- blocks

    def _start_block(self, chunk: Chunk, found: list[Event]) -> None:
        call = decode_start(chunk.start).tool_use
        if call is None or call.type == HOSTED:
            self._growing[chunk.content_block_index] = _Growing(None, chunk.start.copy())
            return
        self._has_calls = True
        id = call.tool_use_id or self._spare_id(self._index)
        self._open(chunk.content_block_index, ToolUse(id, call.name or "", ""), found).has_arguments = False

    def _open(self, at: int, block: Block, found: list[Event]) -> _Growing:
        self._begin(found)
        growing = self._growing[at] = _Growing(self._index)
        found.append(Open(self._index, block))
        self._index += 1
        return growing

    def _take_delta(self, at: int, piece: Piece, payload: bytes, found: list[Event]) -> None:
        growing = self._growing.get(at)
        if growing is None:
            if piece.text == "":
                return  # nothing begins with nothing
            growing = self._opened_by(at, piece, found)
        index = growing.index
        if index is None:
            self._hold(growing, piece, payload)
        elif piece.text is not None:
            self._say(index, piece.text, found)
        elif piece.tool_use is not None:
            text = input_of(piece.tool_use)
            growing.has_arguments = bool(growing.has_arguments or text)
            self._say(index, text, found)
        elif piece.reasoning_content is not None:
            self._say(index, piece.reasoning_content.text or "", found)
            if piece.reasoning_content.signature:
                found.append(Signed(index, piece.reasoning_content.signature))
        elif piece.citation is not None:
            found.append(Cited(index, citation_of(piece.citation)))

    def _opened_by(self, at: int, piece: Piece, found: list[Event]) -> _Growing:
        """Text and thoughts begin with their first piece."""
        thought = piece.reasoning_content
        if piece.text is not None or piece.citation is not None:
            return self._open(at, Text(""), found)
        if thought is not None and thought.redacted_content is None:
            return self._open(at, Thinking("", None, OWN), found)
        growing = self._growing[at] = _Growing(None)
        return growing

    def _hold(self, growing: _Growing, piece: Piece, payload: bytes) -> None:
        thought = piece.reasoning_content
        if thought is not None and thought.redacted_content is not None:
            growing.blobs.append(thought.redacted_content)
        elif piece.image is not None:
            growing.picture = piece.image
        else:
            growing.payloads.append(payload)
        self._seen += 1

    def _say(self, index: int, text: str, found: list[Event]) -> None:
        if text:
            self._seen += 1
            found.append(Delta(index, text))

    def _close_block(self, at: int, found: list[Event]) -> None:
        growing = self._growing.pop(at, None)
        if growing is None:
            return
        if growing.index is None:
            self._begin(found)
            found += (Open(self._index, _whole(growing)), Close(self._index))
            self._index += 1
            return
        if growing.has_arguments is False:
            found.append(Delta(growing.index, "{}"))
        found.append(Close(growing.index))


def _whole(growing: _Growing) -> Block:
    if growing.blobs:
        return redacted_of(growing.blobs)
    if growing.picture is None:
        return foreign_of(growing.start, growing.payloads)
    begun = decode_start(growing.start).image
    return picture_of(msgspec.structs.replace(growing.picture, format=begun.format if begun else None))
