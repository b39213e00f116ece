"""Token counts as Gemini tells them: thoughts apart from the answer, what its tools read apart from the prompt.

https://ai.google.dev/api/generate-content#UsageMetadata
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from unigate.tier import told_tier
from unigate.usage import REJECTED, Usage

__all__ = ["usage_metadata", "usage_of"]

# A count outside this range is no count; whoever sent it has said nothing about usage.
_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**40)]


_SILENT = msgspec.Raw(b"null")


class _Modality(msgspec.Struct, frozen=True, rename="camel"):
    modality: str | int = ""
    token_count: _Count = 0


class _Counts(msgspec.Struct, frozen=True, rename="camel"):
    prompt_token_count: _Count | None = None
    candidates_token_count: _Count | None = None
    thoughts_token_count: _Count | None = None
    tool_use_prompt_token_count: _Count | None = None
    cached_content_token_count: _Count | None = None
    total_token_count: _Count | None = None
    prompt_tokens_details: tuple[_Modality, ...] | None = None
    candidates_tokens_details: tuple[_Modality, ...] | None = None
    service_tier: msgspec.Raw = _SILENT


_counts = msgspec.json.Decoder(_Counts)


def usage_of(raw: msgspec.Raw, *, ended: bool, events: int) -> Usage | None:
    """What a `usageMetadata` says; None if it counts nothing.

    A stream tells what the answer itself takes at the end only: before, its events are counted.
    """
    try:
        counts = _counts.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return REJECTED
    if counts.prompt_token_count is None and counts.total_token_count is None:
        return None
    inputs = (counts.prompt_token_count or 0) + (counts.tool_use_prompt_token_count or 0)
    thoughts = counts.thoughts_token_count
    is_known = ended or counts.candidates_token_count is not None
    answered = (counts.candidates_token_count or 0) if is_known else events
    return Usage(
        inputs,
        answered + (thoughts or 0),
        counts.cached_content_token_count,
        thoughts,
        not is_known,
        None,
        _audio(counts.prompt_tokens_details) if counts.prompt_tokens_details else None,
        _audio(counts.candidates_tokens_details) if counts.candidates_tokens_details else None,
        None,
        False,
        told_tier(counts.service_tier),
    )


def _audio(details: tuple[_Modality, ...]) -> int | None:
    for one in details:
        if one.modality == "AUDIO":
            return one.token_count
    return None


def usage_metadata(usage: Usage) -> bytes:
    """The same counts in Gemini's words."""
    inputs, outputs = usage.input_tokens, usage.output_tokens
    told: list[bytes] = []
    if inputs is not None:
        told.append(b'"promptTokenCount":%d' % inputs)
    if outputs is not None:
        told.append(b'"candidatesTokenCount":%d' % (outputs - (usage.reasoning_tokens or 0)))
    if told:
        told.append(b'"totalTokenCount":%d' % ((inputs or 0) + (outputs or 0)))
    if usage.cached_tokens:
        told.append(b'"cachedContentTokenCount":%d' % usage.cached_tokens)
    if inputs is not None:
        told.append(b'"promptTokensDetails":[%b]' % _modalities(inputs, usage.audio_input_tokens))
    if usage.reasoning_tokens:
        told.append(b'"thoughtsTokenCount":%d' % usage.reasoning_tokens)
    return b"{%b}" % b",".join(told)


def _modalities(total: int, audio: int | None) -> bytes:
    told = b'{"modality":"TEXT","tokenCount":%d}' % (total - (audio or 0))
    return told + b',{"modality":"AUDIO","tokenCount":%d}' % audio if audio else told
