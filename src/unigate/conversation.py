"""The neutral middle of a crossing: what a client asks and what a model answers, in no provider's words.

A conversation is messages of ordered blocks. An answer is told as events: `Begin`, then for each block `Open`, any
number of `Delta`, `Signed` and `Cited`, `Close`; at the very end `End`. `Spent` may come anywhere before the end, the
last one counts. Blocks may overlap (parallel tool calls); an index tells them apart, and they open in its order.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from unigate.parts import Part
from unigate.usage import Usage

__all__ = [
    "Answer",
    "Ask",
    "Asked",
    "Audio",
    "Begin",
    "Block",
    "Citation",
    "Cited",
    "Close",
    "Data",
    "Delta",
    "Document",
    "End",
    "Event",
    "FileRef",
    "Foreign",
    "Format",
    "HostedTool",
    "Image",
    "Logprob",
    "Message",
    "Open",
    "Reason",
    "Refused",
    "Role",
    "Signed",
    "Source",
    "Spent",
    "Text",
    "Thinking",
    "Tool",
    "ToolChoice",
    "ToolResult",
    "ToolUse",
    "Url",
    "Video",
]


# --- where content comes from


class Url(msgspec.Struct, frozen=True):
    """Content that the provider fetches itself."""

    url: str
    media_type: str | None = None


class Data(msgspec.Struct, frozen=True):
    """Content that is in the request: its media type and its bytes as standard base64."""

    media_type: str
    base64: str


class FileRef(msgspec.Struct, frozen=True):
    """Content that was uploaded to a provider earlier; only a target of the dialect `origin` may know it."""

    id: str
    origin: str


Source = Url | Data | FileRef


# --- blocks


class Citation(msgspec.Struct, frozen=True):
    """Where a passage of the text comes from; `start` and `end` count characters of the text block it belongs to."""

    url: str | None = None
    title: str | None = None
    quote: str | None = None
    start: int | None = None
    end: int | None = None
    document: int | None = None  # which of the request's documents, from 0
    page: int | None = None  # from 1


class Logprob(msgspec.Struct, frozen=True, gc=False):
    """One token's logarithmic probability; `others` are the likeliest in its place, itself among them."""

    token: str
    logprob: float
    others: tuple[tuple[str, float], ...] = ()


class Text(msgspec.Struct, frozen=True):
    """Words. `cache` asks to keep everything up to here in the prompt cache: a lifetime such as `5m`, or ``."""

    text: str
    cache: str | None = None
    citations: tuple[Citation, ...] = ()
    logprobs: tuple[Logprob, ...] = ()


class Image(msgspec.Struct, frozen=True):
    """A picture; `detail` is `low`, `high` or `auto`."""

    source: Source
    detail: str | None = None
    cache: str | None = None


class Document(msgspec.Struct, frozen=True):
    """A file to read, such as a PDF or plain text; `cited` asks for citations of it."""

    source: Source
    name: str | None = None
    cache: str | None = None
    cited: bool = False


class Audio(msgspec.Struct, frozen=True):
    """A sound recording."""

    source: Source
    cache: str | None = None


class Video(msgspec.Struct, frozen=True):
    """A moving picture."""

    source: Source
    cache: str | None = None


class Thinking(msgspec.Struct, frozen=True):
    """Reasoning. The signature is whatever the provider wants back byte for byte; only `origin`'s dialect knows it.

    With `redacted` there is no text to show and the signature holds everything. A signature that a provider hangs onto
    a text or a tool call is a Thinking of its own, without text, just before that block. With `partial` the client has
    lost the words, or the thoughts before these, that the signature is over.
    """

    text: str
    signature: str | None = None
    origin: str = ""
    redacted: bool = False
    id: str | None = None
    partial: bool = False

    def fits(self, dialect: str) -> bool:
        """Whether a provider that takes thoughts back without signatures takes this one: its own, or plain words."""
        return self.origin == dialect or bool(self.text and not self.signature)


class ToolUse(msgspec.Struct, frozen=True):
    """The model calls a tool; `arguments` are JSON text (a custom tool's are plain text)."""

    id: str
    name: str
    arguments: str
    cache: str | None = None
    custom: bool = False


class ToolResult(msgspec.Struct, frozen=True):
    """What a tool gave back: Text, Image, Document … blocks."""

    id: str
    blocks: tuple[Block, ...]
    is_error: bool = False
    name: str | None = None
    cache: str | None = None


class Refused(msgspec.Struct, frozen=True):
    """The model's own words for why it will not answer."""

    text: str


class Foreign(msgspec.Struct, frozen=True):
    """A block that only its own dialect understands, such as a hosted tool's call or result, as its JSON."""

    origin: str
    kind: str
    raw: msgspec.Raw


Block = Text | Image | Document | Audio | Video | Thinking | ToolUse | ToolResult | Refused | Foreign


