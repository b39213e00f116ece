"""Turns the output items of a Responses answer into blocks, however much of them is told before they are finished."""

from __future__ import annotations

from typing import Final

import msgspec

from unigate.conversation import (
    Asked,
    Block,
    Cited,
    Close,
    Data,
    Delta,
    Event,
    Foreign,
    Image,
    Open,
    Reason,
    Refused,
    Signed,
    Text,
    Thinking,
    ToolUse,
)
from unigate.dialects.openai_responses.fields import OWN
from unigate.dialects.openai_responses.parts import Event as Told
from unigate.dialects.openai_responses.parts import Item, Part, citation_of, logprobs_of
from unigate.dialects.openai_responses.tools import flat_name

__all__ = ["Output"]

_CALLS: Final = frozenset({"function_call", "custom_tool_call"})
_MESSAGE: Final = "message"
_REASONING: Final = "reasoning"

_Place = int | str


class _Open:
    """An item that is being told, and the block of it that is open."""

    __slots__ = ("argued", "block", "cited", "done", "item", "part", "place")

    def __init__(self, place: _Place, item: Item) -> None:
        self.place = place
        self.item = item
        self.block = -1  # the neutral index, or none
        self.part = 0
        self.done: set[int] = set()  # parts that were told to their end
        self.cited = False
        self.argued = False


