"""Reads the streams of Coze's chat (https://www.coze.cn/open/docs/developer_guides/chat_v3).

Beside the answer come messages that are none of it: what the bot's own tools were asked and said, what the user might
say next, and words for machines.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec

from unigate.conversation import (
    Answer,
    Asked,
    Begin,
    Block,
    Close,
    Delta,
    End,
    Event,
    Open,
    Reason,
    Spent,
    Text,
    Thinking,
)
from unigate.dialects.counted import told_or_counted
from unigate.dialects.coze_chat.errors import Failure, fault_of
from unigate.dialects.coze_chat.request_writer import OWN
from unigate.errors import Fault, Kind
from unigate.usage import REJECTED, Usage
from unigate.wire import sse

__all__ = ["CozeReader"]

T = TypeVar("T")

_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NOTHING = msgspec.Raw(b"null")
_ANSWER = "answer"
_AUDIO = "audio"
# A count outside this range is no count.
_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**40)]


class _Counts(msgspec.Struct, frozen=True):
    """The names differ from page to page."""

    input_count: _Count | None = None
    output_count: _Count | None = None
    input_tokens: _Count | None = None
    output_tokens: _Count | None = None


class _Told(msgspec.Struct, frozen=True):
    """A chat, a message, or an error: no event has more than one of them."""

    id: str = ""
    conversation_id: str = ""
    type: str = ""
    content: str | None = None
    content_type: str = "text"
    reasoning_content: str | None = None
    last_error: Failure | None = None
    usage: msgspec.Raw = _NOTHING
    code: int = 0
    msg: str = ""


_told = msgspec.json.Decoder(_Told)
_counts = msgspec.json.Decoder(_Counts | None)


class CozeReader:
    """Reads one answer. A bot may send several messages; each is a text of its own.

    The answer's id is that of the chat and, after a point, that of the conversation.
    """

    __slots__ = ("_begun", "_ended", "_events", "_fault", "_kind", "_message", "_next", "_passed", "_said", "_usage")

    def __init__(self, asked: Asked) -> None:
        self._events = sse.Events()
        self._begun = False
        self._ended = False
        self._message = ""  # the id of the message that is being told
        self._kind: type[Block] | None = None  # of the block that is open
        self._said: set[str] = set()  # the ids of messages whose text was told piece by piece
        self._next = 0
        self._passed = 0
        self._usage: Usage | None = None
        self._fault: Fault | None = None

    @property
    def usage(self) -> Usage:
        """See `AnswerReader.usage`."""
        return told_or_counted(self._usage, self._passed)

    def feed(self, chunk: bytes) -> list[Event]:
        """See `AnswerReader.feed`."""
        return self._take_all(self._events.feed(chunk))

    def close(self) -> list[Event]:
        """See `AnswerReader.close`."""
        found = self._take_all(self._events.close())
        if self._fault is not None:
            raise self._fault
        if not self._ended:
            raise Fault(Kind.TRUNCATED, "The upstream's stream ended before the answer was finished.")
        self._close(found)
        return [*found, Spent(self.usage), End(Reason.STOP)]

    def read(self, content: bytes) -> Answer:
        """What came instead of a stream: nothing but an error can."""
        failure = _decoded(msgspec.json.Decoder(Failure), content)
        if failure.code == 0:
            raise Fault(Kind.INVALID, "The upstream answered in one piece where a stream was asked for.")
        raise fault_of(failure)

    def _take_all(self, events: list[bytes]) -> list[Event]:
        """What events say; a fault among them waits for those before it, however the bytes were cut."""
        if self._fault is not None:
            raise self._fault
        found: list[Event] = []
        try:
            for event in events:
                self._take(event, found)
        except Fault as fault:
            if not found:
                raise
            self._fault = fault
        return found

    def _take(self, event: bytes, found: list[Event]) -> None:
        data, name = sse.data_of(event), sse.name_of(event).strip()
        if not data.startswith(b"{") or self._ended:
            return  # a comment, or the last event's `"[DONE]"`, quotes and all
        told = _decoded(_told, data)
        if not name and told.code:
            raise fault_of(Failure(told.code, told.msg))
        match name:
            case b"conversation.message.delta":
                self._add(told, found)
            case b"conversation.message.completed":
                self._complete(told, found)
            case b"conversation.chat.created":
                self._begin(told, found)
            case b"conversation.chat.completed":
                self._begin(told, found)
                self._usage = _usage_of(told.usage) or self._usage
                self._ended = True
            case b"conversation.chat.failed":
                raise fault_of(told.last_error or Failure())
            case b"conversation.chat.requires_action":
                reason = "The bot waits for the result of a tool of its own, which no client can send it."
                raise Fault(Kind.INVALID, reason)
            case b"error":
                raise fault_of(Failure(told.code, told.msg))
            case _:
                pass

    def _begin(self, chat: _Told, found: list[Event]) -> None:
        if not self._begun:
            self._begun = True
            found.append(Begin(".".join(id for id in (chat.id, chat.conversation_id) if id), ""))

    def _add(self, message: _Told, found: list[Event]) -> None:
        if message.type != _ANSWER or message.content_type == _AUDIO:
            return
        if message.id != self._message:
            self._close(found)
            self._message = message.id
        self._say(Thinking("", None, OWN), message.reasoning_content, found)
        if message.content:
            self._said.add(message.id)
            self._say(Text(""), message.content, found)

    def _complete(self, message: _Told, found: list[Event]) -> None:
        """A message is finished; what was not told piece by piece is told now."""
        if message.type == _ANSWER and message.id not in self._said:
            self._add(message, found)
        if message.id == self._message:
            self._close(found)

    def _say(self, block: Text | Thinking, text: str | None, found: list[Event]) -> None:
        if not text:
            return
        if self._kind is not type(block):
            self._close(found)
            self._kind = type(block)
            found.append(Open(self._next, block))
        self._passed += 1
        found.append(Delta(self._next, text))

    def _close(self, found: list[Event]) -> None:
        if self._kind is not None:
            self._kind = None
            found.append(Close(self._next))
            self._next += 1


def _usage_of(raw: msgspec.Raw) -> Usage | None:
    try:
        counts = _counts.decode(raw)
    except _FAILURES:
        return REJECTED
    if counts is None:
        return None
    inputs = counts.input_count if counts.input_count is not None else counts.input_tokens
    outputs = counts.output_count if counts.output_count is not None else counts.output_tokens
    return None if (inputs, outputs) == (None, None) else Usage(inputs, outputs)


def _decoded(decoder: msgspec.json.Decoder[T], content: bytes) -> T:
    try:
        return decoder.decode(content)
    except _FAILURES as error:
        raise Fault(Kind.INVALID, "The upstream sent something that is not in Coze's format.") from error
