"""A tool call's arguments as the JSON object that the Messages API demands."""

from __future__ import annotations

import msgspec

__all__ = ["FREE_TEXT", "free_text", "wrapped", "written_arguments"]

FREE_TEXT = msgspec.Raw(
    b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}'
)
"""The schema that stands for a tool which takes free text."""


class _Wrapped(msgspec.Struct):
    input: str


_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_wrapped = msgspec.json.Decoder(_Wrapped)
_encode = msgspec.json.Encoder().encode


def wrapped(text: str) -> msgspec.Raw:
    """Free text as an object."""
    return msgspec.Raw(_encode(_Wrapped(text)))


def free_text(arguments: str) -> str:
    """The free text in an object; whatever else a model may have written is taken as it is."""
    try:
        return _wrapped.decode(arguments).input
    except msgspec.DecodeError:
        return arguments


def written_arguments(arguments: str) -> msgspec.Raw:
    """Arguments as an object; none are an empty one, and a model's broken JSON is kept as text within one."""
    if not arguments.strip():
        return msgspec.Raw(b"{}")
    content = arguments.encode("utf-8", "replace")
    try:
        _object.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return wrapped(arguments)
    return msgspec.Raw(content)
