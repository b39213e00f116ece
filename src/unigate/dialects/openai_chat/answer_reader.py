"""Reads Chat Completions answers, as OpenAI and the many services after it send them.

https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

from typing import Final, Literal

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
    Logprob,
    Open,
    Reason,
    Refused,
    Signed,
    Spent,
    Text,
    Thinking,
    ToolUse,
)
from unigate.dialects.counted import told_or_counted
from unigate.dialects.openai_chat import chunks
from unigate.dialects.openai_chat.chunks import Choice, Chunk, Extra, Piece, ToolDelta
from unigate.dialects.openai_errors import read_fault
from unigate.dialects.openai_usage import usage_of
from unigate.errors import Fault, Kind
from unigate.usage import Usage
from unigate.wire import sse

__all__ = ["ChatReader"]

_OWN: Final = "openai.chat"
_FAILURES: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_REASONS: Final = {
    "stop": Reason.STOP,
    "length": Reason.LENGTH,
    "tool_calls": Reason.TOOL_USE,
    "function_call": Reason.TOOL_USE,
    "content_filter": Reason.FILTER,
}
_STOP: Final = Reason.STOP  # under a name of the module: an enumeration's members are slow to look up
_NO_USAGE: Final = Usage()
_Flow = Literal["text", "thinking", "refusal"]


class ChatReader:
    """Reads one answer. Text, reasoning and refusal take turns; tool calls stay open, since their pieces may mix."""

    __slots__ = (
        "_asked",
        "_detail",
        "_events",
        "_finish",
        "_flow",
        "_index",
        "_is_begun",
        "_is_done",
        "_length",
        "_offset",
        "_seen",
        "_sources",
        "_text",
        "_tools",
        "_usage",
        "_was_refused",
    )

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._events = sse.Events()
        self._is_begun = False
        self._is_done = False
        self._finish: str | None = None
        self._index = 0  # of the next block
        self._flow: _Flow | None = None
        self._detail: int | None = None  # which piece of reasoning the last detail belonged to
        self._text: int | None = None  # the last text block, where it begins, and how long it is
        self._offset = 0
        self._length = 0
        self._tools: list[tuple[int | None, str, int]] = []  # the wire's index, the call's id, and ours
        self._sources: list[Citation] = []
        self._seen = 0
        self._usage: Usage | None = None
        self._was_refused = False

    @property
    def usage(self) -> Usage:
        """See `AnswerReader.usage`."""
        return told_or_counted(self._usage, self._seen)

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
        if self._finish is None and not self._is_done:
            raise Fault(Kind.TRUNCATED, "The upstream's stream ended before the answer was finished.")
        if not self._is_begun:
            found.append(Begin(self._asked.id, self._asked.model))
        if self._text is not None and self._flow == "text":
            found.extend(Cited(self._text, source) for source in self._sources)
        self._end_flow(found)
        found.extend(Close(ours) for _, _, ours in self._tools)
        found.append(Spent(self.usage))
        found.append(End(self._reason()))
        return found

    def read(self, content: bytes) -> Answer:
        """See `AnswerReader.read`."""
        try:
            whole = chunks.decode(content)
        except _FAILURES as error:
            reason = "The upstream answered 200 with something that is not a chat completion."
            raise Fault(Kind.INVALID, reason) from error
        self._judge(whole, content)
        choices = whole.choices or ()
        choice = choices[0] if len(choices) == 1 else next((one for one in choices if not one.index), None)
        if choice is None or choice.index:
            raise Fault(Kind.INVALID, "The upstream answered 200 without a choice.")
        self._note(whole)
        blocks = self._blocks(choice)
        if self._finish is None:
            self._finish = "stop"
        return Answer(whole.id or "", whole.model or "", blocks, self._reason(), None, self._usage or _NO_USAGE)

    def _blocks(self, choice: Choice) -> tuple[Block, ...]:
        text = chunks.plain_text(choice)
        if text:  # most answers are no more than that
            self._seen += 1
            self._finish = choice.finish_reason
            return (Text(text, None, tuple(self._sources)),)
        found: list[Event] = []
        self._take_choice(choice, found)
        return chunks.gathered(found, self._sources)

    # --- one chunk

    def _take(self, event: bytes, found: list[Event]) -> None:
        data = sse.data_of(event)
        if not data:
            # Some services answer an error as plain JSON in what they call an event stream.
            data = event.strip() if event.lstrip().startswith(b"{") else b""
            if not data:
                return
        if data.strip() == b"[DONE]":
            self._is_done = True
            return
        try:
            chunk = chunks.decode(data)
        except _FAILURES as error:
            raise Fault(Kind.INVALID, "The upstream sent a chunk that is not one of a chat completion.") from error
        self._judge(chunk, data)
        self._note(chunk)
        for choice in chunk.choices or ():
            if choice.index in (0, None):
                self._begin(chunk, found)
                self._take_choice(choice, found)

    def _judge(self, chunk: Chunk, data: bytes) -> None:
        if bytes(chunk.error) != b"null" and not (chunk.choices and self._finish is None and self._is_begun):
            raise read_fault(chunks.status_of(chunk.error), {}, data)

    def _note(self, chunk: Chunk) -> None:
        counts = chunk.usage or (chunk.x_groq.usage if chunk.x_groq else None)
        if counts is not None:
            self._usage = usage_of(counts, chunk.service_tier) or self._usage
        if chunk.search_results:
            self._sources = [Citation(source.url, source.title) for source in chunk.search_results]
        elif chunk.citations:
            self._sources = [Citation(url) for url in chunk.citations]

    def _begin(self, chunk: Chunk, found: list[Event]) -> None:
        if not self._is_begun:
            self._is_begun = True
            found.append(Begin(chunk.id or "", chunk.model or ""))

    def _take_choice(self, choice: Choice, found: list[Event]) -> None:
        piece = choice.delta or choice.message
        if piece is not None:
            self._take_thoughts(piece, found)
            self._take_content(piece, chunks.logprobs_of(choice.logprobs), found)
            if piece.refusal:
                self._was_refused = True
                self._say("refusal", Refused(""), piece.refusal, found)
            for call in piece.tool_calls or ():
                self._take_call(call, found)
        if choice.finish_reason and choice.finish_reason != "null":
            self._finish = choice.finish_reason

    def _take_thoughts(self, piece: Piece, found: list[Event]) -> None:
        shown = piece.reasoning_content or piece.reasoning
        details = piece.reasoning_details or ()
        if shown and not any(detail.text or detail.summary for detail in details):
            self._say("thinking", Thinking("", origin=_OWN), shown, found)
        self._take_extra(piece.extra_content, found)
        for detail in details:
            if self._flow == "thinking" and detail.index != self._detail:
                self._end_flow(found)
            self._detail = detail.index
            if detail.type == "reasoning.encrypted":
                self._end_flow(found)
                found.append(Open(self._index, Thinking("", detail.data, _OWN, True, detail.id)))
                found.append(Close(self._index))
                self._index += 1
                continue
            if text := detail.text or detail.summary:
                self._say("thinking", Thinking("", origin=_OWN), text, found)
            if detail.signature:
                self._say("thinking", Thinking("", origin=_OWN), "", found)
                found.append(Signed(self._index - 1, detail.signature))

    def _take_extra(self, extra: Extra | None, found: list[Event]) -> None:
        if extra is not None and extra.google is not None and extra.google.thought_signature:
            self._end_flow(found)
            found.append(Open(self._index, Thinking("", origin=_OWN)))
            found.append(Signed(self._index, extra.google.thought_signature))
            found.append(Close(self._index))
            self._index += 1

    def _take_content(self, piece: Piece, logprobs: tuple[Logprob, ...], found: list[Event]) -> None:
        content = piece.content
        if isinstance(content, str):
            if content or logprobs:
                self._say("text", Text(""), content, found, logprobs)
        else:
            for part in content or ():
                if part.thinking is not None:
                    self._say("thinking", Thinking("", origin=_OWN), chunks.thought_of(part), found)
                elif part.text:
                    self._say("text", Text(""), part.text, found)
        for annotation in piece.annotations or ():
            if self._text is not None and annotation.url_citation is not None:
                found.append(Cited(self._text, chunks.citation_of(annotation.url_citation, self._offset)))

    def _say(
        self, flow: _Flow, block: Block, text: str, found: list[Event], logprobs: tuple[Logprob, ...] = ()
    ) -> None:
        if self._flow != flow:
            self._end_flow(found)
            self._flow = flow
            found.append(Open(self._index, block))
            if flow == "text":
                self._text = self._index
                self._offset += self._length
                self._length = 0
            self._index += 1
        if flow == "text":
            self._length += len(text)
        if text or logprobs:
            self._seen += 1
            found.append(Delta(self._index - 1, text, logprobs))

    def _end_flow(self, found: list[Event]) -> None:
        if self._flow is not None:
            found.append(Close(self._index - 1))
            self._flow = None

    def _take_call(self, call: ToolDelta, found: list[Event]) -> None:
        function = call.function or call.custom
        name = function.name if function else None
        ours = self._known_call(call, name)
        if ours is None:
            self._end_flow(found)
            self._take_extra(call.extra_content, found)
            ours = self._index
            self._index += 1
            id = call.id or f"call_{self._asked.id[-12:]}{ours}"
            self._tools.append((call.index, call.id or "", ours))
            found.append(Open(ours, ToolUse(id, name or "", "", custom=call.custom is not None)))
        text = (function.arguments or function.input or "") if function else ""
        if text:
            self._seen += 1
            found.append(Delta(ours, text))

    def _known_call(self, call: ToolDelta, name: str | None) -> int | None:
        """Our index of the call that a piece continues; a piece with another id and a name begins a new one."""
        for index, id, ours in reversed(self._tools):
            is_other = bool(call.id and id and call.id != id and name)
            if call.index is not None and index == call.index and not is_other:
                return ours
            if call.index is None and (call.id == id if call.id else not name):
                return ours
        return None

    def _reason(self) -> Reason:
        reason = _REASONS.get(self._finish or "stop", _STOP)
        if self._was_refused and reason is _STOP:
            return Reason.REFUSAL
        return Reason.TOOL_USE if self._tools and reason is _STOP else reason
