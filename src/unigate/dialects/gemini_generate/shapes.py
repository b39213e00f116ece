"""The shapes of a request's contents, as far as they are more than carried (https://ai.google.dev/api/caching#Content).

Google's servers take one object where a list is meant, so `parts` and the like may be either.
"""

from __future__ import annotations

import msgspec

__all__ = [
    "ABSENT",
    "Blob",
    "Calling",
    "Content",
    "Contents",
    "Declaration",
    "Declarations",
    "FileData",
    "FunctionCall",
    "FunctionResponse",
    "Part",
    "Parts",
    "ResponsePart",
    "ThinkingConfig",
    "ToolConfig",
    "given",
]

ABSENT = msgspec.Raw(b"null")


def given(raw: msgspec.Raw) -> bool:
    """Whether a value was given; null is none."""
    return raw is not ABSENT and raw != ABSENT


class Blob(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Content that is in the request."""

    data: str
    mime_type: str = "application/octet-stream"
    display_name: str | None = None


class FileData(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Content at an address, be it Google's own."""

    file_uri: str
    mime_type: str | None = None
    display_name: str | None = None


class FunctionCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A call of one of the client's tools."""

    name: str
    args: msgspec.Raw = ABSENT
    id: str | None = None


class ResponsePart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A picture or document that a tool gave back."""

    inline_data: Blob | None = None
    file_data: FileData | None = None


class FunctionResponse(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What a tool gave back."""

    name: str
    response: msgspec.Raw = ABSENT
    id: str | None = None
    parts: ResponsePart | tuple[ResponsePart, ...] | None = None


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One part of a content; exactly one of its kinds is given."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    executable_code: msgspec.Raw = ABSENT
    code_execution_result: msgspec.Raw = ABSENT
    tool_call: msgspec.Raw = ABSENT
    tool_response: msgspec.Raw = ABSENT


Parts = Part | tuple[Part, ...] | None


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One turn."""

    parts: Parts = None
    role: str | None = None


Contents = Content | tuple[Content, ...]


class Declaration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A tool the client runs."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw = ABSENT
    parameters_json_schema: msgspec.Raw = ABSENT


Declarations = Declaration | tuple[Declaration, ...] | None


class Calling(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Whether tools must be called, and which."""

    mode: str | None = None
    allowed_function_names: tuple[str, ...] | None = None


class ToolConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What is said of all tools."""

    function_calling_config: Calling | None = None


class ThinkingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """How much to think, and whether to show it."""

    thinking_budget: int | None = None
    thinking_level: str | None = None
    include_thoughts: bool | None = None
