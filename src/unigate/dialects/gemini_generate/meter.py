"""What Gemini's answers say about themselves while they go by: usage, errors, and their proper end."""

from __future__ import annotations

import msgspec

from unigate.dialects.counted import told_or_counted
from unigate.dialects.gemini_generate.errors import fault_in
from unigate.dialects.gemini_generate.shapes import ABSENT, given
from unigate.dialects.gemini_generate.usage import usage_of
from unigate.errors import Fault, Kind
from unigate.usage import Usage
from unigate.wire import sse

__all__ = ["GenerateMeter"]

_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_FINISH = b'"finishReason"'
_BLOCKED = b'"blockReason"'
_MARKS = (_FINISH, _BLOCKED, b'"error"')


class _Candidate(msgspec.Struct, frozen=True, rename="camel"):
    finish_reason: str | int | None = None


class _Feedback(msgspec.Struct, frozen=True, rename="camel"):
    block_reason: str | int | None = None


class _Glance(msgspec.Struct, frozen=True, rename="camel"):
    candidates: tuple[_Candidate, ...] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: msgspec.Raw = ABSENT
    error: msgspec.Raw = ABSENT


_glance = msgspec.json.Decoder(_Glance)
_glances = msgspec.json.Decoder(list[_Glance])
_NOTHING = _Glance()


class GenerateMeter:
    """Watches one answer. Counts stand in every event, so the last one that passed is kept and read when asked."""

    __slots__ = ("_counts", "_is_stream", "_latest", "_passed", "ended", "fault")

    def __init__(self, shows_usage: bool) -> None:
        self.ended = False
        self.fault: Fault | None = None
        self._passed = 0
        self._latest = b""  # whole events
        self._counts = ABSENT
        self._is_stream = True

    @property
    def usage(self) -> Usage:
        """The provider's counts, or, of a stream, one token for each event passed on."""
        if self._latest:
            for event in sse.events(self._latest):
                self._note(_read(sse.data_of(event)))
            self._latest = b""
        told = usage_of(self._counts, ended=self.ended, events=self._passed) if given(self._counts) else None
        return told_or_counted(told, self._passed) if self._is_stream else told or Usage()

    def watch(self, block: bytes) -> tuple[bytes, bytes]:
        """See `Meter.watch`."""
        if sse.has_any(block, _MARKS):
            return self._sort(block)
        self._passed += block.count(b"data:")
        self._latest = block
        return block, b""

    def _sort(self, block: bytes) -> tuple[bytes, bytes]:
        """What follows the first event that tells why the answer ended belongs to the end."""
        now: list[bytes] = []
        last: list[bytes] = []
        for event in sse.events(block):
            # An error comes as bare JSON among the events.
            data = sse.data_of(event) or event.strip()
            glance = _read(data)
            if given(glance.error):
                fault = fault_in(data)
                if not self._passed:
                    raise fault
                self.fault = fault
                break
            self._note(glance)
            self.ended = self.ended or _has_ended(glance)
            self._passed += event.count(b"data:")
            (last if self.ended else now).append(event)
        return b"".join(now), b"".join(last)

    def _note(self, glance: _Glance) -> None:
        if b"TokenCount" in bytes(glance.usage_metadata):
            self._counts = glance.usage_metadata
            self._latest = b""

    def read(self, content: bytes) -> None:
        """See `Meter.read`. The array that a stream is without `alt=sse` counts as whole, too."""
        try:
            glances = _glances.decode(content) if content.lstrip().startswith(b"[") else [_glance.decode(content)]
        except _FAILURES as error:
            raise Fault(Kind.INVALID, "The upstream answered 200 with something that is not Gemini's.") from error
        for glance in glances:
            if given(glance.error):
                raise fault_in(content)
            self._note(glance)
        self.ended = True
        self._is_stream = False


def _read(data: bytes) -> _Glance:
    try:
        return _glance.decode(data)
    except _FAILURES:
        return _NOTHING


def _has_ended(glance: _Glance) -> bool:
    feedback = glance.prompt_feedback
    if any(one.finish_reason not in (None, "", 0) for one in glance.candidates or ()):
        return True
    return not glance.candidates and feedback is not None and feedback.block_reason not in (None, "", 0)
