"""What answers one path: how its requests are read, its answers written and its errors shaped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import msgspec

from unigate.mock import answers_openai as openai
from unigate.mock import stamps
from unigate.mock.answer import compose
from unigate.mock.ask import Answer, Ask, Event, Fail, Heard, Reply, Request, Scene
from unigate.mock.parts import hidden

__all__ = ["SSE", "Dialect", "Route", "conversation", "counting"]

SSE = b"text/event-stream; charset=utf-8"


def _own_status(fail: Fail) -> int:
    return fail.status


class Route(msgspec.Struct, frozen=True):
    """What answers one path, the shape of its errors and the headers that are the provider's own."""

    hear: Callable[[Request], Heard]
    error: Callable[[Fail], bytes] = openai.error
    stream_error: Callable[[Fail], bytes] = openai.stream_error
    stamp: stamps.Stamp = stamps.openai
    stranger: Callable[[str], Fail] = stamps.unknown_key
    error_status: Callable[[Fail], int] = _own_status
    repeatable: bool = True
    """Whether the same request may be answered from memory: not if the answer has checksums or leaves a trace."""


class Dialect(msgspec.Struct, frozen=True):
    """A format of conversations: how it is read and how it is written."""

    read: Callable[[Request], Ask]
    body: Callable[[Ask, Answer, Scene], bytes]
    events: Callable[[Ask, Answer, Scene], Iterator[Event]]
    stream_type: bytes = SSE
    frame: Callable[[bytes], bytes] | None = None
    wordless: bool = False
    """Whether a refusal in this format has no words."""
    prove: Callable[[Ask, Scene], None] | None = None
    """What demands that earlier thoughts have come back; raises if they have not."""


def conversation(dialect: Dialect, request: Request) -> Heard:
    """Understands a conversation in this dialect."""
    ask = dialect.read(request)
    return Heard(ask.model, ask.stream, partial(_converse, dialect, ask))


def _converse(dialect: Dialect, ask: Ask, scene: Scene) -> Reply:
    if dialect.prove is not None:
        dialect.prove(ask, scene)
    answer = compose(ask, scene)
    if dialect.wordless and scene.script.refusal:
        answer = msgspec.structs.replace(answer, text="", output_tokens=answer.reasoned)
    if ask.stream:
        events = hidden(dialect.events(ask, answer, scene), scene.script.reasoning)
        return Reply(
            events=events,
            content_type=dialect.stream_type,
            input_tokens=answer.input_tokens,
            frame=dialect.frame,
        )
    told = answer.output_tokens * ask.choices
    return Reply(dialect.body(ask, answer, scene), input_tokens=answer.input_tokens, output_tokens=told)


Count = Callable[[Ask, Scene], Reply]


def counting(read: Callable[[Request], Ask], count: Count, request: Request) -> Heard:
    """Understands a question for the number of tokens."""
    ask = read(request)
    return Heard(ask.model, False, partial(count, ask))
