"""What an answer of the Messages API has consumed, as it tells it piece by piece.

https://platform.claude.com/docs/en/build-with-claude/streaming: the counts of `message_delta` are totals and take the
place of those of `message_start`, one by one; `input_tokens` leaves out what the cache was read or written for.
Which speed, region and tier it was: https://platform.claude.com/docs/en/build-with-claude/fast-mode and /data-residency
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from unigate.tier import told_tier, united
from unigate.usage import Usage

__all__ = ["Tally", "written_usage"]

# A count outside this range is no count.
_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**40)]


_SILENT = msgspec.Raw(b"null")


class _Details(msgspec.Struct):
    thinking_tokens: _Count | None = None


class _Creation(msgspec.Struct):
    hours: _Count | None = msgspec.field(default=None, name="ephemeral_1h_input_tokens")


class _Pass(msgspec.Struct):
    type: str = ""
    input_tokens: _Count = 0
    output_tokens: _Count = 0
    cache_read_input_tokens: _Count = 0
    cache_creation_input_tokens: _Count = 0


class _Counts(msgspec.Struct):
    input_tokens: _Count | None = None
    output_tokens: _Count | None = None
    cache_read_input_tokens: _Count | None = None
    cache_creation_input_tokens: _Count | None = None
    cache_creation: _Creation | None = None
    output_tokens_details: _Details | None = None
    iterations: list[_Pass] | None = None
    service_tier: msgspec.Raw = _SILENT
    speed: msgspec.Raw = _SILENT
    inference_geo: msgspec.Raw = _SILENT


_decoder = msgspec.json.Decoder(_Counts | None)
_USAGE = b'{"input_tokens":%d,"cache_creation_input_tokens":%d,"cache_read_input_tokens":%d,"output_tokens":%d%b}'
_THOUGHTS = b',"output_tokens_details":{"thinking_tokens":%d}'


class Tally:
    """The counts that were told so far."""

    __slots__ = (
        "_compactions",
        "_hours",
        "_input",
        "_is_bad",
        "_is_final",
        "_output",
        "_read",
        "_reasoning",
        "_tier",
        "_written",
    )

    def __init__(self) -> None:
        self._input: int | None = None
        self._read: int | None = None
        self._written: int | None = None
        self._output: int | None = None
        self._reasoning: int | None = None
        self._hours: int | None = None
        self._is_final = False
        self._is_bad = False
        self._compactions: list[_Pass] = []
        self._tier: str | None = None

    def take(self, raw: msgspec.Raw, *, is_final: bool) -> None:
        """Adds what a `usage` object says; one that makes no sense makes all of them doubtful."""
        try:
            counts = _decoder.decode(raw)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._is_bad = True
            return
        if counts is None:
            return
        self._is_bad = False
        details = counts.output_tokens_details
        self._input = _newer(counts.input_tokens, self._input)
        self._read = _newer(counts.cache_read_input_tokens, self._read)
        self._written = _newer(counts.cache_creation_input_tokens, self._written)
        self._hours = _newer(counts.cache_creation.hours if counts.cache_creation else None, self._hours)
        self._output = _newer(counts.output_tokens, self._output)
        self._reasoning = _newer(details.thinking_tokens if details else None, self._reasoning)
        self._compactions = [one for one in counts.iterations or () if one.type == "compaction"] or self._compactions
        self._tier = _newer_tier(counts, self._tier)
        self._is_final = self._is_final or (is_final and counts.output_tokens is not None)

    def finish(self) -> None:
        """The answer came in one piece: what was not told of it is not known."""
        self._is_final = True

    def usage(self, seen: int) -> Usage:
        """The counts; before the last word on output, no fewer tokens than events were seen."""
        output = self._output if self._is_final else max(self._output or 0, seen)
        inputs = None if self._input is None else self._input + (self._read or 0) + (self._written or 0)
        told = Usage(inputs, output, self._read, self._reasoning, not self._is_final, self._written)
        if self._hours or self._is_bad or self._tier is not None:
            told = msgspec.structs.replace(
                told, cache_write_hour_tokens=self._hours, rejected=self._is_bad, tier=self._tier
            )
        return told

    def billed(self, seen: int) -> Usage:
        """The same with what summaries of the conversation took, which the counts at the top leave out.

        https://platform.claude.com/docs/en/build-with-claude/compaction
        """
        usage = self.usage(seen)
        if not self._compactions:
            return usage
        read = sum(one.cache_read_input_tokens for one in self._compactions)
        written = sum(one.cache_creation_input_tokens for one in self._compactions)
        return msgspec.structs.replace(
            usage,
            input_tokens=(usage.input_tokens or 0)
            + sum(one.input_tokens for one in self._compactions)
            + read
            + written,
            output_tokens=(usage.output_tokens or 0) + sum(one.output_tokens for one in self._compactions),
            cached_tokens=(usage.cached_tokens or 0) + read,
            cache_write_tokens=(usage.cache_write_tokens or 0) + written,
        )


def _newer(told: int | None, before: int | None) -> int | None:
    return before if told is None else told


def _newer_tier(counts: _Counts, before: str | None) -> str | None:
    """All that is not ordinary; the ordinary tier only where the speed is told, as it is wherever it was asked for."""
    service, speed, place = map(told_tier, (counts.service_tier, counts.speed, counts.inference_geo))
    if service or speed or place:
        return united(one for one in (service, speed, place) if one)
    return before if speed is None else speed


def written_usage(usage: Usage) -> bytes:
    """The `usage` object of a message; a count that nobody told is 0, since the SDKs demand a number."""
    read, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
    fed = max((usage.input_tokens or 0) - read - written, 0)
    thoughts = b"" if usage.reasoning_tokens is None else _THOUGHTS % usage.reasoning_tokens
    return _USAGE % (fed, written, read, usage.output_tokens or 0, thoughts)
