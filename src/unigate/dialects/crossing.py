"""How one call's bytes reach one target and come back: here, unchanged but for what the target's row says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, Protocol

import msgspec

from unigate.call import Call
from unigate.dialects.dialect import Cutter, Dialect, Framing, Meter
from unigate.dialects.losses import Losses
from unigate.dialects.signatures import holds_foreign
from unigate.errors import Fault, Kind, Refusal
from unigate.target import Provider, Target
from unigate.usage import Usage
from unigate.wire import multipart
from unigate.wire.body import Body, encode_body

__all__ = ["Straight", "edit_body", "edit_content", "without_model"]

_LARGEST_WHOLE: Final = 64 * 1024 * 1024
_LARGEST_LAST: Final = 8 * 1024 * 1024
_USAGE_WISH: Final = "stream_options"
_TRUE: Final = msgspec.Raw(b"true")
_ASK_USAGE: Final = msgspec.Raw(b'{"include_usage":true}')
_encode: Final = msgspec.json.Encoder().encode
_body: Final = msgspec.json.Decoder(Body)


class Straight:
    """A crossing to a target that speaks the client's format: top-level edits one way, watched bytes the other."""

    __slots__ = ("_dialect", "_framing", "_meter", "_names_model", "_passage", "dropped", "feed", "streams")

    # What a call adds to the query of the address.
    query = ""

    def __init__(self, dialect: Dialect, shows_usage: bool, *, names_model: bool = True) -> None:
        self._dialect = dialect
        # Whether the upstream is asked for a stream.
        self.streams = False
        self._names_model = names_model
        self._meter: Meter = dialect.new_meter(shows_usage)
        self._framing = dialect.new_framing() if dialect.new_framing is not None else None
        # Request fields that this request had and the target's row left out, by name.
        self.dropped: tuple[str, ...] = ()

    def outgoing(self, call: Call, target: Target) -> bytes:
        """The request body for the target. Raises Refusal if what must be edited is of the wrong type."""
        self.streams = call.streamed
        if self._dialect.model_in == "form":
            return _edit_form(call, target)
        assert call.body is not None, "a call with its model in the body was decoded at admission"
        edited = self._edit(call.body, call.streamed, target)
        content = encode_body(edited)
        if self._dialect.without_foreign is None or not holds_foreign(content):
            return content
        edited, left_out = self._dialect.without_foreign(edited, target)
        self._lose(left_out, target.provider)
        return encode_body(edited)

    def _edit(self, body: Body, streamed: bool, target: Target) -> Body:
        provider = target.provider
        edited, dropped = edit_body(body, provider)
        if dropped:
            # Usage is shown to a client that asked for it, whether or not the upstream must be asked.
            told_anyway = _USAGE_WISH if self._dialect.usage_on_request else ""
            self._lose([name for name in dropped if name != told_anyway], provider)
        if self._dialect.model_in == "body":
            if self._names_model:
                edited["model"] = _quoted(target.model)
            else:
                edited.pop("model", None)
        elif self._dialect.name_model is not None:
            edited = self._dialect.name_model(edited, target.model)
        if streamed and self._dialect.usage_on_request and provider.stream_usage:
            edited[_USAGE_WISH] = _ask_for_usage(edited.get(_USAGE_WISH))
        return edited

    def _lose(self, names: Sequence[str], provider: Provider) -> None:
        """Notes what is left out. Raises Refusal (422) if the provider's row lets nothing be."""
        losses = Losses({}, provider.name, strict=provider.refuses_hints)
        losses.drop((*self.dropped, *names))
        self.dropped = losses.dropped

    def content_type(self, upstream: bytes) -> bytes:
        """The content type of the client's answer: the upstream's own."""
        if self._framing is not None and self.is_stream:
            return self._framing.content_type
        return upstream

    def begin(self, content_type: bytes) -> None:
        """Learns from the answer's content type how its body will pass."""
        if content_type.startswith(self._dialect.stream_type):
            stream = _Stream(self._meter, self._dialect.new_cutter())
            self._passage: _Passage = stream if self._framing is None else _Framed(stream, self._framing)
        elif self._dialect.opaque and b"json" not in content_type:
            self._passage = _Opaque()
        else:
            self._passage = _Whole(self._meter)
        # What may be passed on now: whole events, or nothing yet.
        self.feed: Callable[[bytes], bytes] = self._passage.feed

    @property
    def is_stream(self) -> bool:
        """Whether the answer that began is a stream of events."""
        return isinstance(self._passage, _Stream | _Framed)

    def close(self) -> bytes:
        """The terminal part. Raises Fault if the answer did not come to its proper end."""
        return self._passage.close()

    def fault(self, status: int, headers: dict[bytes, bytes], content: bytes) -> Fault:
        """The fault behind an error answer."""
        return self._dialect.fault(status, headers, content)

    @property
    def usage(self) -> Usage:
        """What the call has consumed so far."""
        return self._meter.usage


