"""How many tokens an ask is likely to have."""

from __future__ import annotations

import base64

import msgspec
import pytest

from unigate.conversation import (
    Ask,
    Block,
    Data,
    Document,
    Foreign,
    Format,
    HostedTool,
    Image,
    Message,
    Role,
    Text,
    Thinking,
    Tool,
    ToolResult,
    ToolUse,
    Url,
    Video,
)
from unigate.dialects.estimate import tokens_of_ask, tokens_of_text


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("a", 1), ("a" * 8, 2), ("снег", 2), ("雪が降る", 4), ("下雪", 2), ("❄️", 2), ("snow 雪", 3)],
)
def test_texts(text: str, tokens: int) -> None:
    assert tokens_of_text(text) == tokens


def of(*blocks: Block) -> int:
    """The tokens of one message beyond its frame."""
    return tokens_of_ask(Ask(model="m", messages=(Message(Role.USER, blocks),))) - 4


@pytest.mark.parametrize(
    ("block", "tokens"),
    [
        (Text("a" * 40), 10),
        (Thinking("a" * 40, "s" * 800), 10),
        (Thinking("", "s" * 800, redacted=True), 100),
        (ToolUse("t", "look", "a" * 40), 15),
        (ToolResult("t", (Text("a" * 40), Image(Url("x")))), 1614),
        (Image(Data("image/png", "QUJD")), 1600),
        (Document(Data("text/plain", base64.b64encode(b"a" * 40).decode())), 10),
        (Document(Data("application/pdf", "Q" * 8600)), 100),
        (Video(Url("x")), 3000),
        (Foreign("x", "y", msgspec.Raw(b"a" * 40)), 10),
    ],
)
def test_blocks(block: Block, tokens: int) -> None:
    assert of(block) == tokens


def test_tools_and_the_form_of_the_answer_count() -> None:
    raw = msgspec.Raw(b"a" * 40)
    ask = Ask(
        model="m",
        messages=(),
        tools=(Tool("look", "Looks.", raw),),
        hosted_tools=(HostedTool("x", "y", raw),),
        format=Format(raw),
    )

    assert tokens_of_ask(ask) == (4 + 1 + 2 + 10) + (4 + 10) + 10


def test_it_is_never_nothing() -> None:
    assert tokens_of_ask(Ask(model="m", messages=())) == 1