# --- an ask


class Role(StrEnum):
    """Who says a message. Tool results stand in messages of the user."""

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"


class Message(msgspec.Struct, frozen=True):
    """One turn, its blocks in order."""

    role: Role
    blocks: tuple[Block, ...]
    name: str | None = None

    @property
    def plain_text(self) -> str | None:
        """The words of a message that is one text with nothing beside it, as most are; None for any other."""
        only = self.blocks[0] if len(self.blocks) == 1 and self.name is None else None
        return only.text if isinstance(only, Text) and only.cache is None else None


class Tool(msgspec.Struct, frozen=True):
    """A tool the client runs itself; `schema` is JSON Schema. A custom tool takes free text, in `grammar` if given."""

    name: str
    description: str | None = None
    schema: msgspec.Raw | None = None
    strict: bool | None = None
    cache: str | None = None
    custom: bool = False
    grammar: msgspec.Raw | None = None
    space: tuple[str, str] | None = None  # the namespace and the name in it, if `name` was made of the two


class HostedTool(msgspec.Struct, frozen=True):
    """A tool the provider runs, such as web search, as its dialect says it."""

    origin: str
    kind: str
    raw: msgspec.Raw


class ToolChoice(msgspec.Struct, frozen=True):
    """`auto`, `none`, `required`, or `named`: one of the tools in `names` must be called."""

    mode: str
    names: tuple[str, ...] = ()


class Format(msgspec.Struct, frozen=True):
    """The form the text must have: any JSON object, or one that satisfies a schema."""

    schema: msgspec.Raw | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class Ask(msgspec.Struct, kw_only=True):
    """One request to a model. `effort` is none, minimal, low, medium, high or xhigh; `thinking_budget` is in tokens.

    `others` are fields that only the client's dialect knows, `unknown` fields that nobody knows: names as the client
    wrote them, with the path to them (`messages[].weight`). `echo` is what the client's format repeats in its answer.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    hosted_tools: tuple[HostedTool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel: bool | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    user: str | None = None
    format: Format | None = None
    effort: str | None = None
    thinking_budget: int | None = None
    thinking_shown: bool | None = None
    settings: dict[Part, msgspec.Raw] = {}
    streamed: bool = False
    others: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    echo: dict[str, msgspec.Raw] = {}


class Asked(msgspec.Struct, frozen=True):
    """What of an ask its answer is written with; `at` is in seconds since 1970.

    `spaces` are the tools whose names were made of a namespace and a name, and of which.
    """

    id: str
    model: str
    at: int
    custom_tools: frozenset[str] = frozenset()
    shows_usage: bool = False
    spaces: dict[str, tuple[str, str]] = {}
    echo: dict[str, msgspec.Raw] = {}
    shows_thoughts: bool = True


# --- an answer


class Reason(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"
    TOOL_USE = "tool_use"
    FILTER = "filter"  # the provider's filter cut or blocked it
    REFUSAL = "refusal"  # the model would not
    PAUSE = "pause"  # a hosted tool's turn is to be continued by sending it back


class Begin(msgspec.Struct, frozen=True, gc=False):
    """An answer begins; an empty id or model means that the provider told none."""

    id: str
    model: str


class Open(msgspec.Struct, frozen=True):
    """A block begins. Its text or arguments are empty and follow; a Foreign or redacted Thinking comes whole."""

    index: int
    block: Block


class Delta(msgspec.Struct, frozen=True):
    """More of a block's text, reasoning, refusal, or arguments."""

    index: int
    text: str
    logprobs: tuple[Logprob, ...] = ()


class Signed(msgspec.Struct, frozen=True, gc=False):
    """More of a Thinking block's signature."""

    index: int
    signature: str


class Cited(msgspec.Struct, frozen=True):
    """One more citation of a Text block."""

    index: int
    citation: Citation


class Close(msgspec.Struct, frozen=True, gc=False):
    """A block is complete."""

    index: int


class Spent(msgspec.Struct, frozen=True):
    """What the answer has consumed in all so far."""

    usage: Usage


class End(msgspec.Struct, frozen=True, gc=False):
    """The answer is complete, and why."""

    reason: Reason
    stop_sequence: str | None = None


Event = Begin | Open | Delta | Signed | Cited | Close | Spent | End


class Answer(msgspec.Struct, frozen=True):
    """A whole answer: all its events at once."""

    id: str
    model: str
    blocks: tuple[Block, ...]
    reason: Reason
    stop_sequence: str | None = None
    usage: Usage = Usage()

    @property
    def plain_text(self) -> str | None:
        """The words of an answer that is one text with nothing beside it, as most are; None for any other."""
        only = self.blocks[0] if len(self.blocks) == 1 else None
        return only.text if isinstance(only, Text) and not only.citations and not only.logprobs else None
