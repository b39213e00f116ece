"""What Ollama's answers say about themselves while they go by: usage, errors, and their proper end."""

from __future__ import annotations

import re

import msgspec

from unigate.dialects.counted import told_or_counted
from unigate.dialects.ollama_chat.answer_reader import usage_of
from unigate.dialects.openai_errors import read_fault
from unigate.errors import Fault, Kind
from unigate.usage import Usage

__all__ = ["LineMeter"]

_NULL = msgspec.Raw(b"null")
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_MARK = re.compile(rb'"done"\s*:\s*true|"error"')


class _Glance(msgspec.Struct, frozen=True):
    done: bool = False
    prompt_eval_count: msgspec.Raw = _NULL
    eval_count: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL


_glance = msgspec.json.Decoder(_Glance)


class LineMeter:
    """Watches one answer, whose counts stand in its last line."""

    __slots__ = ("_is_stream", "_passed", "_usage", "ended", "fault")

    def __init__(self, shows_usage: bool) -> None:
        self.ended = False
        self.fault: Fault | None = None
        self._passed = 0
        self._usage: Usage | None = None
        self._is_stream = True

    @property
    def usage(self) -> Usage:
        """The provider's counts, or, of a stream, one token for each line passed on."""
        return told_or_counted(self._usage, self._passed) if self._is_stream else self._usage or Usage()

    def watch(self, block: bytes) -> tuple[bytes, bytes]:
        """See `Meter.watch`."""
        if not _MARK.search(block):
            self._passed += block.count(b"\n")
            return block, b""
        now: list[bytes] = []
        last: list[bytes] = []
        for line in block.splitlines(keepends=True):
            glance = _read(line)
            if bytes(glance.error) != b"null":
                fault = read_fault(500, {}, line)
                if not self._passed:
                    raise fault
                self.fault = fault
                break
            if glance.done:
                self.ended = True
                self._usage = usage_of(glance.prompt_eval_count, glance.eval_count) or self._usage
            self._passed += 1
            (last if self.ended else now).append(line)
        return b"".join(now), b"".join(last)

    def read(self, content: bytes) -> None:
        """See `Meter.read`."""
        try:
            glance = _glance.decode(content)
        except _FAILURES as error:
            raise Fault(Kind.INVALID, "The upstream answered 200 with something that is not a JSON object.") from error
        if bytes(glance.error) != b"null":
            raise read_fault(500, {}, content)
        self.ended = True
        self._is_stream = False
        self._usage = usage_of(glance.prompt_eval_count, glance.eval_count)


def _read(line: bytes) -> _Glance:
    try:
        return _glance.decode(line)
    except _FAILURES:
        return _Glance()