class Output:
    """The items so far. Calls may be told side by side; any other block ends when the next one begins."""

    __slots__ = ("_asked", "_done", "_items", "_next", "reason")

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._next = 0
        self._items: dict[_Place, _Open] = {}  # that are not finished
        self._done: set[_Place] = set()
        self.reason = Reason.STOP

    def begin(self, told: Told, item: Item, found: list[Event]) -> None:
        """An item begins. A call is known at once; any other block opens when there is something in it."""
        place = _place(told, item)
        if place in self._items:
            return
        self._done.discard(place)
        open = self._items[place] = _Open(place, item)
        if item.type in _CALLS and item.name:
            self._opened_call(open, item, found)

    def say(self, told: Told, found: list[Event]) -> None:
        """More of a message's text or refusal."""
        if not told.delta:
            return
        block: Text | Refused = Text("")
        if told.type == "response.refusal.delta":
            self.reason, block = Reason.REFUSAL, Refused("")
        index = self._opened(self._at(told, _MESSAGE), told.content_index, block, found)
        found.append(Delta(index, told.delta, logprobs_of(told.logprobs) if told.logprobs else ()))

    def argue(self, told: Told, found: list[Event]) -> None:
        """More of a call's arguments."""
        open = self._at(told, "")
        if told.delta and open.item.type in _CALLS:
            open.argued = True
            found.append(Delta(self._opened_call(open, open.item, found), told.delta))

    def think(self, told: Told, found: list[Event]) -> None:
        """More of the reasoning; its parts become paragraphs."""
        if not told.delta:
            return
        open = self._at(told, _REASONING)
        number = told.summary_index or told.content_index
        is_new = open.block >= 0 and number != open.part
        index = self._opened(open, number, Thinking("", None, OWN, id=open.item.id), found)
        open.part = number
        found.append(Delta(index, "\n\n" + told.delta if is_new else told.delta))

    def cite(self, told: Told, found: list[Event]) -> None:
        """One more citation of a text that is open."""
        open = self._at(told, _MESSAGE)
        citation = citation_of(told.annotation) if told.annotation is not None else None
        if open.block >= 0 and citation is not None:
            open.cited = True
            found.append(Cited(open.block, citation))

    def close_part(self, told: Told, part: Part, found: list[Event]) -> None:
        """A part of a message is finished; what of it was not told piece by piece is told now."""
        if part.type in ("output_text", "refusal"):
            self._finish_part(self._at(told, _MESSAGE), told.content_index, part, found)

    def complete(self, told: Told, item: Item, raw: msgspec.Raw, found: list[Event]) -> None:
        """An item is finished."""
        place = _place(told, item)
        if place not in self._done:
            open = self._items.pop(place) if place in self._items else _Open(place, item)
            self._complete(open, item, raw, found)

    def finish(self, items: list[tuple[Item, msgspec.Raw]], found: list[Event]) -> None:
        """The answer is finished; if no item was ever told, all of them are told now."""
        if not self._items and not self._done:
            for place, (item, raw) in enumerate(items):
                self._complete(_Open(place, item), item, raw, found)
        for open in self._items.values():
            self._close(open, found)

    # --- within

    def _at(self, told: Told, kind: str) -> _Open:
        """The item an event belongs to; one that was never announced begins here."""
        place = told.output_index if told.output_index is not None else told.item_id
        if place is None:
            place = next(reversed(self._items), -1)
        open = self._items.get(place)
        if open is None:
            open = self._items[place] = _Open(place, Item(kind))
        return open

    def _opened(self, open: _Open, part: int, block: Block, found: list[Event]) -> int:
        """The index of an item's block, which opens if it has not."""
        if open.block >= 0 and (open.part == part or open.item.type != _MESSAGE):
            return open.block
        for other in self._items.values():
            if other.item.type not in _CALLS:
                self._close(other, found)
        self._close(open, found)
        open.block, open.part, open.cited = self._next, part, False
        self._next += 1
        found.append(Open(open.block, block))
        return open.block

    def _close(self, open: _Open, found: list[Event]) -> None:
        if open.block >= 0:
            found.append(Close(open.block))
            open.done.add(open.part)
            open.block = -1

    def _complete(self, open: _Open, item: Item, raw: msgspec.Raw, found: list[Event]) -> None:
        match item.type:
            case "message":
                for number, part in enumerate(item.content or ()):
                    self._finish_part(open, number, part, found)
            case "reasoning":
                self._complete_reasoning(open, item, found)
            case "function_call" | "custom_tool_call":
                self._complete_call(open, item, found)
            case "image_generation_call" if item.result:
                media_type = f"image/{item.output_format or 'png'}"
                self._opened(open, 0, Image(Data(media_type, item.result)), found)
            case _:
                self._opened(open, 0, Foreign(OWN, item.type, raw), found)
        self._close(open, found)
        self._done.add(open.place)

    def _finish_part(self, open: _Open, number: int, part: Part, found: list[Event]) -> None:
        if part.type == "refusal":
            self.reason = Reason.REFUSAL
        if number in open.done:
            return
        text = part.text or part.refusal or ""
        if open.block < 0 or open.part != number:
            if not text:
                return
            index = self._opened(open, number, Refused("") if part.type == "refusal" else Text(""), found)
            found.append(Delta(index, text, logprobs_of(part.logprobs)))
        if not open.cited:
            citations = (citation_of(one) for one in part.annotations or ())
            found += [Cited(open.block, citation) for citation in citations if citation is not None]
        self._close(open, found)

    def _complete_reasoning(self, open: _Open, item: Item, found: list[Event]) -> None:
        text = "\n\n".join(part.text or "" for part in item.summary or item.content or ())
        if open.block < 0 and not open.done and (text or item.encrypted_content):
            index = self._opened(open, 0, Thinking("", None, OWN, id=item.id), found)
            found += [Delta(index, text)] if text else []
        if open.block >= 0 and item.encrypted_content:
            found.append(Signed(open.block, item.encrypted_content))

    def _complete_call(self, open: _Open, item: Item, found: list[Event]) -> None:
        index = self._opened_call(open, item, found)
        arguments = item.arguments or item.input
        if arguments and not open.argued:
            found.append(Delta(index, arguments))

    def _opened_call(self, open: _Open, item: Item, found: list[Event]) -> int:
        if open.block >= 0:
            return open.block
        if self.reason is Reason.STOP:
            self.reason = Reason.TOOL_USE
        id = item.call_id or item.id or f"call_{self._asked.id[-12:]}{self._next}"
        name = flat_name(item.namespace, item.name or "")
        return self._opened(open, 0, ToolUse(id, name, "", custom=item.type == "custom_tool_call"), found)


def _place(told: Told, item: Item) -> _Place:
    if told.output_index is not None:
        return told.output_index
    return item.id or told.item_id or -1
