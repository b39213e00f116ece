"""What a request asks for and what it is answered, in no provider's format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Literal
from zlib import crc32

import msgspec

from unigate.mock.chats import Chats
from unigate.mock.script import Script

__all__ = [
    "Answer",
    "Ask",
    "Cite",
    "Event",
    "Fail",
    "Finish",
    "Heard",
    "Piece",
    "Refused",
    "Reply",
    "Request",
    "Scene",
    "Tool",
    "ToolCall",
    "Turn",
]

Event = tuple[bytes, int]
"""One piece of an answer's body and the output tokens it tells."""


class Request(msgspec.Struct):
    """One request as it came over the wire."""

    method: str
    path: str
    query: dict[str, str]
    headers: list[tuple[bytes, bytes]]
    body: bytes
    target: str = ""
    model: str = ""
    http11: bool = True
    keep_alive: bool = True

    def header(self, name: bytes) -> str:
        """The header's last value, or an empty string."""
        return next((v.decode("latin-1") for k, v in reversed(self.headers) if k.lower() == name), "")


class Scene(msgspec.Struct, frozen=True):
    """The facts an answer is made from beside the request: its number, its model's name and its script."""

    number: int
    model: str
    shown: str
    script: Script
    filler: str = ""
    filler_words: int = 0
    demo: bool = False
    credential: str = ""
    google_token: str = ""
    request: bytes = b""
    chats: Chats = msgspec.field(default_factory=Chats)

    @property
    def tag(self) -> str:
        """The call's number as part of an identifier."""
        return f"mock{self.number:08d}"

    @property
    def created(self) -> int:
        """The call's time in seconds: always the same for the same model."""
        return 1_760_000_000 + crc32(self.model.encode("utf-8", "replace")) % 1_000_000


class Tool(msgspec.Struct, frozen=True):
    """A tool a request offers."""

    name: str
    parameters: msgspec.Raw = msgspec.Raw(b"{}")


class Piece(msgspec.Struct, frozen=True):
    """One part of what the model said before, as it came back: a thought, a redacted one, a call, anything else."""

    kind: Literal["thinking", "redacted", "call", "other"]
    text: str = ""
    signature: str = ""


Turn = tuple[Piece, ...]
"""One turn of the model that came back."""


class Ask(msgspec.Struct, frozen=True):
    """What a conversation asks for."""

    texts: list[str]
    model: str = ""
    user_text: str = ""
    stream: bool = False
    include_usage: bool = False
    tool_result: str | None = None
    tools: tuple[Tool, ...] = ()
    forced: str | None = None
    may_call: bool = True
    wants_json: bool = False
    schema: msgspec.Raw = msgspec.Raw(b"")
    limit: int | None = None
    stops: tuple[str, ...] = ()
    """The sequences at which the model shall stop."""
    choices: int = 1
    turns: tuple[Turn, ...] = ()
    """The model's turns since the user spoke last, in which it called the tools whose results come now."""
    thinks: bool = True
    """Whether the model may think: not if the request forbids it."""
    logprobs: int | None = None
    """How many alternatives are wanted for each word; none if no probabilities are."""
    encrypted: bool = False
    """Whether thoughts are wanted in an encrypted form."""


class ToolCall(msgspec.Struct, frozen=True):
    """A call of a tool: its name and its arguments as JSON text."""

    name: str
    arguments: str


class Cite(msgspec.Struct, frozen=True):
    """A source for a part of the text: the part's place in characters, and the source."""

    start: int
    end: int
    url: str
    title: str
    quote: str


class Finish(Enum):
    """Why an answer ended."""

    STOP = "stop"
    LENGTH = "length"
    TOOLS = "tools"
    REFUSAL = "refusal"
    FILTER = "filter"
    PAUSE = "pause"
    SEQUENCE = "stop_sequence"


class Answer(msgspec.Struct, frozen=True):
    """What a conversation is answered."""

    text: str
    thinking: str
    calls: tuple[ToolCall, ...]
    finish: Finish
    input_tokens: int
    output_tokens: int
    reasoned: int = 0
    """How many of the output tokens were thought and not said."""
    redacted: str = ""
    """A thought that nobody may read."""
    stopped: str | None = None
    """The sequence at which the text stopped."""
    cites: tuple[Cite, ...] = ()
    word: str | None = None
    """The finish reason that the script dictates word for word."""

    def ending(self, words: Mapping[Finish, str]) -> str:
        """The finish reason in a format's own words; one that the format does not know is an ordinary stop."""
        return self.word or words.get(self.finish) or words[Finish.STOP]


class Fail(msgspec.Struct, frozen=True):
    """An error before it is put into a provider's own shape."""

    status: int
    message: str
    type: str | None = None
    code: str | None = None
    tag: str = ""
    retry_after: str | None = None


class Refused(Exception):
    """A conversation that the provider would not go on with."""

    def __init__(self, fail: Fail) -> None:
        super().__init__(fail.message)
        self.fail = fail


class Reply(msgspec.Struct):
    """A healthy answer on its way out: a whole body, or the events of a stream."""

    body: bytes = b""
    events: Iterator[Event] | None = None
    status: int = 200
    content_type: bytes = b"application/json"
    input_tokens: int = 0
    output_tokens: int = 0
    frame: Callable[[bytes], bytes] | None = None
    """What wraps each event last of all, for streams that are not text."""


class Heard(msgspec.Struct, frozen=True):
    """A request that was understood: the model it names and the way to its answer."""

    model: str
    stream: bool
    answer: Callable[[Scene], Reply]
    named: bool = True
    """Whether a request of this kind must name a model."""
