"""What a Converse answer is made of: the frames of a stream, and the blocks in them and in a whole answer.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from unigate.conversation import Citation, Reason
from unigate.errors import Fault, Kind
from unigate.tier import told_tier, united
from unigate.usage import REJECTED, Usage

__all__ = [
    "NULL",
    "Chunk",
    "Content",
    "Picture",
    "Piece",
    "Start",
    "Tool",
    "Whole",
    "citation_of",
    "decode",
    "decode_start",
    "decode_whole",
    "input_of",
    "reason_of",
    "usage_of",
]

NULL = msgspec.Raw(b"null")
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_STOP = Reason.STOP  # under a name of the module: an enumeration's members are slow to look up
_REASONS = {
    "end_turn": Reason.STOP,
    "stop_sequence": Reason.STOP_SEQUENCE,
    "max_tokens": Reason.LENGTH,
    "model_context_window_exceeded": Reason.LENGTH,
    "tool_use": Reason.TOOL_USE,
    "guardrail_intervened": Reason.FILTER,
    "content_filtered": Reason.FILTER,
    "refusal": Reason.REFUSAL,
    "pause_turn": Reason.PAUSE,
}
_MALFORMED = frozenset({"malformed_model_output", "malformed_tool_use"})
# A count outside this range is no count.
_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**40)]


class _Camel(msgspec.Struct, rename="camel"):
    pass


class _Written(_Camel):
    input_tokens: _Count = 0
    ttl: str = ""


class _Counts(_Camel):
    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    cache_read_input_tokens: _Count | None = None
    cache_write_input_tokens: _Count | None = None
    cache_details: list[_Written] | None = None


class _Text(msgspec.Struct):
    text: str | None = None


class _Where(_Camel):
    url: str | None = None
    document_index: int | None = None
    start: int | None = None


class _Location(_Camel):
    web: _Where | None = None
    document_char: _Where | None = None
    document_page: _Where | None = None
    document_chunk: _Where | None = None


class Cite(_Camel):
    """Where a passage comes from."""

    title: str | None = None
    source: str | None = None
    source_content: list[_Text] | None = None
    location: _Location | None = None


class _Reasoning(_Camel):
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None
    reasoning_text: _Signed | None = None


class _Signed(msgspec.Struct):
    text: str | None = None
    signature: str | None = None


class _Cited(msgspec.Struct):
    content: list[_Text] | None = None
    citations: list[Cite] | None = None


class _Source(msgspec.Struct):
    bytes: str | None = None


class Picture(msgspec.Struct):
    """A picture the model has made."""

    format: str | None = None
    source: _Source | None = None


class Tool(_Camel):
    """A call, its input as JSON in a whole answer and as text in a stream's pieces."""

    tool_use_id: str | None = None
    name: str | None = None
    type: str | None = None
    input: msgspec.Raw = NULL


class Content(_Camel):
    """A whole block: of a union only one is there."""

    text: str | None = None
    tool_use: Tool | None = None
    reasoning_content: _Reasoning | None = None
    citations_content: _Cited | None = None
    image: Picture | None = None


class Start(_Camel):
    """How a tool's block, or one made for a model's own, begins."""

    tool_use: Tool | None = None
    image: Picture | None = None


class Piece(_Camel):
    """More of a block."""

    text: str | None = None
    tool_use: Tool | None = None
    reasoning_content: _Reasoning | None = None
    citation: Cite | None = None
    image: Picture | None = None


class Chunk(_Camel):
    """The payload of any frame of a stream."""

    content_block_index: int = 0
    start: msgspec.Raw = NULL
    delta: Piece | None = None
    stop_reason: str | None = None
    usage: msgspec.Raw = NULL
    service_tier: msgspec.Raw = NULL
    performance_config: msgspec.Raw = NULL


class _Message(msgspec.Struct):
    content: list[msgspec.Raw] = []


class _Output(msgspec.Struct):
    message: _Message | None = None


class Whole(_Camel):
    """An unstreamed answer."""

    output: _Output
    stop_reason: str | None = None
    usage: msgspec.Raw = NULL
    service_tier: msgspec.Raw = NULL
    performance_config: msgspec.Raw = NULL


_chunk = msgspec.json.Decoder(Chunk)
_whole = msgspec.json.Decoder(Whole)
_start = msgspec.json.Decoder(Start)
_input = msgspec.json.Decoder(str)
_counts = msgspec.json.Decoder(_Counts | None)


def decode(payload: bytes) -> Chunk:
    """A frame's payload. Raises Fault if it is none of this format."""
    try:
        return _chunk.decode(payload)
    except _FAILURES as error:
        raise Fault(Kind.INVALID, "The upstream sent a frame that is not one of an answer.") from error


def decode_start(raw: msgspec.Raw) -> Start:
    """How a block begins; nothing is told of one that only its own service knows. Raises Fault if it is no object."""
    if raw == NULL:
        return Start()
    try:
        return _start.decode(raw)
    except _FAILURES as error:
        raise Fault(Kind.INVALID, "The upstream sent a block that makes no sense.") from error


def input_of(call: Tool) -> str:
    """A piece of a call's input, which is text in a stream. Raises Fault if it is none."""
    if call.input == NULL:
        return ""
    try:
        return _input.decode(call.input)
    except _FAILURES as error:
        raise Fault(Kind.INVALID, "The upstream sent a piece of a call that is no text.") from error


def decode_whole(content: bytes) -> Whole:
    """An unstreamed answer. Raises Fault if it is none."""
    try:
        return _whole.decode(content)
    except _FAILURES as error:
        raise Fault(Kind.INVALID, "The upstream answered 200 with something that is not a Converse answer.") from error


def usage_of(told: Chunk | Whole) -> Usage | None:
    """The counts as usage; `inputTokens` leaves out what the cache was read or written for."""
    try:
        counts = _counts.decode(told.usage)
    except _FAILURES:
        return REJECTED
    if counts is None or (counts.input_tokens is None and counts.output_tokens is None):
        return None
    read, written = counts.cache_read_input_tokens, counts.cache_write_input_tokens
    inputs = (counts.input_tokens or 0) + (read or 0) + (written or 0)
    # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CacheDetail.html
    details = counts.cache_details
    hours = sum(one.input_tokens for one in details if one.ttl == "1h") or None if details else None
    tiers = [told_tier(told.service_tier), told_tier(told.performance_config)]
    tier = united(one for one in tiers if one) if tiers != [None, None] else None
    return Usage(inputs, counts.output_tokens, read, None, False, written, None, None, hours, False, tier)


def citation_of(cite: Cite) -> Citation:
    """A citation of the block that it hangs on."""
    place = cite.location or _Location()
    within = place.document_char or place.document_page or place.document_chunk
    url = place.web.url if place.web else None
    return Citation(
        url or cite.source,
        cite.title,
        "".join(one.text or "" for one in cite.source_content or ()) or None,
        document=within.document_index if within else None,
        page=place.document_page.start if place.document_page else None,
    )


def reason_of(word: str | None, *, has_calls: bool) -> Reason:
    """Why the answer ended. Raises Fault if what the model said could not be made an answer."""
    if word in _MALFORMED:
        raise Fault(Kind.INVALID, f"The upstream could not read what its model said ({word}).")
    reason = _REASONS.get(word or "", _STOP)
    return Reason.TOOL_USE if has_calls and reason is _STOP else reason
