"""The blocks of a Messages request as structs, for reading and for writing.

https://platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

import msgspec

__all__ = [
    "Base64Source",
    "Cache",
    "CitationsConfig",
    "ContentSource",
    "DocumentBlock",
    "FileSource",
    "ImageBlock",
    "RedactedBlock",
    "SearchResultBlock",
    "SystemBlock",
    "TextBlock",
    "TextSource",
    "ThinkingBlock",
    "ToolResultBlock",
    "ToolUseBlock",
    "UrlSource",
    "Written",
    "cache_of",
]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Says every field it was given; what it does not know is set aside by name."""


class _Tagged(_Strict, frozen=True, tag_field="type"):
    """Told from its siblings by `type`."""


class Cache(_Tagged, frozen=True, tag="ephemeral"):
    """A mark: everything up to here is to be cached, for `5m` or `1h`."""

    ttl: str | None = None


class CitationsConfig(_Strict, frozen=True):
    """Whether a document is to be cited."""

    enabled: bool | None = None


class Base64Source(_Tagged, frozen=True, tag="base64"):
    """Content in the request itself."""

    media_type: str
    data: str


class UrlSource(_Tagged, frozen=True, tag="url"):
    """Content that the service fetches."""

    url: str


class FileSource(_Tagged, frozen=True, tag="file"):
    """Content that was uploaded before."""

    file_id: str


class TextSource(_Tagged, frozen=True, tag="text"):
    """A document's plain text."""

    media_type: str
    data: str


class ContentSource(_Tagged, frozen=True, tag="content"):
    """A document made of blocks."""

    content: str | list[msgspec.Raw]


class TextBlock(_Tagged, frozen=True, tag="text"):
    """Words."""

    text: str
    cache_control: Cache | None = None
    citations: list[msgspec.Raw] | None = None


class ImageBlock(_Tagged, frozen=True, tag="image"):
    """A picture."""

    source: Base64Source | UrlSource | FileSource
    cache_control: Cache | None = None


class DocumentBlock(_Tagged, frozen=True, tag="document"):
    """A PDF or a text to read."""

    source: Base64Source | UrlSource | FileSource | TextSource | ContentSource
    title: str | None = None
    context: str | None = None
    citations: CitationsConfig | None = None
    cache_control: Cache | None = None


class SearchResultBlock(_Tagged, frozen=True, tag="search_result"):
    """Something the client's own search has found."""

    source: str
    title: str
    content: list[msgspec.Raw]
    citations: CitationsConfig | None = None
    cache_control: Cache | None = None


class SystemBlock(_Tagged, frozen=True, tag="mid_conv_system"):
    """Instructions in the middle of a conversation."""

    content: list[msgspec.Raw]
    cache_control: Cache | None = None


class ThinkingBlock(_Tagged, frozen=True, tag="thinking"):
    """Earlier reasoning."""

    thinking: str
    signature: str = ""


class RedactedBlock(_Tagged, frozen=True, tag="redacted_thinking"):
    """Earlier reasoning that was not shown."""

    data: str


class ToolUseBlock(_Tagged, frozen=True, tag="tool_use"):
    """An earlier call of a tool."""

    id: str
    name: str
    input: msgspec.Raw
    cache_control: Cache | None = None


class ToolResultBlock(_Tagged, frozen=True, tag="tool_result"):
    """What a tool gave back."""

    tool_use_id: str
    content: str | list[msgspec.Raw] | None = None
    is_error: bool | None = None
    cache_control: Cache | None = None


_Said = TextBlock | ImageBlock | DocumentBlock | ThinkingBlock | RedactedBlock
Written = _Said | ToolUseBlock | ToolResultBlock | msgspec.Raw
"""A block as it is written; one that only this format knows is written as it came."""


def cache_of(lifetime: str | None) -> Cache | None:
    """The mark for a lifetime; one that this format has no word for becomes its usual one."""
    if lifetime is None:
        return None
    return Cache(lifetime if lifetime in ("5m", "1h") else None)
