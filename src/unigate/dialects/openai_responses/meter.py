"""What an answer of the Responses API says about itself while it goes by: usage, errors, and its proper end."""

from __future__ import annotations

import msgspec

from unigate.dialects.counted import told_or_counted
from unigate.dialects.openai_responses.errors import Failure, fault_of
from unigate.dialects.openai_usage import read_usage
from unigate.errors import Fault, Kind
from unigate.usage import Usage
from unigate.wire import sse

__all__ = ["ResponsesMeter"]

_NOTHING = msgspec.Raw(b"null")
_ENDS = frozenset({"response.completed", "response.incomplete"})
_MARKS = (b'"error"', b"event: error", b"response.completed", b"response.incomplete", b"response.failed")
_PREAMBLE = frozenset({"response.created", "response.in_progress"})
# How nearly every event begins that comes alone.
_DELTAS = (
    b"event: response.output_text.delta\n",
    b"event: response.reasoning_summary_text.delta\n",
    b"event: response.function_call_arguments.delta\n",
    b'data: {"type":"response.output_text.delta"',
)
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Response(msgspec.Struct):
    """A response, or instead of one the bare details of an error."""

    status: str | None = None
    type: str | None = None
    code: str | int | None = None
    message: str | None = None
    param: str | None = None
    error: Failure | None = None
    usage: msgspec.Raw = _NOTHING
    service_tier: msgspec.Raw = _NOTHING


class _Told(msgspec.Struct):
    """An event; the details of an `error` event stand in it or in its `error`."""

    type: str = ""
    error: Failure | None = None
    code: str | int | None = None
    message: str | None = None
    param: str | None = None
    response: _Response | None = None


_told = msgspec.json.Decoder(_Told)
_response = msgspec.json.Decoder(_Response)


class ResponsesMeter:
    """Watches one answer, whose last event carries the whole response and is followed by no `[DONE]`.

    The first two events only say that the call was accepted. They wait for the third, so that a call which fails
    right after them can still go to another target.
    """

    __slots__ = ("_held", "_passed", "_usage", "ended", "fault")

    def __init__(self, shows_usage: bool) -> None:
        self.fault: Fault | None = None
        self.ended = False
        self._usage: Usage | None = None
        self._passed = 0
        self._held = b""

    @property
    def usage(self) -> Usage:
        """The provider's counts, or one token for each event passed on."""
        return told_or_counted(self._usage, self._passed)

    def watch(self, block: bytes) -> tuple[bytes, bytes]:
        """See `Meter.watch`."""
        if self._passed and block.startswith(_DELTAS) and block.find(b"\n\n") == len(block) - 2:
            self._passed += 1
            return block, b""
        # The words may also stand in the model's own text: only a decoded event says what it is.
        if self._passed and not sse.has_any(block, _MARKS):
            self._passed += block.count(b"data:")
            return block, b""
        return self._sort(block)

    def _sort(self, block: bytes) -> tuple[bytes, bytes]:
        now: list[bytes] = []
        last: list[bytes] = []
        for event in sse.events(block):
            kind = self._kind(event)
            if self.fault is not None:
                if not self._passed:
                    raise self.fault
                break
            if kind in _ENDS:
                self.ended = True
                last.append(self._released(event))
            elif last or self.ended:
                last.append(event)
            elif not self._passed and (not kind or kind in _PREAMBLE):
                self._held += event
            else:
                now.append(self._released(event))
        return b"".join(now), b"".join(last)

    def _released(self, event: bytes) -> bytes:
        self._passed += 1
        held, self._held = self._held, b""
        return held + event

    def _kind(self, event: bytes) -> str:
        """An event's type, having learned what it says; empty for a comment."""
        data = sse.data_of(event)
        name = sse.name_of(event).decode("ascii", "replace")
        if not data:
            return name
        try:
            told = _told.decode(data)
        except _FAILURES:
            return name or "unknown"
        kind = told.type if told.type.startswith("response.") else name or told.type
        if told.response is not None:
            self._usage = read_usage(told.response.usage, told.response.service_tier) or self._usage
        if kind == "response.failed":
            self.fault = fault_of(told.response.error if told.response and told.response.error else Failure())
        elif kind == "error" or told.error is not None:
            self.fault = fault_of(told.error or Failure(told.type, told.code, told.message, told.param))
        return kind or "unknown"

    def read(self, content: bytes) -> None:
        """See `Meter.read`."""
        try:
            answer = _response.decode(content)
        except _FAILURES as error:
            raise Fault(Kind.INVALID, "The upstream answered 200 with something that is no response.") from error
        self._usage = read_usage(answer.usage, answer.service_tier) or Usage()
        if answer.error is not None or answer.status == "failed" or (answer.status is None and answer.message):
            raise fault_of(answer.error or Failure(answer.type, answer.code, answer.message, answer.param))
