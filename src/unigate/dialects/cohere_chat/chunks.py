"""The pieces of Cohere's answers, as they stand in JSON (https://docs.cohere.com/reference/chat-stream)."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = [
    "Call",
    "Citation",
    "Content",
    "Count",
    "Delta",
    "Described",
    "Event",
    "Function",
    "Message",
    "Source",
    "Token",
    "Tokens",
    "Usage",
    "Whole",
    "plain_text",
]

_NOTHING = msgspec.Raw(b"null")

Count = Annotated[float, msgspec.Meta(ge=0, lt=2**40)]
"""A count outside this range is no count."""


class Source(msgspec.Struct, frozen=True):
    """What a passage of the answer was taken from."""

    type: str = ""
    id: str | None = None
    document: msgspec.Raw = _NOTHING
    tool_output: msgspec.Raw = _NOTHING


class Described(msgspec.Struct, frozen=True):
    """A source that says what it is."""

    title: str | None = None
    url: str | None = None


class Citation(msgspec.Struct, frozen=True):
    """A passage of the answer, and what it was taken from."""

    start: int | None = None
    end: int | None = None
    sources: list[Source] | None = None
    content_index: int | None = None


class Content(msgspec.Struct, frozen=True):
    """A part of the answer, or more of one."""

    type: str = ""
    text: str | None = None
    thinking: str | None = None


class Function(msgspec.Struct, frozen=True):
    """A called tool, or more of its arguments."""

    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct, frozen=True):
    """A call of a tool, or more of one."""

    id: str | None = None
    function: Function | None = None


class Message(msgspec.Struct, frozen=True):
    """An answer, or more of one; what is a list in the whole is one thing in a piece."""

    content: list[Content] | Content | None = None
    tool_plan: str | None = None
    tool_calls: list[Call] | Call | None = None
    citations: list[Citation] | Citation | None = None


class Token(msgspec.Struct, frozen=True):
    """A piece of text with the probabilities of its tokens."""

    text: str | None = None
    logprobs: list[float] | None = None


class Delta(msgspec.Struct, frozen=True):
    """What an event adds, or how the answer ended."""

    message: Message | None = None
    finish_reason: str | None = None
    usage: msgspec.Raw = _NOTHING
    error: str | None = None
    error_type: str | None = None


class Event(msgspec.Struct, frozen=True):
    """One event of a stream."""

    type: str = ""
    id: str | None = None
    index: int = 0
    delta: Delta | None = None
    logprobs: Token | None = None
    message: msgspec.Raw = _NOTHING


class Whole(Delta, frozen=True):
    """An unstreamed answer."""

    id: str = ""
    logprobs: list[Token] | None = None


class Tokens(msgspec.Struct, frozen=True):
    """Counts of tokens; reasoning is part of the output, images stand beside the input."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    image_tokens: Count | None = None
    reasoning_tokens: Count | None = None


class Usage(msgspec.Struct, frozen=True):
    """What an answer consumed."""

    tokens: Tokens | None = None
    billed_units: Tokens | None = None
    cached_tokens: Count | None = None


def plain_text(told: Whole) -> str | None:
    """The text of a whole answer that is one text without anything beside it; None for any other."""
    message = told.message
    if message is None or message.tool_plan or message.tool_calls or message.citations or told.logprobs:
        return None
    content = message.content
    if not isinstance(content, list) or len(content) != 1 or content[0].type == "thinking":
        return None
    return content[0].text
