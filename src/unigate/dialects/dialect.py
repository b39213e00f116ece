"""A dialect is a wire format; this is what each one must be able to do to be carried, and to be translated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from unigate.conversation import Answer, Ask, Asked, Event
from unigate.dialects.conversion import Embedding, Reranking
from unigate.dialects.losses import Fields, Losses
from unigate.errors import Fault, Told
from unigate.target import Target
from unigate.usage import Usage
from unigate.wire import sse
from unigate.wire.body import Body

__all__ = [
    "AnswerReader",
    "AnswerWriter",
    "ClientSide",
    "Cutter",
    "Dialect",
    "ErrorShape",
    "Framing",
    "Meter",
    "ProviderSide",
]


class Meter(Protocol):
    """Watches an answer go by and knows its usage and whether it came to its proper end."""

    @property
    def usage(self) -> Usage:
        """What the provider said so far; `estimated` where it said nothing."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the stream has shown the mark that its format ends with."""
        ...

    @property
    def fault(self) -> Fault | None:
        """The upstream's own error, if it came after something was passed on: the answer ends with it."""
        ...

    def watch(self, block: bytes) -> tuple[bytes, bytes]:
        """Sorts whole events into those to pass on now and the terminal part, which waits for the settlement.

        All of the block, as it came, goes on only where there is neither a terminal part nor a fault in it.
        Raises Fault if the block is an upstream's error and nothing was passed on before it.
        """
        ...

    def read(self, content: bytes) -> None:
        """Takes a whole unstreamed answer. Raises Fault if it is no answer of this format."""
        ...


class AnswerReader(Protocol):
    """Reads a provider's answer into events, however its bytes are cut."""

    @property
    def usage(self) -> Usage:
        """What the provider said so far; `estimated`, one token an event, where it said nothing."""
        ...

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that are complete now. Raises Fault if the upstream tells an error or makes no sense."""
        ...

    def close(self) -> list[Event]:
        """The last events, `End` among them. Raises Fault if the stream did not come to its proper end."""
        ...

    def read(self, content: bytes) -> Answer:
        """A whole unstreamed answer. Raises Fault if it is none of this format, or tells an error."""
        ...


class AnswerWriter(Protocol):
    """Writes events in a client's format; every piece ends where an event of that format ends."""

    def write(self, events: Iterable[Event]) -> bytes:
        """What to send now, possibly nothing; with `End` comes everything that the format ends with."""
        ...

    def whole(self, answer: Answer) -> bytes:
        """The body of an unstreamed answer."""
        ...


class ClientSide(msgspec.Struct, frozen=True, kw_only=True):
    """What it takes to serve clients of a dialect with models that do not speak it."""

    fields: Fields
    # (body, model, streamed): raises Refusal (400) naming the field that is wrong.
    read_ask: Callable[[Body, str, bool], Ask]
    new_writer: Callable[[Asked], AnswerWriter]
    stream_type: bytes = b"text/event-stream; charset=utf-8"


class ProviderSide(msgspec.Struct, frozen=True, kw_only=True):
    """What it takes to have clients of other dialects answered by models that speak this one."""

    # Raises Refusal (422) through the losses, naming what cannot be said.
    write_ask: Callable[[Ask, Target, Losses], bytes]
    new_reader: Callable[[Asked], AnswerReader]
    # What of an ask stands in the query of the address.
    query_of: Callable[[Ask], str] | None = None
    # Its unstreamed form cannot hold an answer, so that it is asked for streams only.
    only_streams: bool = False
    # Its tools may take free text.
    custom_tools: bool = False


class Cutter(Protocol):
    """Turns any chunking of a stream into whole events, which stay the bytes they are."""

    def feed(self, chunk: bytes) -> bytes:
        """The whole events that are complete now. Raises Fault if one outgrows its limit."""
        ...

    def close(self) -> bytes:
        """What no end of an event followed."""
        ...


class Framing(Protocol):
    """Another frame around the events of a stream that is otherwise carried as it is."""

    content_type: bytes

    def put(self, block: bytes) -> bytes:
        """Whole events in this frame."""
        ...

    def end(self, block: bytes) -> bytes:
        """The terminal part in this frame, and the frame's own end."""
        ...


class ErrorShape(msgspec.Struct, frozen=True):
    """How a dialect's clients are told of errors: as a whole body, and as the last event of a stream."""

    body: Callable[[Told], bytes]
    event: Callable[[Told], bytes]


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One wire format as the gateway carries it."""

    name: str
    # Where a provider serves it, below the base URL; `stream_operation` if streams have a path of their own.
    operation: str
    stream_operation: str = ""
    # Further paths, from the root, at which clients of other services ask for the same.
    aliases: tuple[str, ...] = ()
    # `body`: the model's name is a top-level key; `form`: a field of a multipart form; `path`: not in the body at all.
    model_in: str = "body"
    # Whether an answer is streamed where the body does not say.
    streams_by_default: bool = False
    # The format reports a stream's usage only when `stream_options.include_usage` asks for it.
    usage_on_request: bool = False
    # Answers are bytes of any kind (audio, images) and are never looked into.
    opaque: bool = False
    # Content type of its streams upstream, and what cuts them, if they are not server-sent events.
    stream_type: bytes = b"text/event-stream"
    new_cutter: Callable[[], Cutter] = sse.Cutter
    new_meter: Callable[[bool], Meter]
    # Its clients read a stream in another frame than the one it comes in.
    new_framing: Callable[[], Framing] | None = None
    fault: Callable[[int, dict[bytes, bytes], bytes], Fault]
    errors: ErrorShape
    # Whether its streams have room for a comment while a call waits.
    comments: bool = True
    # The header in which its clients look for the call's id, beside our own.
    id_header: bytes = b""
    client: ClientSide | None = None
    provider: ProviderSide | None = None
    # What carries its calls to targets that speak another dialect of its family, whose answers come in one piece.
    converts: Embedding | Reranking | None = None
    # A request (body, target) without what models of other formats signed, and the names of what was left out.
    without_foreign: Callable[[Body, Target], tuple[Body, Sequence[str]]] | None = None
    # Puts the target's model, given (body, model), where the body repeats what the path names.
    name_model: Callable[[Body, str], Body] | None = None
    # Answers (body, model) where no target speaks the dialect: an estimate, marked as one.
    estimate: Callable[[Body, str], bytes] | None = None
    # Answers (body, model) a request that asks nothing of its model, where its target speaks another dialect.
    idle: Callable[[Body, str], bytes | None] | None = None

    @property
    def serves_clients(self) -> bool:
        """Whether clients may speak it to the gateway; some are only for speaking to providers."""
        if self.converts is not None:
            return self.converts.client is not None
        return self.client is not None or self.provider is None
