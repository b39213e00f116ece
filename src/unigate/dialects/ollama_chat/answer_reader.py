"""Reads the answers of Ollama's chat and generate, whole or as lines (https://docs.ollama.com/api/chat)."""

from __future__ import annotations

from typing import Annotated, Literal

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
    Logprob,
    Open,
    Reason,
    Spent,
    Text,
    Thinking,
    ToolUse,
)
from unigate.dialects.collect import Collector
from unigate.dialects.counted import told_or_counted
from unigate.dialects.ollama_chat.messages import ORIGIN, pictures
from unigate.dialects.openai_errors import read_fault
from unigate.errors import Fault, Kind
from unigate.usage import REJECTED, Usage
from unigate.wire.lines import Lines

__all__ = ["ChatReader", "usage_of"]

_NULL = msgspec.Raw(b"null")
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# A count outside this range is no count.
_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**40)]
_STOP = Reason.STOP  # under a name of the module: an enumeration's members are slow to look up
_Flow = Literal["text", "thinking"]


class _Function(msgspec.Struct, frozen=True):
    name: str = ""
    arguments: msgspec.Raw = _NULL


class _Call(msgspec.Struct, frozen=True):
    function: _Function
    id: str | None = None


class _Message(msgspec.Struct, frozen=True):
    content: str | None = None
    thinking: str | None = None
    tool_calls: tuple[_Call, ...] | None = None
    images: tuple[str, ...] | None = None


class _Token(msgspec.Struct, frozen=True):
    token: str = ""
    logprob: float = 0.0
    top_logprobs: tuple[_Token, ...] | None = None


class _Line(msgspec.Struct, frozen=True):
    """A line of a stream, or a whole answer; `response` and `thinking` are those of a generated text."""

    model: str | None = None
    message: _Message | None = None
    response: str | None = None
    thinking: str | None = None
    done: bool = False
    done_reason: str | None = None
    logprobs: tuple[_Token, ...] | None = None
    prompt_eval_count: msgspec.Raw = _NULL
    eval_count: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL


_line = msgspec.json.Decoder(_Line)
_count = msgspec.json.Decoder(_Count | None)


def usage_of(prompt: msgspec.Raw, made: msgspec.Raw) -> Usage | None:
    """What the two counts of a last line say; thoughts are counted in the second."""
    try:
        counts = (_count.decode(prompt), _count.decode(made))
    except msgspec.ValidationError:
        return REJECTED
    return None if counts == (None, None) else Usage(*counts)


class ChatReader:
    """Reads one answer. Thoughts and text take turns; a call comes whole."""

    __slots__ = ("_asked", "_calls", "_fault", "_flow", "_index", "_is_begun", "_last", "_lines", "_pieces", "_usage")

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._lines = Lines()
        self._flow: _Flow | None = None
        self._index = 0  # of the next block
        self._is_begun = False
        self._last: _Line | None = None  # the line that tells the end
        self._calls = 0
        self._pieces = 0
        self._usage: Usage | None = None
        self._fault: Fault | None = None

    @property
    def usage(self) -> Usage:
        """See `AnswerReader.usage`."""
        return told_or_counted(self._usage, self._pieces)

    def feed(self, chunk: bytes) -> list[Event]:
        """See `AnswerReader.feed`."""
        if self._fault is not None:
            raise self._fault
        found: list[Event] = []
        try:
            for line in self._lines.feed(chunk):
                self._take(line, found)
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
        rest = self._lines.close()
        if rest.strip():
            self._take(rest, found)
        if self._last is None:
            raise Fault(Kind.TRUNCATED, "The upstream's stream ended before the answer was finished.")
        self._end(self._last, found)
        return found

    def read(self, content: bytes) -> Answer:
        """See `AnswerReader.read`."""
        line = _decoded(content)
        text = _plain_text(line)
        if text:  # most answers are no more than that
            self._pieces += 1
            self._usage = usage_of(line.prompt_eval_count, line.eval_count)
            return Answer("", line.model or "", (Text(text),), self._reason(line), None, self.usage)
        found: list[Event] = []
        self._take_line(line, content, found)
        if self._last is None:
            raise Fault(Kind.INVALID, "The upstream answered 200 with an answer that is not done.")
        self._end(self._last, found)
        collector = Collector()
        collector.take(found)
        return collector.answer()

    # --- one line

    def _take(self, content: bytes, found: list[Event]) -> None:
        self._take_line(_decoded(content), content, found)

    def _take_line(self, line: _Line, content: bytes, found: list[Event]) -> None:
        if line.error is not _NULL and bytes(line.error) != b"null":
            raise read_fault(500, {}, content)
        if self._last is not None or not content.strip():
            return
        if not self._is_begun:
            self._is_begun = True
            found.append(Begin("", line.model or ""))
        self._take_message(line, found)
        if line.done:
            self._last = line
            self._usage = usage_of(line.prompt_eval_count, line.eval_count)

    def _take_message(self, line: _Line, found: list[Event]) -> None:
        message = line.message or _Message(line.response, line.thinking)
        if message.thinking:
            self._say("thinking", Thinking("", origin=ORIGIN), message.thinking, (), found)
        if message.content:
            self._say("text", Text(""), message.content, _logprobs(line.logprobs), found)
        for picture in pictures(message.images):
            self._add(picture, found)
        for call in message.tool_calls or ():
            self._call(call, found)

    def _say(self, flow: _Flow, block: Block, text: str, logprobs: tuple[Logprob, ...], found: list[Event]) -> None:
        if self._flow != flow:
            self._end_flow(found)
            self._flow = flow
            found.append(Open(self._index, block))
            self._index += 1
        self._pieces += 1
        found.append(Delta(self._index - 1, text, logprobs))

    def _end_flow(self, found: list[Event]) -> None:
        if self._flow is not None:
            found.append(Close(self._index - 1))
            self._flow = None

    def _add(self, block: Block, found: list[Event]) -> None:
        self._end_flow(found)
        found += (Open(self._index, block), Close(self._index))
        self._index += 1

    def _call(self, call: _Call, found: list[Event]) -> None:
        self._end_flow(found)
        self._calls += 1
        self._pieces += 1
        index, arguments = self._index, bytes(call.function.arguments)
        self._index += 1
        id = call.id or f"call_{self._asked.id[-12:]}{index}"
        told = "{}" if arguments == b"null" else msgspec.json.format(arguments, indent=-1).decode("utf-8", "replace")
        found += (Open(index, ToolUse(id, call.function.name, "")), Delta(index, told), Close(index))

    def _end(self, last: _Line, found: list[Event]) -> None:
        self._end_flow(found)
        found.append(Spent(self.usage))
        found.append(End(self._reason(last)))

    def _reason(self, last: _Line) -> Reason:
        if last.done_reason == "length":
            return Reason.LENGTH
        return Reason.TOOL_USE if self._calls else _STOP


def _decoded(content: bytes) -> _Line:
    try:
        return _line.decode(content)
    except _FAILURES as error:
        raise Fault(Kind.INVALID, "The upstream answered 200 with something that is not Ollama's.") from error


def _plain_text(line: _Line) -> str | None:
    """The text of a whole answer that is one text without anything beside it; None for any other."""
    message = line.message
    if message is None or not line.done or line.logprobs or bytes(line.error) != b"null":
        return None
    return None if message.thinking or message.tool_calls or message.images else message.content


def _logprobs(tokens: tuple[_Token, ...] | None) -> tuple[Logprob, ...]:
    return tuple(
        Logprob(one.token, one.logprob, tuple((other.token, other.logprob) for other in one.top_logprobs or ()))
        for one in tokens or ()
    )
