"""The events of an answer as the parts of Gemini's contents, each as its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from unigate.conversation import (
    Audio,
    Block,
    Citation,
    Cited,
    Close,
    Data,
    Delta,
    Document,
    Event,
    Foreign,
    Image,
    Open,
    Reason,
    Refused,
    Signed,
    Source,
    Text,
    Thinking,
    ToolUse,
    Url,
    Video,
)
from unigate.dialects.gemini_generate.citations import grounding_metadata, logprobs_result
from unigate.dialects.gemini_generate.slots import ORIGIN, UNSIGNED, slot_of

__all__ = ["AnswerParts"]

_REASONS: Final[Mapping[Reason, str]] = {
    Reason.STOP: "STOP",
    Reason.STOP_SEQUENCE: "STOP",
    Reason.TOOL_USE: "STOP",
    Reason.LENGTH: "MAX_TOKENS",
    Reason.FILTER: "SAFETY",
    Reason.REFUSAL: "SAFETY",
    Reason.PAUSE: "STOP",
}
_TOOL_USE: Final = Reason.TOOL_USE  # under a name of the module: an enumeration's members are slow to look up
_CALLED: Final = "Model generated function call(s)."
_MALFORMED: Final = "Malformed function call: the arguments of '%s' are no JSON object."

_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode: Final = msgspec.json.Encoder().encode


class AnswerParts:
    """Turns events into parts. A call is one part, so its arguments are gathered; so is a thought's signature."""

    __slots__ = (
        "_called",
        "_calls",
        "_citations",
        "_hidden",
        "_is_ascii",
        "_length",
        "_malformed",
        "_shows_thoughts",
        "_slot",
        "_starts",
        "_thoughts",
        "logprobs",
    )

    def __init__(self, *, shows_thoughts: bool = True) -> None:
        self._shows_thoughts = shows_thoughts
        self._hidden: set[int] = set()  # thoughts whose words the client did not ask for
        self._starts: dict[int, int] = {}  # where in the whole text each text block began
        self._thoughts: dict[int, tuple[Thinking, list[str]]] = {}  # open ones, and their signatures
        self._calls: dict[int, tuple[ToolUse, list[str]]] = {}  # open ones, and their arguments
        self._called = False
        self._slot: str | None = None  # the signature that hangs on the next part
        self._length = 0
        self._is_ascii = True
        self._citations: list[tuple[int, Citation]] = []
        self._malformed = ""
        self.logprobs = b""
        """The probabilities of the part's tokens; whoever writes the part takes them."""

    def of(self, event: Event) -> bytes:
        """The part, or parts with commas between them, that an event makes; empty if it makes none yet."""
        match event:
            case Delta():
                return self._delta(event)
            case Open(index, block):
                return self._open(index, block)
            case Close(index):
                return self._close(index)
            case Signed(index, signature):
                self._thoughts[index][1].append(signature)
            case Cited(index, citation):
                self._citations.append((self._starts.get(index, 0), citation))
            case _:
                pass
        return b""

    def last(self) -> bytes:
        """A part for the signature that no part followed, or empty."""
        return self._signed(b'{"text":""') if self._slot is not None else b""

    def finish(self, reason: Reason) -> bytes:
        """The fields of the candidate that tell its end."""
        told = _REASONS[reason]
        explained = _CALLED if reason is _TOOL_USE else ""
        if self._malformed:
            told, explained = "MALFORMED_FUNCTION_CALL", _MALFORMED % self._malformed
        written = b'"finishReason":"%b","index":0' % told.encode()
        if explained:
            written += b',"finishMessage":' + _encode(explained)
        if self._citations:
            written += b',"groundingMetadata":' + grounding_metadata(self._citations, is_ascii=self._is_ascii)
        return written

    # --- events

    def _delta(self, delta: Delta) -> bytes:
        index, text = delta.index, delta.text
        if index in self._starts:
            self._length += len(text)
            self._is_ascii = self._is_ascii and text.isascii()
            if delta.logprobs:
                self.logprobs = logprobs_result(delta.logprobs)
            return self._signed(b'{"text":' + _encode(text))
        if index in self._calls:
            self._calls[index][1].append(text)
            return b""
        if index not in self._thoughts:
            return b""
        if not self._shows_thoughts:
            self._hidden.add(index)
            return b""
        return b'{"text":%b,"thought":true}' % _encode(text)

    def _open(self, index: int, block: Block) -> bytes:
        match block:
            case Text() | Refused():
                self._starts[index] = self._length
            case Thinking():
                self._thoughts[index] = (block, [block.signature] if block.signature else [])
            case ToolUse():
                self._calls[index] = (block, [])
            case Image(source) | Document(source) | Audio(source) | Video(source):
                medium = _medium(source)
                return self._signed(medium) if medium else b""
            case Foreign(origin, _, raw) if origin == ORIGIN:
                return _one_line(bytes(raw))
            case _:
                pass
        return b""

    def _close(self, index: int) -> bytes:
        if index in self._calls:
            return self._call(*self._calls.pop(index))
        if index in self._thoughts:
            return self._hang(*self._thoughts.pop(index), is_hidden=index in self._hidden)
        return b""

    def _hang(self, thought: Thinking, signatures: list[str], *, is_hidden: bool) -> bytes:
        if not signatures:
            return b""
        before = self.last()
        self._slot = slot_of("".join(signatures), thought.origin, redacted=thought.redacted, partial=is_hidden)
        return before

    def _call(self, call: ToolUse, arguments: list[str]) -> bytes:
        args = _arguments("".join(arguments))
        if args is None:
            self._malformed = call.name
            return b""
        if not self._called and self._slot is None:
            self._slot = UNSIGNED
        self._called = True
        told = b'{"functionCall":{"name":%b,"args":%b,"id":%b}' % (_encode(call.name), args, _encode(call.id))
        return self._signed(told)

    def _signed(self, part: bytes) -> bytes:
        """A part that lacks its closing brace, with the signature that waited for it."""
        if self._slot is None:
            return part + b"}"
        slot, self._slot = self._slot, None
        return b'%b,"thoughtSignature":%b}' % (part, _encode(slot))


def _medium(source: Source) -> bytes:
    if isinstance(source, Data):
        return b'{"inlineData":%b' % _encode({"mimeType": source.media_type, "data": source.base64})
    if isinstance(source, Url):
        told = {"mimeType": source.media_type} if source.media_type else {}
        return b'{"fileData":%b' % _encode({**told, "fileUri": source.url})
    return b'{"fileData":%b' % _encode({"fileUri": source.id}) if source.origin == ORIGIN else b""


def _arguments(text: str) -> bytes | None:
    """Arguments as the object that they must be; None if they are none."""
    text = text.strip()
    if not text or text == "null":
        return b"{}"
    try:
        _object.decode(text)
        return _one_line(text.encode())
    except (msgspec.DecodeError, RecursionError):
        return None


def _one_line(content: bytes) -> bytes:
    """JSON without line breaks, which would end an event."""
    return msgspec.json.format(content, indent=-1)
