"""The shapes of an answer; a stream is so many of them (https://ai.google.dev/api/generate-content#response-body)."""

from __future__ import annotations

import msgspec

from unigate.dialects.gemini_generate.shapes import ABSENT, given

__all__ = [
    "Blob",
    "Candidate",
    "Chunk",
    "FileData",
    "FunctionCall",
    "Part",
    "PartialArg",
    "Parts",
    "decode",
    "decode_all",
    "plain_text",
]


class Blob(msgspec.Struct, frozen=True, rename="camel"):
    """Content that the model made."""

    data: str = ""
    mime_type: str = "application/octet-stream"


class FileData(msgspec.Struct, frozen=True, rename="camel"):
    """Content at an address."""

    file_uri: str = ""
    mime_type: str | None = None


class PartialArg(msgspec.Struct, frozen=True, rename="camel"):
    """A piece of one argument, which stands at a JSON path."""

    json_path: str = "$"
    string_value: str | None = None
    number_value: float | None = None
    bool_value: bool | None = None


class FunctionCall(msgspec.Struct, frozen=True, rename="camel"):
    """A call; if it continues, pieces of its arguments follow."""

    name: str = ""
    args: msgspec.Raw = ABSENT
    id: str | None = None
    partial_args: tuple[PartialArg, ...] | None = None
    will_continue: bool | None = None


class Part(msgspec.Struct, frozen=True, rename="camel"):
    """One part of an answer."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    executable_code: msgspec.Raw = ABSENT
    code_execution_result: msgspec.Raw = ABSENT
    tool_call: msgspec.Raw = ABSENT
    tool_response: msgspec.Raw = ABSENT
    function_response: msgspec.Raw = ABSENT


Parts = tuple[Part, ...]


class _Content(msgspec.Struct, frozen=True):
    parts: Parts | None = None


class Candidate(msgspec.Struct, frozen=True, rename="camel"):
    """One of the answers; some libraries ask for enumerations as numbers."""

    content: _Content | None = None
    finish_reason: str | int | None = None
    finish_message: str | None = None
    index: int | None = None
    grounding_metadata: msgspec.Raw = ABSENT
    citation_metadata: msgspec.Raw = ABSENT
    logprobs_result: msgspec.Raw = ABSENT


class _Feedback(msgspec.Struct, frozen=True, rename="camel"):
    block_reason: str | int | None = None


class Chunk(msgspec.Struct, frozen=True, rename="camel"):
    """An event of a stream, or a whole answer."""

    candidates: tuple[Candidate, ...] | None = None
    usage_metadata: msgspec.Raw = ABSENT
    model_version: str | None = None
    response_id: str | None = None
    prompt_feedback: _Feedback | None = None
    error: msgspec.Raw = ABSENT

    def first(self) -> Candidate | None:
        """The candidate that is read; there are others only if they were asked for."""
        for candidate in self.candidates or ():
            if not candidate.index:
                return candidate
        return None

    @property
    def is_blocked(self) -> bool:
        """Whether the prompt was not let in."""
        return self.prompt_feedback is not None and self.prompt_feedback.block_reason not in (None, 0)


_decoder = msgspec.json.Decoder(Chunk)
_array = msgspec.json.Decoder(list[Chunk])
decode = _decoder.decode


def decode_all(content: bytes) -> list[Chunk]:
    """A whole body: one answer, or the array of a stream."""
    return _array.decode(content) if content.lstrip().startswith(b"[") else [_decoder.decode(content)]


def plain_text(whole: list[Chunk]) -> str | None:
    """The text of a whole answer that is one text without anything beside it; None for any other."""
    if len(whole) != 1 or given(whole[0].error) or whole[0].candidates is None or len(whole[0].candidates) != 1:
        return None
    candidate = whole[0].candidates[0]
    if candidate.index or candidate.finish_reason not in ("STOP", "MAX_TOKENS"):
        return None
    if given(candidate.grounding_metadata) or given(candidate.citation_metadata) or given(candidate.logprobs_result):
        return None
    parts = (candidate.content.parts if candidate.content is not None else None) or ()
    if len(parts) != 1 or parts[0].thought or parts[0].thought_signature:
        return None
    return parts[0].text