def edit_body(body: Body, provider: Provider) -> tuple[Body, list[str]]:
    """A body with what the provider's row renames, drops and sets, and the names of what was lost by it."""
    edited = dict(body)
    dropped: list[str] = []
    for old, new in provider.rename.items():
        if old in edited:
            value = edited.pop(old)
            if new in edited:
                dropped.append(old)
            else:
                edited[new] = value
    for name in provider.drop:
        if edited.pop(name, None) is not None:
            dropped.append(name)
    edited.update(provider.set)
    return edited, dropped


def edit_content(content: bytes, provider: Provider, losses: Losses) -> bytes:
    """The same for a body that was written for this provider; what is lost is noted."""
    if not (provider.rename or provider.drop or provider.set):
        return content
    body, dropped = edit_body(_body.decode(content), provider)
    losses.drop(dropped)
    return encode_body(body)


def without_model(content: bytes) -> bytes:
    """The body for an address that names the model itself."""
    body = _body.decode(content)
    body.pop("model", None)
    return encode_body(body)


class _Passage(Protocol):
    def feed(self, chunk: bytes) -> bytes: ...
    def close(self) -> bytes: ...


class _Stream:
    """Whole events as they come; the terminal one waits."""

    __slots__ = ("_cut", "_cutter", "_is_over", "_last", "_meter", "_watch")

    def __init__(self, meter: Meter, cutter: Cutter) -> None:
        self._meter = meter
        self._cutter = cutter
        # Each event meets these two, and finding a method costs as much as calling it.
        self._cut: Callable[[bytes], bytes] = cutter.feed
        self._watch: Callable[[bytes], tuple[bytes, bytes]] = meter.watch
        self._last = b""
        # Whether the terminal event was there, or the upstream's error.
        self._is_over = False

    def feed(self, chunk: bytes) -> bytes:
        block = self._cut(chunk)
        if not block:
            return b""
        if self._is_over:
            return self._keep(block)
        now, last = self._watch(block)
        if now is not block:  # neither the terminal part nor an error is ever passed on
            self._last = last
            self._is_over = bool(last) or self._meter.fault is not None
        return now

    def _keep(self, block: bytes) -> bytes:
        """Nothing should follow the terminal event; what does stays behind it."""
        if self._meter.fault is not None:
            raise self._meter.fault
        self._last += b"".join(self._watch(block))
        if len(self._last) > _LARGEST_LAST:
            raise Fault(Kind.TOO_LARGE, "The upstream went on and on after the end of its answer.")
        return b""

    def close(self) -> bytes:
        tail = self._cutter.close()
        if tail.strip():
            self._last += b"".join(self._meter.watch(tail))
        if self._meter.fault is not None:
            raise self._meter.fault
        if not self._meter.ended:
            raise Fault(Kind.TRUNCATED, "The upstream's stream ended before the answer was finished.")
        return self._last


class _Framed:
    """A stream whose events reach the client in another frame."""

    __slots__ = ("_framing", "_stream")

    def __init__(self, stream: _Stream, framing: Framing) -> None:
        self._stream = stream
        self._framing = framing

    def feed(self, chunk: bytes) -> bytes:
        return self._framing.put(self._stream.feed(chunk))

    def close(self) -> bytes:
        return self._framing.end(self._stream.close())


class _Whole:
    """An unstreamed answer: gathered and read before its end is shown."""

    __slots__ = ("_gathered", "_meter", "_size")

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._gathered: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> bytes:
        self._gathered.append(chunk)
        self._size += len(chunk)
        if self._size > _LARGEST_WHOLE:
            raise Fault(Kind.TOO_LARGE, f"The upstream's answer is larger than {_LARGEST_WHOLE} bytes.")
        return b""

    def close(self) -> bytes:
        content = b"".join(self._gathered)
        self._meter.read(content)
        return content


class _Opaque:
    """Bytes of any kind, passed on at once; their end is the end of the body."""

    __slots__ = ()

    def feed(self, chunk: bytes) -> bytes:
        return chunk

    def close(self) -> bytes:
        return b""


@lru_cache(maxsize=4096)
def _quoted(model: str) -> msgspec.Raw:
    return msgspec.Raw(_encode(model))


def _ask_for_usage(options: msgspec.Raw | None) -> msgspec.Raw:
    if options is None:
        return _ASK_USAGE
    try:
        decoded = msgspec.json.decode(options, type=Body | None) or Body()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, "invalid_type", "'stream_options' must be an object.", param="stream_options") from error
    decoded["include_usage"] = _TRUE
    return msgspec.Raw(_encode(decoded))


def _edit_form(call: Call, target: Target) -> bytes:
    boundary = multipart.boundary_of(call.content_type)
    assert boundary is not None, "a form without a boundary was refused at admission"
    model = target.model.encode()
    place = multipart.find_field(call.content, boundary, b"model")
    if place is None:  # the path named the model, as Azure's clients do
        return multipart.add_field(call.content, boundary, b"model", model)
    start, end = place
    return call.content if call.content[start:end] == model else call.content[:start] + model + call.content[end:]
