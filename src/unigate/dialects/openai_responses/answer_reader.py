"""Reads answers of the Responses API (https://platform.openai.com/docs/api-reference/responses-streaming).

Services leave out much of what OpenAI sends: indices, events that begin a part, even all events but the last. What
was not told piece by piece is taken from the finished part, item or response.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from unigate.conversation import Answer, Asked, Begin, End, Event, Reason, Spent, Text
from unigate.dialects.collect import Collector
from unigate.dialects.counted import told_or_counted
from unigate.dialects.openai_responses import parts
from unigate.dialects.openai_responses.errors import Failure, fault_of
from unigate.dialects.openai_responses.output_reader import Output
from unigate.dialects.openai_usage import read_usage
from unigate.errors import Fault, Kind
from unigate.usage import Usage
from unigate.wire import sse

__all__ = ["ResponsesReader"]

T = TypeVar("T")

_event: Final = msgspec.json.Decoder(parts.Event)
_response: Final = msgspec.json.Decoder(parts.Response)
_item: Final = msgspec.json.Decoder(parts.Item)
_part: Final = msgspec.json.Decoder(parts.Part)
_head: Final = msgspec.json.Decoder(parts.Head)
_failure: Final = msgspec.json.Decoder(Failure)
_FAILURES: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_TEXTS: Final = frozenset({"response.output_text.delta", "response.refusal.delta"})
_THOUGHTS: Final = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})
_ARGUMENTS: Final = frozenset({"response.function_call_arguments.delta", "response.custom_tool_call_input.delta"})
_ENDS: Final = frozenset({"response.completed", "response.incomplete"})
_KNOWN_EVENTS: Final = _TEXTS | _THOUGHTS | _ARGUMENTS | _ENDS | {"response.failed", "error"}
_KNOWN_ITEMS: Final = frozenset({"message", "reasoning", "function_call", "custom_tool_call"})


class ResponsesReader:
    """Reads one answer, streamed or whole."""

    __slots__ = ("_begun", "_end", "_events", "_fault", "_output", "_passed", "_usage")

    def __init__(self, asked: Asked) -> None:
        self._events = sse.Events()
        self._output = Output(asked)
        self._usage: Usage | None = None
        self._passed = 0
        self._begun = False
        self._end: parts.Response | None = None
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
        self._finish(self._end, _items_of(self._end), found)
        return found

    def read(self, content: bytes) -> Answer:
        """See `AnswerReader.read`."""
        response = _decoded(_response, content)
        if response.output is None and response.status is None and (failure := _decoded(_failure, content)).message:
            raise fault_of(failure)
        found: list[Event] = []
        self._passed += 1
        self._take_end(response, found)
        items = _items_of(response)
        text = parts.plain_text([item for item, _ in items])
        if text:  # most answers are no more than that
            return Answer(response.id, response.model, (Text(text),), self._reason(response), None, self.usage)
        self._finish(response, items, found)
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
        data = _data_of(event)
        if not data or data == b"[DONE]" or self._end is not None:
            return
        told = _event_of(data)
        kind, output = told.type, self._output
        if kind in _TEXTS:
            self._passed += 1
            output.say(told, found)
        elif kind in _ARGUMENTS:
            self._passed += 1
            output.argue(told, found)
        elif kind in _THOUGHTS:
            self._passed += 1
            output.think(told, found)
        else:
            self._take_rest(told, kind or sse.name_of(event).decode("ascii", "replace"), found)

    def _take_rest(self, told: parts.Event, kind: str, found: list[Event]) -> None:
        """Events that begin or end something."""
        match kind:
            case "response.output_item.added":
                self._output.begin(told, _item_of(told.item), found)
            case "response.output_item.done":
                self._output.complete(told, _item_of(told.item), told.item, found)
            case "response.content_part.done":
                self._output.close_part(told, _decoded(_part, told.part), found)
            case "response.output_text.annotation.added":
                self._output.cite(told, found)
            case "response.created" | "response.in_progress" | "response.queued":
                self._begin(_decoded(_response, told.response), found)
            case "response.failed":
                response = _decoded(_response, told.response)
                self._usage = read_usage(response.usage, response.service_tier) or self._usage
                raise fault_of(response.error or Failure())
            case _ if kind in _ENDS:
                self._take_end(_decoded(_response, told.response), found)
            case _ if kind == "error" or told.error is not None:
                raise fault_of(told.error or Failure(told.type, told.code, told.message, told.param))
            case _:
                pass  # the progress of hosted tools, and what is told again by later events

    def _begin(self, response: parts.Response, found: list[Event]) -> None:
        if not self._begun:
            self._begun = True
            found.append(Begin(response.id, response.model))

    def _take_end(self, response: parts.Response, found: list[Event]) -> None:
        self._usage = read_usage(response.usage, response.service_tier) or self._usage
        if response.error is not None or response.status in ("failed", "cancelled"):
            raise fault_of(response.error or Failure())
        if response.output is None and response.status is None:
            raise Fault(Kind.INVALID, "The upstream answered 200 with something that is no response.")
        self._begin(response, found)
        self._end = response

    def _finish(
        self, response: parts.Response, items: list[tuple[parts.Item, msgspec.Raw]], found: list[Event]
    ) -> None:
        self._output.finish(items, found)
        found.append(Spent(self.usage))
        found.append(End(self._reason(response)))

    def _reason(self, response: parts.Response) -> Reason:
        if response.status == "incomplete":
            why = response.incomplete_details.reason if response.incomplete_details else None
            return Reason.FILTER if why == "content_filter" else Reason.LENGTH
        return self._output.reason


def _data_of(event: bytes) -> bytes:
    """The data of one event, most of which are two lines: a name and the data."""
    if event.startswith(b"event: ") and event.endswith(b"\n\n") and event.count(b"\n") == 3:
        at = event.find(b"\ndata: ")
        if at > 0:
            return event[at + 7 : -2]
    return sse.data_of(event)


def _decoded(decoder: msgspec.json.Decoder[T], content: bytes | msgspec.Raw) -> T:
    try:
        return decoder.decode(content)
    except _FAILURES as error:
        raise Fault(Kind.INVALID, "The upstream sent something that is not in the Responses format.") from error


def _event_of(data: bytes) -> parts.Event:
    """An event; one that is no part of an answer as we know it may hold anything."""
    try:
        return _event.decode(data)
    except msgspec.ValidationError as error:
        head = _decoded(_head, data)
        if head.type in _KNOWN_EVENTS:
            raise Fault(Kind.INVALID, f"The upstream sent an odd '{head.type}'.") from error
        return parts.Event()
    except _FAILURES as error:
        raise Fault(Kind.INVALID, "The upstream sent something that is not JSON.") from error


def _items_of(response: parts.Response) -> list[tuple[parts.Item, msgspec.Raw]]:
    return [(_item_of(raw), raw) for raw in response.output or ()]


def _item_of(raw: msgspec.Raw) -> parts.Item:
    """An item; a hosted tool's may hold anything."""
    try:
        return _item.decode(raw)
    except _FAILURES as error:
        head = _decoded(_head, raw)
        if head.type in _KNOWN_ITEMS:
            raise Fault(Kind.INVALID, f"The upstream sent an odd '{head.type}'.") from error
        return parts.Item(head.type, head.id)
