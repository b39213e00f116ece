"""The pieces of Chat Completions answers: chunks of streams and whole answers have the same shape but for a name."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from unigate.conversation import Block, Citation, Event, Logprob, Text
from unigate.dialects.collect import Collector
from unigate.dialects.openai_counts import Counts
from unigate.dialects.openai_usage import read_counts

__all__ = [
    "Choice",
    "Chunk",
    "Part",
    "Piece",
    "ToolDelta",
    "citation_of",
    "decode",
    "gathered",
    "logprobs_of",
    "plain_text",
    "status_of",
    "thought_of",
]

_NULL = msgspec.Raw(b"null")


class Part(msgspec.Struct, frozen=True):
    """A part of a content list, as Mistral sends it."""

    type: str = "text"
    text: str | None = None
    thinking: str | list[Part] | None = None


class Signature(msgspec.Struct, frozen=True):
    """What Gemini's models want back."""

    thought_signature: str | None = None


class Extra(msgspec.Struct, frozen=True):
    """Where Google tells, and wants told, what the format has no field for: ai.google.dev/gemini-api/docs/openai."""

    google: Signature | None = None


class Function(msgspec.Struct, frozen=True):
    """A called tool's name and more of its arguments; `input` is a custom tool's."""

    name: str | None = None
    arguments: str | None = None
    input: str | None = None


class ToolDelta(msgspec.Struct, frozen=True):
    """More of a tool call; id and name come once, the index says which call it is, and any of them may be missing."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None
    custom: Function | None = None
    extra_content: Extra | None = None


class Detail(msgspec.Struct, frozen=True):
    """A piece of reasoning, as OpenRouter tells it."""

    type: str = ""
    text: str | None = None
    summary: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    index: int | None = None


class UrlCitation(msgspec.Struct, frozen=True):
    """Which characters of the text come from which page."""

    url: str | None = None
    title: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class Annotation(msgspec.Struct, frozen=True):
    """One annotation of the text."""

    url_citation: UrlCitation | None = None


class Piece(msgspec.Struct, frozen=True):
    """A `delta`, or a whole `message`."""

    content: str | list[Part] | None = None
    tool_calls: list[ToolDelta] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Detail] | None = None
    refusal: str | None = None
    annotations: list[Annotation] | None = None
    extra_content: Extra | None = None


class Choice(msgspec.Struct, frozen=True):
    """One of the answer's alternatives."""

    index: int | None = None
    delta: Piece | None = None
    message: Piece | None = None
    finish_reason: str | None = None
    logprobs: msgspec.Raw = _NULL


class Groq(msgspec.Struct, frozen=True):
    """Where Groq tells a stream's usage."""

    usage: Counts | None = None


class SearchResult(msgspec.Struct, frozen=True):
    """A page that Perplexity read."""

    url: str | None = None
    title: str | None = None


class Chunk(msgspec.Struct, frozen=True):
    """A chunk of a stream, or a whole answer."""

    id: str | None = None
    model: str | None = None
    choices: list[Choice] | None = None
    usage: Counts | None = None
    error: msgspec.Raw = _NULL
    x_groq: Groq | None = None
    citations: list[str] | None = None
    search_results: list[SearchResult] | None = None
    service_tier: msgspec.Raw = _NULL


class _Alternative(msgspec.Struct, frozen=True):
    token: str
    logprob: float


class _Token(msgspec.Struct, frozen=True):
    token: str
    logprob: float
    top_logprobs: list[_Alternative] | None = None


class _Logprobs(msgspec.Struct, frozen=True):
    content: list[_Token] | None = None


class _Error(msgspec.Struct, frozen=True):
    code: int | None = None
    status_code: int | None = None


class _Careless(msgspec.Struct, frozen=True):
    """A chunk with something beside the answer that makes no sense."""

    id: str | None = None
    model: str | None = None
    choices: list[Choice] | None = None
    usage: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL


_chunk = msgspec.json.Decoder(Chunk)
_careless = msgspec.json.Decoder(_Careless)
_logprobs = msgspec.json.Decoder(_Logprobs | None)
_error = msgspec.json.Decoder(_Error)


def decode(data: bytes) -> Chunk:
    """A chunk or a whole answer, without what stands beside the choices and makes no sense.

    Raises msgspec.DecodeError and its kind.
    """
    try:
        return _chunk.decode(data)
    except msgspec.ValidationError:
        read = _careless.decode(data)
        return Chunk(read.id, read.model, read.choices, read_counts(read.usage), read.error)


def plain_text(choice: Choice) -> str | None:
    """The text of a whole answer that is one text without anything beside it; None for any other."""
    piece = choice.message
    if piece is None or choice.delta is not None or bytes(choice.logprobs) != b"null":
        return None
    if piece.tool_calls or piece.refusal or piece.annotations or piece.extra_content is not None:
        return None
    if piece.reasoning_content or piece.reasoning or piece.reasoning_details or choice.finish_reason == "null":
        return None
    return piece.content if isinstance(piece.content, str) else None


def logprobs_of(raw: msgspec.Raw) -> tuple[Logprob, ...]:
    """The tokens' probabilities, if they were told in OpenAI's form."""
    if raw is _NULL or bytes(raw) == b"null":
        return ()
    try:
        told = _logprobs.decode(raw)
    except msgspec.ValidationError:
        return ()
    tokens = (told.content if told else None) or ()
    return tuple(
        Logprob(one.token, one.logprob, tuple((other.token, other.logprob) for other in one.top_logprobs or ()))
        for one in tokens
    )


def status_of(error: msgspec.Raw) -> int:
    """The HTTP status that an error within a stream stands for: its code, if that is one."""
    try:
        told = _error.decode(error)
    except msgspec.DecodeError:
        return 500
    status = told.status_code or told.code or 0
    return status if 400 <= status <= 599 else 500


def thought_of(part: Part) -> str:
    """The words of a part that holds reasoning."""
    if isinstance(part.thinking, str):
        return part.thinking
    return "".join(one.text or "" for one in part.thinking or ())


def citation_of(cited: UrlCitation, offset: int) -> Citation:
    """One citation of a block that begins at `offset`; services that know no place in the text write 0 to 0."""
    if not cited.end_index:
        return Citation(cited.url, cited.title)
    return Citation(cited.url, cited.title, None, (cited.start_index or 0) - offset, cited.end_index - offset)


def gathered(events: Iterable[Event], sources: list[Citation]) -> tuple[Block, ...]:
    """The blocks of a whole answer; what is cited for the answer at large belongs to its last text."""
    blocks = list(Collector(events).blocks())
    for number in range(len(blocks) - 1, -1, -1):
        block = blocks[number]
        if sources and isinstance(block, Text):
            blocks[number] = Text(block.text, None, (*block.citations, *sources), block.logprobs)
            break
    return tuple(blocks)
