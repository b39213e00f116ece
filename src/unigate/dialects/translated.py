"""A crossing to a target of another format: the ask is rewritten one way, the answer event by event the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from unigate.call import Call
from unigate.conversation import Ask, Asked, Event
from unigate.dialects.collect import Collector, events_of
from unigate.dialects.crossing import edit_content, without_model
from unigate.dialects.custom_tools import CustomTools, as_functions
from unigate.dialects.dialect import AnswerReader, AnswerWriter, ClientSide, Dialect, ProviderSide
from unigate.dialects.losses import Losses
from unigate.errors import Fault, Kind, Refusal
from unigate.target import Target
from unigate.usage import Usage
from unigate.wire.body import Body

__all__ = ["Translated"]

# Each unknown one is noted by name; whoever makes up thousands keeps the door busy for nothing.
_MOST_FIELDS: Final = 500
_NO_TOOLS: Final[frozenset[str]] = frozenset()
_LARGEST_WHOLE: Final = 64 * 1024 * 1024
# A client's flags for features of its own provider, which mean nothing to another.
_FLAGS: Final = frozenset({b"anthropic-beta", b"openai-beta"})


class Translated:
    """One call between a client's format and a target's."""

    __slots__ = (
        "_client",
        "_custom",
        "_gathered",
        "_is_read",
        "_names_model",
        "_provider",
        "_reader",
        "_served",
        "_size",
        "_streamed",
        "_writer",
        "dropped",
        "query",
        "streams",
    )

    _reader: AnswerReader
    _writer: AnswerWriter

    def __init__(
        self, client: ClientSide, served: Dialect, provider: ProviderSide, *, streamed: bool, names_model: bool
    ) -> None:
        self._client = client
        self._served = served
        self._provider = provider
        self._streamed = streamed
        self._names_model = names_model
        self._custom: CustomTools | None = None
        self._gathered: list[bytes] | Collector | None = None
        self._size = 0
        self._is_read = False
        # Whether the upstream is asked for a stream.
        self.streams = streamed or provider.only_streams
        self.dropped: tuple[str, ...] = ()
        # What this call adds to the query of the address.
        self.query = ""

    def outgoing(self, call: Call, target: Target) -> bytes:
        """The request body for the target. Raises Refusal if the target's format cannot say it."""
        assert call.body is not None, "a call with a JSON body was decoded at admission"
        if len(call.body) > _MOST_FIELDS:
            reason = f"A request that is translated for its model has at most {_MOST_FIELDS} top-level fields."
            raise Refusal(400, "too_many_fields", reason)
        try:
            return self._written(call, call.body, target)
        except UnicodeDecodeError as error:
            raise Refusal(400, "invalid_json", "The request body is not valid UTF-8.") from error

    def _written(self, call: Call, body: Body, target: Target) -> bytes:
        ask = self._client.read_ask(body, call.model, call.streamed)
        ask.streamed = self.streams
        asked = _asked(ask, call, target)
        if asked.custom_tools and not self._provider.custom_tools:
            as_functions(ask)
            self._custom = CustomTools(asked.custom_tools)
        self._reader = self._provider.new_reader(asked)
        self._writer = self._client.new_writer(asked)
        if self._provider.query_of is not None:
            self.query = self._provider.query_of(ask)
        losses = Losses(self._client.fields, self._served.name, strict=target.provider.refuses_hints)
        if not _FLAGS.isdisjoint(call.headers):
            losses.drop(flag.decode() for flag in _FLAGS.intersection(call.headers))
        content = edit_content(self._provider.write_ask(ask, target, losses), target.provider, losses)
        if not self._names_model:
            content = without_model(content)
        self.dropped = losses.dropped
        return content

    def begin(self, content_type: bytes) -> None:
        """Learns from the answer's content type how its body will come."""
        is_whole = content_type.startswith(b"application/json") or not self.streams
        if is_whole and not content_type.startswith(self._served.stream_type):
            self._gathered = []
        elif not self._streamed:
            self._gathered = Collector()

    @property
    def is_stream(self) -> bool:
        """Whether the client's answer is a stream of events."""
        return self._streamed

    def content_type(self, upstream: bytes) -> bytes:
        """The content type of the client's answer."""
        return self._client.stream_type if self._streamed else b"application/json"

    def feed(self, chunk: bytes) -> bytes:
        """What may be passed on now."""
        if self._gathered is None:
            return self._writer.write(self._restored(self._reader.feed(chunk)))
        if isinstance(self._gathered, Collector):
            self._gathered.take(self._restored(self._reader.feed(chunk)))
            return b""
        self._gathered.append(chunk)
        self._size += len(chunk)
        if self._size > _LARGEST_WHOLE:
            raise Fault(Kind.TOO_LARGE, f"The upstream's answer is larger than {_LARGEST_WHOLE} bytes.")
        return b""

    def _restored(self, events: list[Event]) -> Iterable[Event]:
        return events if self._custom is None else self._custom.events(events)

    def close(self) -> bytes:
        """The terminal part. Raises Fault if the answer did not come to its proper end."""
        if self._gathered is None:
            return self._writer.write(self._restored(self._reader.close()))
        if isinstance(self._gathered, Collector):
            self._gathered.take(self._restored(self._reader.close()))
            return self._writer.whole(self._gathered.answer())
        answer = self._reader.read(b"".join(self._gathered))
        self._is_read = True
        if self._custom is not None:
            answer = self._custom.answer(answer)
        return self._writer.write(events_of(answer)) if self._streamed else self._writer.whole(answer)

    def fault(self, status: int, headers: dict[bytes, bytes], content: bytes) -> Fault:
        """The fault behind an error answer."""
        return self._served.fault(status, headers, content)

    @property
    def usage(self) -> Usage:
        """What the call has consumed so far."""
        usage = self._reader.usage
        # Of a whole answer the pieces count nothing.
        return replace(usage, output_tokens=None) if self._is_read and usage.estimated else usage


def _asked(ask: Ask, call: Call, target: Target) -> Asked:
    tools = ask.tools
    return Asked(
        call.id,
        target.model,
        call.started_ns // 1_000_000_000,
        frozenset(tool.name for tool in tools if tool.custom) if tools else _NO_TOOLS,
        call.wants_usage,
        {tool.name: tool.space for tool in tools if tool.space is not None} if tools else {},
        ask.echo,
        ask.thinking_shown is not False,
    )
