"""A tool call's arguments as the JSON object that some formats demand."""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = ["written_arguments"]

_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode: Final = msgspec.json.Encoder().encode


def written_arguments(arguments: str) -> msgspec.Raw:
    """Arguments as an object; none are an empty one, and a model's broken JSON is kept as text within one."""
    if not arguments.strip():
        return msgspec.Raw(b"{}")
    content = arguments.encode("utf-8", "replace")
    try:
        _object.decode(content)
    except (msgspec.DecodeError, RecursionError):
        return msgspec.Raw(_encode({"input": arguments}))
    return msgspec.Raw(content)
