"""How many tokens went in where nobody said so: a call that was cut off before its provider told the usage.

The rule: the bytes of all text in the conversation and of the tools' definitions, as UTF-8, divided by four and rounded
up. What is not text counts nothing, so the rule is for calls that ended early and never for a hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from unigate.wire.body import Body

__all__ = ["estimated_input"]

_Json = str | int | float | bool | None | list["_Json"] | dict[str, "_Json"]

_BYTES_TO_TOKEN: Final = 4
_LARGEST: Final = 4 * 1024 * 1024
# What holds a conversation's text, in any dialect.
_SAID: Final = (
    *("system", "systemInstruction", "system_instruction", "instructions", "messages", "contents", "content", "input"),
    *("prompt", "suffix", "inputs", "texts", "requests", "query", "additional_messages"),
)
_TOOLS: Final = ("tools", "functions", "toolConfig")
# Within it, the fields that hold text, or parts that do.
_TEXT: Final = frozenset(
    {
        *("text", "content", "parts", "output", "result", "response", "refusal", "thinking", "reasoning_content"),
        *("message", "toolResult", "toolUse", "functionCall", "functionResponse", "tool_calls", "function"),
        *("name", "arguments", "args", "input", "summary", "json"),
    }
)

# Those that hold a call's arguments or result: all of it is read.
_WHOLE: Final = frozenset({"arguments", "args", "input", "response", "json"})

_FAILURES: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def estimated_input(body: Body | None, size: int) -> int:
    """The likely input tokens of a request of so many bytes, never less than one."""
    if body is None or size > _LARGEST:
        return max(-(-size // _BYTES_TO_TOKEN), 1)
    try:
        said = sum(_size(msgspec.json.decode(raw)) for name in _SAID if (raw := body.get(name)) is not None)
    except _FAILURES:
        return max(-(-size // _BYTES_TO_TOKEN), 1)
    tools = sum(len(bytes(raw)) for name in _TOOLS if (raw := body.get(name)) is not None and bytes(raw) != b"null")
    return max(-(-(said + tools) // _BYTES_TO_TOKEN), 1)


def _size(value: _Json) -> int:
    """The bytes of the text in a value, as UTF-8."""
    return sum(len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass")) for text in _texts(value))


def _texts(value: _Json) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for one in value:
                yield from _texts(one)
        case dict():
            for inner in _said(value):
                yield from _texts(inner)
        case _:
            pass


def _said(fields: Mapping[str, _Json]) -> Iterator[_Json]:
    """What a part says: its text, and what a tool is called with or answers."""
    for name, value in fields.items():
        if name in _WHOLE and isinstance(value, dict):
            yield msgspec.json.encode(value).decode()
        elif name in _TEXT:
            yield value
