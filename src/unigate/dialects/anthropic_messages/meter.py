"""What an answer of the Messages API says about itself while it goes by: usage, errors, and its proper end."""

from __future__ import annotations

import msgspec

from unigate.dialects.anthropic_messages.chunks import decode_whole
from unigate.dialects.anthropic_messages.counts import Tally
from unigate.dialects.anthropic_messages.errors import fault_in
from unigate.errors import Fault
from unigate.usage import Usage
from unigate.wire import sse

__all__ = ["MessagesMeter"]

_MARKS = (b'"usage"', b'"message_stop"', b'"error"')
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Head(msgspec.Struct):
    usage: msgspec.Raw = msgspec.Raw(b"null")


class _Event(msgspec.Struct):
    type: str = ""
    message: _Head | None = None
    usage: msgspec.Raw = msgspec.Raw(b"null")


_event = msgspec.json.Decoder(_Event)


class MessagesMeter:
    """Watches messages, whose stream ends with `message_stop`."""

    __slots__ = ("_passed", "_tally", "ended", "fault")

    def __init__(self, shows_usage: bool) -> None:
        self._tally = Tally()
        self._passed = 0
        self.ended = False
        self.fault: Fault | None = None

    @property
    def usage(self) -> Usage:
        """The provider's counts, or one token for each event passed on."""
        return self._tally.billed(self._passed)

    def watch(self, block: bytes) -> tuple[bytes, bytes]:
        """See `Meter.watch`."""
        if not sse.has_any(block, _MARKS):
            self._passed += block.count(b"data:")
            return block, b""
        now: list[bytes] = []
        last: list[bytes] = []
        for event in sse.events(block):
            self._look(event)
            if self.fault is not None:
                break
            (last if self.ended else now).append(event)
        return b"".join(now), b"".join(last)

    def _look(self, event: bytes) -> None:
        data = sse.data_of(event)
        if not data:
            return
        try:
            told = _event.decode(data)
        except _FAILURES:
            return
        match told.type:
            case "message_start" if told.message is not None:
                self._tally.take(told.message.usage, is_final=False)
            case "message_delta":
                self._tally.take(told.usage, is_final=True)
            case "message_stop":
                self.ended = True
            case "error":
                fault = fault_in(data)
                if not self._passed:
                    raise fault
                self.fault = fault
            case _:
                pass
        self._passed += 1

    def read(self, content: bytes) -> None:
        """See `Meter.read`."""
        whole = decode_whole(content)
        if whole.content is None:
            raise fault_in(content)
        self._tally.take(whole.usage, is_final=True)
        self._tally.finish()
