"""What a Messages answer is made of: the events of a stream, and the blocks in them and in a whole message.

https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from __future__ import annotations

import msgspec

from unigate.conversation import Block, Foreign, Reason, Text, Thinking, ToolUse
from unigate.dialects.anthropic_messages.citations import citation_of
from unigate.dialects.anthropic_messages.fields import OWN
from unigate.dialects.arguments import written_arguments
from unigate.errors import Fault, Kind

__all__ = ["NULL", "Chunk", "Head", "Piece", "Whole", "block_of", "decode", "decode_whole", "grown", "reason_of"]

NULL = msgspec.Raw(b"null")
FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_STOP = Reason.STOP  # under a name of the module: an enumeration's members are slow to look up
_REASONS = {
    "end_turn": Reason.STOP,
    "stop_sequence": Reason.STOP_SEQUENCE,
    "max_tokens": Reason.LENGTH,
    "model_context_window_exceeded": Reason.LENGTH,
    "tool_use": Reason.TOOL_USE,
    "pause_turn": Reason.PAUSE,
    "refusal": Reason.REFUSAL,
}


class _StopDetails(msgspec.Struct):
    explanation: str | None = None


class Piece(msgspec.Struct):
    """The `delta` of a block or of the message."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    citation: msgspec.Raw = NULL
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: _StopDetails | None = None


class Head(msgspec.Struct):
    """The message as a stream begins with it."""

    id: str | None = None
    model: str | None = None
    usage: msgspec.Raw = NULL


class Chunk(msgspec.Struct):
    """One event of a stream."""

    type: str = ""
    index: int = 0
    delta: Piece | None = None
    content_block: msgspec.Raw = NULL
    message: Head | None = None
    usage: msgspec.Raw = NULL


class Whole(Head):
    """An unstreamed message."""

    type: str = ""
    content: list[msgspec.Raw] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: _StopDetails | None = None


class _Content(msgspec.Struct):
    """The kinds of block that all formats share."""

    type: str = ""
    text: str | None = None
    citations: list[msgspec.Raw] | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = NULL


_chunk = msgspec.json.Decoder(Chunk)
_whole = msgspec.json.Decoder(Whole)
_content = msgspec.json.Decoder(_Content)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode


def decode(data: bytes) -> Chunk:
    """One event. Raises Fault if it is none of this format."""
    try:
        return _chunk.decode(data)
    except FAILURES as error:
        raise Fault(Kind.INVALID, "The upstream sent an event that is not one of a message.") from error


def decode_whole(content: bytes) -> Whole:
    """An unstreamed message, or an error in its place. Raises Fault if it is neither."""
    try:
        whole = _whole.decode(content)
    except FAILURES as error:
        raise Fault(Kind.INVALID, "The upstream answered 200 with something that is not a message.") from error
    if whole.content is None and whole.type != "error":
        raise Fault(Kind.INVALID, "The upstream answered 200 without content.")
    return whole


def block_of(raw: msgspec.Raw, answer_id: str, index: int) -> Block:
    """A block with all it holds; a call without an id is given one. Raises Fault if it is no block."""
    try:
        block = _content.decode(raw)
    except FAILURES as error:
        raise Fault(Kind.INVALID, "The upstream sent a block that makes no sense.") from error
    match block.type:
        case "text" if not block.citations:
            return Text(block.text or "")
        case "text":
            citations = (citation_of(one) for one in block.citations or ())
            return Text(block.text or "", citations=tuple(one for one in citations if one is not None))
        case "thinking":
            return Thinking(block.thinking or "", block.signature or None, OWN)
        case "redacted_thinking":
            return Thinking("", block.data, OWN, redacted=True)
        case "tool_use":
            arguments = bytes(block.input).decode("utf-8", "replace")
            return ToolUse(
                block.id or f"call_{answer_id[-12:]}{index}",
                block.name or "",
                "{}" if arguments == "null" else arguments,
            )
        case kind:
            # Copied: what it is a part of need not live as long.
            return Foreign(OWN, kind, raw.copy())


def grown(raw: msgspec.Raw, pieces: list[bytes], arguments: str) -> msgspec.Raw:
    """A block of a kind of its own with what its deltas have added: pieces of JSON, or fields that replace its own."""
    fields = _object.decode(raw)
    for piece in pieces:
        fields.update(_object.decode(_object.decode(piece)["delta"]))
    fields["type"] = _object.decode(raw)["type"]
    if arguments:
        fields["input"] = written_arguments(arguments)
    return msgspec.Raw(_encode(fields))


def reason_of(word: str | None, *, has_calls: bool) -> Reason:
    """Why the answer ended; some services say `end_turn` although a tool is called."""
    reason = _REASONS.get(word or "", _STOP)
    return Reason.TOOL_USE if has_calls and reason is _STOP else reason
