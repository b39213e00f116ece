"""Reads the streams of Dify's chat apps (https://docs.dify.ai/api-reference/chat/send-chat-message)."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec

from unigate.conversation import (
    Answer,
    Asked,
    Begin,
    Block,
    Citation,
    Cited,
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
from unigate.dialects.collect import Collector
from unigate.dialects.counted import told_or_counted
from unigate.dialects.dify_chat.errors import Failure, fault_of
from unigate.dialects.dify_chat.request_writer import OWN
from unigate.errors import Fault, Kind
from unigate.usage import REJECTED, Usage
from unigate.wire import sse

__all__ = ["DifyReader"]

T = TypeVar("T")

_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_NOTHING = msgspec.Raw(b"null")
# A count outside this range is no count.
_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**40)]


class _Counts(msgspec.Struct, frozen=True):
    prompt_tokens: _Count | None = None
    completion_tokens: _Count | None = None


class _Source(msgspec.Struct, frozen=True):
    document_name: str | None = None
    content: str | None = None


class _Metadata(msgspec.Struct, frozen=True):
    usage: msgspec.Raw = _NOTHING
    retriever_resources: list[_Source] | None = None


class _Told(Failure, frozen=True):
    """An event, or a whole answer, which is one event too."""

    event: str = ""
    message_id: str = ""
    conversation_id: str = ""
    answer: str | None = None
    thought: str | None = None
    metadata: _Metadata | None = None


_told = msgspec.json.Decoder(_Told)
_counts = msgspec.json.Decoder(_Counts | None)


class DifyReader:
    """Reads one answer. Its id is that of the message and, after a point, that of the conversation."""

    __slots__ = (
        "_begun",
        "_end",
        "_events",
        "_fault",
        "_kind",
        "_next",
        "_passed",
        "_reason",
        "_text",
        "_thoughts",
        "_usage",
    )

    def __init__(self, asked: Asked) -> None:
        self._events = sse.Events()
        self._begun = False
        self._end: _Told | None = None
        self._kind: type[Block] | None = None  # of the block that is open
        self._next = 0
        self._passed = 0
        self._text = ""  # of an agent, which tells all of it once more at its end
        self._thoughts: set[str] = set()
        self._reason = Reason.STOP
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
        if self._end is None:
            raise Fault(Kind.TRUNCATED, "The upstream's stream ended before the answer was finished.")
        self._finish(self._end, found)
        return found

    def read(self, content: bytes) -> Answer:
        """See `AnswerReader.read`."""
        told = _decoded(_told, content)
        if told.answer is None:
            raise fault_of(told) if told.code else Fault(Kind.INVALID, "The upstream's answer has no words.")
        found: list[Event] = []
        self._begin(told, found)
        self._say(Text(""), told.answer, found)
        self._finish(told, found)
        return Collector(found).answer()

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
        data = sse.data_of(event)
        if not data or self._end is not None:
            return  # `event: ping` has no data
        told = _decoded(_told, data)
        match told.event:
            case "message":
                self._begin(told, found)
                self._add(told.answer or "", found)
            case "agent_message":
                self._begin(told, found)
                self._text += told.answer or ""
                self._say(Text(""), told.answer, found)
            case "agent_thought":
                self._begin(told, found)
                self._think(told.thought or "", found)
            case "message_replace":
                self._replace(told, found)
            case "message_end":
                self._begin(told, found)
                self._end = told
            case "error":
                raise fault_of(told)
            case _:
                pass  # the progress of a workflow, and sound

    def _begin(self, told: _Told, found: list[Event]) -> None:
        if not self._begun:
            self._begun = True
            found.append(Begin(".".join(id for id in (told.message_id, told.conversation_id) if id), ""))

    def _add(self, text: str, found: list[Event]) -> None:
        # An agent's last message repeats all that was told; only what is new in it is told again.
        if self._text:
            text = text[len(self._text) :] if text.startswith(self._text) else ""
        self._say(Text(""), text, found)

    def _think(self, thought: str, found: list[Event]) -> None:
        # The thought of a step comes again with what its tool said, and may have been said aloud as well.
        if thought.strip() and thought not in self._thoughts and thought.strip() not in self._text:
            self._thoughts.add(thought)
            self._say(Thinking("", None, OWN), thought, found)
            self._close(found)

    def _replace(self, told: _Told, found: list[Event]) -> None:
        """A moderator's words stand in for the answer; what was told of it cannot be taken back."""
        self._begin(told, found)
        self._reason = Reason.FILTER
        self._close(found)
        self._say(Text(""), told.answer, found)

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

    def _finish(self, told: _Told, found: list[Event]) -> None:
        metadata = told.metadata or _Metadata()
        self._usage = _usage_of(metadata.usage) or self._usage
        if self._kind is Text:
            sources = metadata.retriever_resources or ()
            found += [Cited(self._next, Citation(title=one.document_name, quote=one.content)) for one in sources]
        self._close(found)
        found += (Spent(self.usage), End(self._reason))


def _usage_of(raw: msgspec.Raw) -> Usage | None:
    try:
        counts = _counts.decode(raw)
    except _FAILURES:
        return REJECTED
    if counts is None or (counts.prompt_tokens, counts.completion_tokens) == (None, None):
        return None
    return Usage(counts.prompt_tokens, counts.completion_tokens)


def _decoded(decoder: msgspec.json.Decoder[T], content: bytes) -> T:
    try:
        return decoder.decode(content)
    except _FAILURES as error:
        raise Fault(Kind.INVALID, "The upstream sent something that is not in Dify's format.") from error
