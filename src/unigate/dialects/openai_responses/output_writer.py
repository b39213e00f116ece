"""The output items of a Responses answer as they are written: begun, told piece by piece, and finished."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from unigate.conversation import Citation, Data, Logprob, Thinking, ToolUse
from unigate.dialects.openai_responses.fields import OWN
from unigate.dialects.openai_responses.items import REDACTED
from unigate.dialects.signatures import wrap

__all__ = ["CallItem", "Finished", "MessageItem", "Numbers", "Piece", "ThinkingItem", "WholeItem", "plain_message"]

Finished = dict[int, bytes]
"""The items that are done, by their place in the output."""

_Json = dict[str, object]
_encode: Final = msgspec.json.Encoder().encode


class Numbers:
    """What is counted in one answer: its events, and the places of its items."""

    __slots__ = ("_call", "_events", "_items")

    def __init__(self, call: str) -> None:
        self._call = call
        self._events = 0
        self._items = 0

    def event(self, kind: bytes, fields: bytes) -> bytes:
        """An event with its number."""
        number = self._events
        self._events = number + 1
        return b'event: %b\ndata: {"type":"%b",%b,"sequence_number":%d}\n\n' % (kind, kind, fields, number)

    def next(self) -> int:
        """The number of an event that is written elsewhere."""
        number = self._events
        self._events = number + 1
        return number

    def item(self, prefix: str) -> tuple[int, str]:
        """The place of a new item, and an id for it."""
        place = self._items
        self._items = place + 1
        return place, f"{prefix}_{self._call}{place}"


class Piece(Protocol):
    """A block being written."""

    def open(self) -> bytes:
        """The events that begin it."""
        ...

    def delta(self, text: str, logprobs: tuple[Logprob, ...]) -> bytes:
        """More of it."""
        ...

    def sign(self, signature: str) -> None:
        """More of its signature."""
        ...

    def cite(self, citation: Citation) -> bytes:
        """One more citation."""
        ...

    def close(self) -> bytes:
        """The events that end it."""
        ...


class _Item:
    """An item, and the events that every item has."""

    __slots__ = ("_before", "_finished", "_id", "_numbers", "_place", "_texts")

    def __init__(self, numbers: Numbers, finished: Finished, prefix: str) -> None:
        self._numbers = numbers
        self._finished = finished
        self._place, self._id = numbers.item(prefix)
        self._texts: list[str] = []
        # Deltas differ only in what stands between these two.
        self._before = b""

    def _said(self, kind: str, item: object) -> bytes:
        return self._numbers.event(kind.encode(), b'"output_index":%d,"item":%b' % (self._place, _encode(item)))

    def _added(self, item: object) -> bytes:
        return self._said("response.output_item.added", item)

    def _done(self, item: object) -> bytes:
        raw = msgspec.Raw(_encode(item))
        self._finished[self._place] = bytes(raw)
        return self._said("response.output_item.done", raw)

    def sign(self, signature: str) -> None:
        """Only reasoning is signed."""

    def cite(self, citation: Citation) -> bytes:
        """Only text is cited."""
        return b""


class MessageItem(_Item):
    """A message, whose parts are the texts and refusals that follow each other."""

    __slots__ = ("parts",)

    def __init__(self, numbers: Numbers, finished: Finished) -> None:
        super().__init__(numbers, finished, "msg")
        self.parts: list[object] = []

    def _message(self, status: str) -> _Json:
        return {"id": self._id, "type": "message", "status": status, "role": "assistant", "content": self.parts}

    def added(self) -> bytes:
        """The event that begins it."""
        return self._added(self._message("in_progress"))

    def part(self, is_refusal: bool) -> Piece:
        """A new part of it."""
        return _Part(self, self._numbers, (self._id, self._place), is_refusal)

    def done(self, status: str) -> bytes:
        """The event that ends it."""
        return self._done(self._message(status))


class _Part:
    """A text or a refusal within a message."""

    __slots__ = ("_after", "_annotations", "_before", "_kind", "_logprobs", "_message", "_numbers", "_place", "_texts")

    def __init__(self, message: MessageItem, numbers: Numbers, item: tuple[str, int], is_refusal: bool) -> None:
        self._message = message
        self._numbers = numbers
        self._kind = "refusal" if is_refusal else "output_text"
        self._texts: list[str] = []
        self._annotations: list[_Json] = []
        self._logprobs: list[_Json] = []
        id, place = item
        self._place = b'"item_id":"%b","output_index":%d,"content_index":%d' % (id.encode(), place, len(message.parts))
        kind = b"response.%b.delta" % self._kind.encode()
        self._before = b'event: %b\ndata: {"type":"%b",%b,"delta":' % (kind, kind, self._place)
        self._after = b',"sequence_number":' if is_refusal else b',"logprobs":[],"sequence_number":'

    def _part(self, text: str) -> _Json:
        if self._kind == "refusal":
            return {"type": "refusal", "refusal": text}
        logprobs = self._logprobs if text else []
        return {"type": "output_text", "annotations": self._annotations, "logprobs": logprobs, "text": text}

    def _event(self, kind: str, fields: _Json) -> bytes:
        return self._numbers.event(kind.encode(), self._place + b"," + _encode(fields)[1:-1])

    def open(self) -> bytes:
        return self._event("response.content_part.added", {"part": self._part("")})

    def delta(self, text: str, logprobs: tuple[Logprob, ...]) -> bytes:
        self._texts.append(text)
        if logprobs and self._kind == "output_text":
            tokens = [_token(one) for one in logprobs]
            self._logprobs += tokens
            return self._event("response.output_text.delta", {"delta": text, "logprobs": tokens})
        return b"%b%b%b%d}\n\n" % (self._before, _encode(text), self._after, self._numbers.next())

    def sign(self, signature: str) -> None:
        """Only reasoning is signed."""

    def cite(self, citation: Citation) -> bytes:
        if self._kind == "refusal":
            return b""
        annotation = _annotation(citation, sum(map(len, self._texts)))
        self._annotations.append(annotation)
        fields: _Json = {"annotation_index": len(self._annotations) - 1, "annotation": annotation}
        return self._event("response.output_text.annotation.added", fields)

    def close(self) -> bytes:
        text = "".join(self._texts)
        part = self._part(text)
        self._message.parts.append(part)
        told: _Json = {"refusal": text} if self._kind == "refusal" else {"text": text, "logprobs": self._logprobs}
        return self._event(f"response.{self._kind}.done", told) + self._event(
            "response.content_part.done", {"part": part}
        )


def plain_message(numbers: Numbers, text: str, status: bytes) -> bytes:
    """A finished message that is one text."""
    id = numbers.item("msg")[1].encode()
    return (
        b'{"id":"%b","type":"message","status":"%b","role":"assistant","content":['
        b'{"type":"output_text","annotations":[],"logprobs":[],"text":%b}]}' % (id, status, _encode(text))
    )


class ThinkingItem(_Item):
    """Reasoning, told as a summary; whoever made its signature travels with it."""

    __slots__ = ("_block", "_signature")

    def __init__(self, numbers: Numbers, finished: Finished, block: Thinking) -> None:
        super().__init__(numbers, finished, "rs")
        if block.id is not None and block.origin == OWN:
            self._id = block.id
        self._block = block
        self._signature = [block.signature] if block.signature else []

    def _event(self, kind: str, fields: _Json) -> bytes:
        place: _Json = {"item_id": self._id, "output_index": self._place, "summary_index": 0}
        return self._numbers.event(f"response.reasoning_summary_{kind}".encode(), _encode({**place, **fields})[1:-1])

    def open(self) -> bytes:
        return self._added({"id": self._id, "type": "reasoning", "summary": []})

    def delta(self, text: str, logprobs: tuple[Logprob, ...]) -> bytes:
        first = b""
        if not self._texts:
            first = self._event("part.added", {"part": {"type": "summary_text", "text": ""}})
        self._texts.append(text)
        return first + self._event("text.delta", {"delta": text})

    def sign(self, signature: str) -> None:
        self._signature.append(signature)

    def close(self) -> bytes:
        written = b""
        summary: list[_Json] = []
        if self._texts:
            text = "".join(self._texts)
            summary = [{"type": "summary_text", "text": text}]
            written = self._event("text.done", {"text": text}) + self._event("part.done", {"part": summary[0]})
        item: _Json = {"id": self._id, "type": "reasoning", "summary": summary}
        sealed = self._sealed()
        return written + self._done({**item, "encrypted_content": sealed} if sealed else item)

    def _sealed(self) -> str:
        """The signature for a slot of this format. One of no text still says whose thoughts these are."""
        signature, origin = "".join(self._signature), self._block.origin
        if origin in (OWN, ""):
            return signature
        return wrap(signature, origin + (REDACTED if self._block.redacted else ""))


class CallItem(_Item):
    """A call of a function or of a custom tool, with the namespace its name was made of."""

    __slots__ = ("_after", "_call", "_field", "_kind")

    def __init__(self, numbers: Numbers, finished: Finished, block: ToolUse, space: tuple[str, str] | None) -> None:
        super().__init__(numbers, finished, "ctc" if block.custom else "fc")
        kind, self._field = ("custom_tool_call", "input") if block.custom else ("function_call", "arguments")
        self._kind = "custom_tool_call_input" if block.custom else "function_call_arguments"
        self._call: _Json = {"id": self._id, "type": kind, "call_id": block.id, "name": block.name}
        if space is not None:
            self._call |= {"namespace": space[0], "name": space[1]}
        event = f"response.{self._kind}.delta".encode()
        self._before = b'event: %b\ndata: {"type":"%b","item_id":"%b","output_index":%d,"delta":' % (
            event,
            event,
            self._id.encode(),
            self._place,
        )

    def open(self) -> bytes:
        return self._added({**self._call, "status": "in_progress", self._field: ""})

    def delta(self, text: str, logprobs: tuple[Logprob, ...]) -> bytes:
        self._texts.append(text)
        return b'%b%b,"sequence_number":%d}\n\n' % (self._before, _encode(text), self._numbers.next())

    def close(self) -> bytes:
        # Clients parse the arguments of a function, where some services send none for a function that takes none.
        text = "".join(self._texts) or ("{}" if self._field == "arguments" else "")
        told: _Json = {"item_id": self._id, "output_index": self._place, self._field: text}
        done = self._numbers.event(f"response.{self._kind}.done".encode(), _encode(told)[1:-1])
        return done + self._done({**self._call, "status": "completed", self._field: text})


class WholeItem(_Item):
    """An item that comes in one piece."""

    __slots__ = ("_item",)

    def __init__(self, numbers: Numbers, finished: Finished, item: object) -> None:
        super().__init__(numbers, finished, "item")
        self._item = item

    @classmethod
    def of_picture(cls, numbers: Numbers, finished: Finished, data: Data) -> WholeItem:
        """A picture in the answer, as if the image generation tool had made it."""
        piece = cls(numbers, finished, None)
        kind = data.media_type.partition("/")[2]
        piece._item = {
            "id": piece._id.replace("item_", "ig_", 1),
            "type": "image_generation_call",
            "status": "completed",
            "result": data.base64,
            "output_format": kind,
        }
        return piece

    def open(self) -> bytes:
        return self._added(self._item)

    def delta(self, text: str, logprobs: tuple[Logprob, ...]) -> bytes:
        return b""

    def close(self) -> bytes:
        return self._done(self._item)


def _token(one: Logprob) -> _Json:
    others = [_likely(token, logprob) for token, logprob in one.others]
    return {**_likely(one.token, one.logprob), "top_logprobs": others}


def _likely(token: str, logprob: float) -> _Json:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def _annotation(citation: Citation, length: int) -> _Json:
    """A citation; one that names no passage is of all the text so far."""
    start = citation.start if citation.start is not None else 0
    end = citation.end if citation.end is not None else length
    if citation.url is not None:
        place = {"start_index": start, "end_index": end}
        return {"type": "url_citation", "url": citation.url, "title": citation.title or "", **place}
    name = citation.title or (f"document {citation.document}" if citation.document is not None else "document")
    return {"type": "file_citation", "file_id": name, "filename": name, "index": end}
