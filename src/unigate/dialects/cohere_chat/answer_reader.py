"""Reads answers of Cohere's chat (https://docs.cohere.com/reference/chat-stream).

What a model says it will do before it calls tools, its `tool_plan`, is neither the answer nor shown to those who ask
for one: it is read as a thought.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

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
    Logprob,
    Open,
    Reason,
    Spent,
    Text,
    Thinking,
    ToolUse,
)
from unigate.conversation import Citation as Passage
from unigate.dialects.cohere_chat import chunks
from unigate.dialects.cohere_chat.turns import OWN
from unigate.dialects.collect import Collector
from unigate.dialects.counted import told_or_counted
from unigate.dialects.openai_errors import read_fault
from unigate.errors import Fault, Kind
from unigate.usage import REJECTED, Usage
from unigate.wire import sse

__all__ = ["CohereReader"]

T = TypeVar("T")

_FAILURES: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_ENDS: Final[Mapping[str, Reason]] = {
    "COMPLETE": Reason.STOP,
    "STOP_SEQUENCE": Reason.STOP_SEQUENCE,
    "MAX_TOKENS": Reason.LENGTH,
    "TOOL_CALL": Reason.TOOL_USE,
    "ERROR_LIMIT": Reason.LENGTH,
    "ERROR_TOXIC": Reason.FILTER,
}
_LATE: Final = "TIMEOUT"
_PLAN: Final = "plan"

_event: Final = msgspec.json.Decoder(chunks.Event)
_whole: Final = msgspec.json.Decoder(chunks.Whole)
_usage: Final = msgspec.json.Decoder(chunks.Usage | None)
_described: Final = msgspec.json.Decoder(chunks.Described)

_STOP: Final = Reason.STOP  # under a name of the module: an enumeration's members are slow to look up

_Key = tuple[str, int]


class CohereReader:
    """Reads one answer, streamed or whole."""

    __slots__ = (
        "_arguments",
        "_asked",
        "_calls",
        "_end",
        "_events",
        "_fault",
        "_next",
        "_open",
        "_passed",
        "_texts",
        "_usage",
    )

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._events = sse.Events()
        self._open: dict[_Key, int] = {}  # neutral indices of the blocks that are open
        self._texts: dict[int, int] = {}  # and of all texts, by the index of their part
        self._arguments: set[int] = set()  # of the calls that have some
        self._next = 0
        self._calls = 0
        self._passed = 0
        self._usage: Usage | None = None
        self._end: Reason | None = None
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
        return [*found, *self._last(self._end)]

    def read(self, content: bytes) -> Answer:
        """See `AnswerReader.read`."""
        told = _decoded(_whole, content)
        if told.message is None:
            raise Fault(Kind.INVALID, "The upstream answered 200 with something that is no answer of its format.")
        self._passed += 1
        text = chunks.plain_text(told)
        if text:  # most answers are no more than that
            self._passed += 1
            self._finish(told)
            return Answer(told.id, "", (Text(text),), self._end or _STOP, None, self.usage)
        found: list[Event] = [Begin(told.id, "")]
        self._read_message(told.message, told.logprobs or [], found)
        self._finish(told)
        found += self._last(self._end or Reason.STOP)
        return Collector(found).answer()

    # --- streams

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
        if not data or data == b"[DONE]" or self._end is not None:
            return
        told = _decoded(_event, data)
        message = (told.delta.message if told.delta is not None else None) or chunks.Message()
        match told.type:
            case "content-delta" | "content-start":
                self._add_content(told, message, found)
            case "tool-call-delta" | "tool-call-start":
                self._add_call(told.index, message, found)
            case "tool-plan-delta":
                self._say((_PLAN, 0), Thinking("", None, OWN), message.tool_plan, found)
            case "content-end":
                self._close(("content", told.index), found)
            case "tool-call-end":
                self._close_call(told.index, found)
            case "citation-start":
                self._cite(message.citations, found)
            case _:
                self._take_frame(told, data, found)

    def _take_frame(self, told: chunks.Event, data: bytes, found: list[Event]) -> None:
        """What stands around an answer: its beginning, its end, or an error instead."""
        match told.type:
            case "message-start":
                found.append(Begin(told.id or "", ""))
            case "message-end" if told.delta is not None:
                self._finish(told.delta)
            case "" if bytes(told.message) != b"null":
                raise read_fault(500, {}, data)
            case _:
                pass

    def _add_content(self, told: chunks.Event, message: chunks.Message, found: list[Event]) -> None:
        content = message.content
        if not isinstance(content, chunks.Content):
            return
        key = ("content", told.index)
        if content.type == "thinking" or content.thinking is not None:
            self._say(key, Thinking("", None, OWN), content.thinking, found)
        else:
            self._say(key, Text(""), content.text, found, [told.logprobs] if told.logprobs is not None else [])

    def _add_call(self, number: int, message: chunks.Message, found: list[Event]) -> None:
        call = message.tool_calls
        if not isinstance(call, chunks.Call):
            return
        function = call.function or chunks.Function()
        key = ("call", number)
        if key not in self._open:
            self._open_call(key, call, found)
        # A tool without arguments is called with the word null.
        if function.arguments and (number in self._arguments or function.arguments.strip() != "null"):
            self._arguments.add(number)
            self._passed += 1
            found.append(Delta(self._open[key], function.arguments))

    def _open_call(self, key: _Key, call: chunks.Call, found: list[Event]) -> None:
        id = call.id or f"call_{self._asked.id[-12:]}{self._next}"
        name = call.function.name if call.function is not None else None
        self._calls += 1
        self._begin(key, ToolUse(id, name or "", ""), found)

    def _close_call(self, number: int, found: list[Event]) -> None:
        index = self._open.get(("call", number))
        if index is not None and number not in self._arguments:
            found.append(Delta(index, "{}"))
        self._close(("call", number), found)

    # --- whole answers

    def _read_message(self, message: chunks.Message, tokens: list[chunks.Token], found: list[Event]) -> None:
        parts = message.content if isinstance(message.content, list) else []
        self._say((_PLAN, 0), Thinking("", None, OWN), message.tool_plan, found)
        self._close((_PLAN, 0), found)
        cited = message.citations if isinstance(message.citations, list) else []
        for number, part in enumerate(parts):
            key = ("content", number)
            if part.type == "thinking":
                self._say(key, Thinking("", None, OWN), part.thinking, found)
            else:
                self._say(key, Text(""), part.text, found, tokens)
                tokens = []
            # An index is told only where there are several parts that it could be.
            own = [one for one in cited if one.content_index in (number, None)]
            if part.type != "thinking":
                self._cite(own, found)
                cited = [one for one in cited if one not in own]
            self._close(key, found)
        for number, call in enumerate(message.tool_calls if isinstance(message.tool_calls, list) else []):
            self._add_call(number, chunks.Message(tool_calls=call), found)
            self._close_call(number, found)

    # --- both

    def _say(
        self, key: _Key, block: Block, text: str | None, found: list[Event], tokens: list[chunks.Token] | None = None
    ) -> None:
        if not text:
            return
        if key not in self._open:
            self._begin(key, block, found)
        self._passed += 1
        found.append(Delta(self._open[key], text, _logprobs(tokens) if tokens else ()))

    def _begin(self, key: _Key, block: Block, found: list[Event]) -> None:
        """Opens a block; any other but a call ends with it."""
        for other in [other for other in self._open if other[0] != "call"]:
            self._close(other, found)
        self._open[key] = self._next
        if isinstance(block, Text):
            self._texts[key[1]] = self._next
        found.append(Open(self._next, block))
        self._next += 1

    def _close(self, key: _Key, found: list[Event]) -> None:
        index = self._open.pop(key, None)
        if index is not None:
            found.append(Close(index))

    def _cite(self, told: list[chunks.Citation] | chunks.Citation | None, found: list[Event]) -> None:
        """Citations of a text that is open."""
        if told is None:
            return
        is_open = set(self._open.values())
        for one in told if isinstance(told, list) else [told]:
            index = self._texts.get(one.content_index) if one.content_index is not None else None
            place = index if index is not None else next(reversed(self._texts.values()), -1)
            if place in is_open:
                found.append(Cited(place, _passage(one)))

    def _finish(self, told: chunks.Delta) -> None:
        self._usage = _usage_of(told.usage) or self._usage
        word = told.finish_reason or ""
        if not word and told.error is None:
            raise Fault(Kind.INVALID, "The upstream did not say how its answer ended.")
        if told.error is not None or word not in _ENDS:
            detail = {"message": told.error, "type": told.error_type, "code": told.error_type or word or None}
            raise read_fault(504 if word == _LATE else 500, {}, msgspec.json.encode({"error": detail}))
        self._end = Reason.TOOL_USE if self._calls and _ENDS[word] is _STOP else _ENDS[word]

    def _last(self, reason: Reason) -> list[Event]:
        found: list[Event] = []
        for key in list(self._open):
            self._close(key, found)
        return [*found, Spent(self.usage), End(reason)]


def _passage(told: chunks.Citation) -> Passage:
    """A citation, with what its first source says of itself."""
    source = next(iter(told.sources or ()), chunks.Source())
    raw = source.document if bytes(source.document) != b"null" else source.tool_output
    try:
        described = _described.decode(raw)
    except _FAILURES:
        described = chunks.Described()
    number = int(source.id) if source.type == "document" and source.id and source.id.isdecimal() else None
    return Passage(described.url, described.title or source.id, start=told.start, end=told.end, document=number)


def _logprobs(tokens: list[chunks.Token]) -> tuple[Logprob, ...]:
    """The probability of each piece of text, which is that of all its tokens together."""
    return tuple(Logprob(one.text or "", sum(one.logprobs)) for one in tokens if one.logprobs)


def _usage_of(raw: msgspec.Raw) -> Usage | None:
    """What was consumed; what is billed is less, and stands in only where nothing else is told."""
    try:
        told = _usage.decode(raw)
    except _FAILURES:
        return REJECTED
    counts = (told.tokens or told.billed_units) if told is not None else None
    if told is None or counts is None or (counts.input_tokens, counts.output_tokens) == (None, None):
        return None
    inputs = _whole_number(counts.input_tokens)
    return Usage(
        inputs + int(counts.image_tokens) if inputs is not None and counts.image_tokens else inputs,
        _whole_number(counts.output_tokens),
        _whole_number(told.cached_tokens),
        _whole_number(counts.reasoning_tokens),
    )


def _whole_number(count: float | None) -> int | None:
    return None if count is None else int(count)


def _decoded(decoder: msgspec.json.Decoder[T], content: bytes) -> T:
    try:
        return decoder.decode(content)
    except _FAILURES as error:
        raise Fault(Kind.INVALID, "The upstream sent something that is not in Cohere's format.") from error
