"""Text out of the many shapes that a message's content may have."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from unigate.mock.ask import Event
from unigate.mock.words import count

__all__ = ["Part", "flat", "fragments", "hidden"]

FRAGMENT = 8


class Part(msgspec.Struct):
    """One part of a message's content; whatever is not text is passed over."""

    type: str = ""
    text: str | None = None


def flat(content: str | list[Part] | None) -> str:
    """The content's text, its parts put together."""
    if isinstance(content, str):
        return content
    return "".join([part.text for part in content or () if part.text])


def fragments(text: str) -> Iterator[tuple[str, int]]:
    """The text of a tool's arguments in short pieces; the last one tells the tokens of all."""
    last = (len(text) - 1) // FRAGMENT * FRAGMENT
    for start in range(0, len(text), FRAGMENT):
        yield text[start : start + FRAGMENT], count(text) if start == last else 0


def hidden(events: Iterator[Event], reasoned: int) -> Iterator[Event]:
    """The events, the first of which bears the cost of what was thought and is not shown."""
    for event, tokens in events:
        yield event, tokens + reasoned
        reasoned = 0
