"""The pieces of a Responses answer, as they stand in JSON."""

from __future__ import annotations

import msgspec

from unigate.conversation import Citation, Logprob
from unigate.dialects.openai_responses.errors import Failure

__all__ = [
    "Annotation",
    "Event",
    "Head",
    "Item",
    "Part",
    "Response",
    "Token",
    "citation_of",
    "logprobs_of",
    "plain_text",
]

_NOTHING = msgspec.Raw(b"null")


class Likely(msgspec.Struct, frozen=True):
    """A token that could have stood in another's place."""

    token: str = ""
    logprob: float = 0.0


class Token(msgspec.Struct, frozen=True):
    """A token of the text with its probability."""

    token: str = ""
    logprob: float = 0.0
    top_logprobs: list[Likely] | None = None


class Annotation(msgspec.Struct, frozen=True):
    """Where a passage comes from."""

    type: str = ""
    url: str | None = None
    title: str | None = None
    filename: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class Part(msgspec.Struct, frozen=True):
    """A part of a message, or of reasoning."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    annotations: list[Annotation] | None = None
    logprobs: list[Token] | None = None


class Item(msgspec.Struct, frozen=True):
    """An item of the output: a message, reasoning, a call."""

    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: str | None = None
    input: str | None = None
    content: list[Part] | None = None
    summary: list[Part] | None = None
    encrypted_content: str | None = None
    result: str | None = None
    output_format: str | None = None


class Head(msgspec.Struct, frozen=True):
    """What every event and every item has."""

    type: str = ""
    id: str | None = None


class Incomplete(msgspec.Struct, frozen=True):
    """Why a response stopped early."""

    reason: str | None = None


class Response(msgspec.Struct, frozen=True):
    """A whole response, or the head of one."""

    id: str = ""
    model: str = ""
    status: str | None = None
    output: list[msgspec.Raw] | None = None
    error: Failure | None = None
    incomplete_details: Incomplete | None = None
    usage: msgspec.Raw = _NOTHING
    service_tier: msgspec.Raw = _NOTHING


class Event(msgspec.Struct, frozen=True):
    """One event of a stream; of an `error` the details stand in it or in its `error`."""

    type: str = ""
    delta: str | None = None
    output_index: int | None = None
    content_index: int = 0
    summary_index: int = 0
    item_id: str | None = None
    logprobs: list[Token] | None = None
    item: msgspec.Raw = _NOTHING
    part: msgspec.Raw = _NOTHING
    annotation: Annotation | None = None
    response: msgspec.Raw = _NOTHING
    error: Failure | None = None
    code: str | int | None = None
    message: str | None = None
    param: str | None = None


def plain_text(items: list[Item]) -> str | None:
    """The text of an output that is one text without anything beside it; None for any other."""
    if len(items) != 1 or items[0].type != "message" or items[0].content is None or len(items[0].content) != 1:
        return None
    part = items[0].content[0]
    return part.text if part.type == "output_text" and not part.annotations and not part.logprobs else None


def logprobs_of(tokens: list[Token] | None) -> tuple[Logprob, ...]:
    """The probabilities of a piece of text."""
    if not tokens:
        return ()
    return tuple(
        Logprob(one.token, one.logprob, tuple((other.token, other.logprob) for other in one.top_logprobs or ()))
        for one in tokens
    )


def citation_of(one: Annotation) -> Citation | None:
    """A citation; None for a file that the answer made rather than quoted."""
    if one.url is None and one.filename is None:
        return None
    return Citation(one.url, one.title or one.filename, start=one.start_index, end=one.end_index)
