"""Blocks of a conversation as Converse takes them.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

import msgspec

from unigate.conversation import (
    Audio,
    Block,
    Document,
    Foreign,
    Image,
    Refused,
    Role,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    Video,
)
from unigate.dialects.arguments import written_arguments
from unigate.dialects.bedrock_converse.families import Family
from unigate.dialects.bedrock_converse.media import Media
from unigate.dialects.losses import Losses
from unigate.parts import Part

__all__ = ["OWN", "Blocks", "cache_point"]

OWN: Final = "bedrock.converse"
_NOT_IN_ID: Final = re.compile(r"[^a-zA-Z0-9_.:-]")
_LONGEST_ID: Final = 64

_Json = dict[str, object]


class Blocks:
    """Writes blocks, and knows which tools were called and how many marks were set. Raises Refusal (422)."""

    __slots__ = ("_family", "_losses", "_media", "called", "marks")

    def __init__(self, family: Family, losses: Losses) -> None:
        self._family = family
        self._losses = losses
        self._media = Media(losses)
        self.called: dict[str, None] = {}
        self.marks = 0

    def write(self, block: Block, role: Role) -> list[object]:
        """The block with the mark that follows it, or nothing where it cannot be said."""
        if isinstance(block, Text) and block.cache is None:  # most are no more than that
            return [{"text": block.text}]
        written = self._block(block, role)
        if written is None:
            return []
        point = cache_point(_lifetime_of(block), self._family, self._losses)
        self.marks += point is not None
        return [written] if point is None else [written, point]

    def _block(self, block: Block, role: Role) -> object | None:
        match block:
            case Text(text) | Refused(text):
                return {"text": text}
            case ToolUse():
                return self._tool_use(block)
            case ToolResult():
                return self._tool_result(block)
            case Thinking():
                return self._thinking(block)
            case Foreign(origin, _, raw):
                if origin == OWN:
                    return raw
                self._losses.cannot(Part.FOREIGN)
                return None
            case _:
                return self._medium(block, role)

    def _medium(self, block: Image | Document | Audio | Video, role: Role) -> object | None:
        if role is not Role.USER:
            self._losses.cannot(_PARTS[type(block)])
            return None
        match block:
            case Image():
                return self._media.image(block)
            case Document():
                return self._media.document(block)
            case Audio():
                return self._media.audio(block)
            case Video():
                return self._media.video(block)

    def _tool_use(self, call: ToolUse) -> _Json:
        self.called[call.name] = None
        arguments = written_arguments(call.arguments)
        return {"toolUse": {"toolUseId": _tool_id(call.id), "name": call.name, "input": arguments}}

    def _tool_result(self, result: ToolResult) -> _Json:
        content = [one for block in result.blocks if (one := self._in_result(block)) is not None]
        written: _Json = {"toolUseId": _tool_id(result.id), "content": content}
        if result.is_error:
            written["status"] = "error"
        return {"toolResult": written}

    def _in_result(self, block: Block) -> object | None:
        if isinstance(block, Text) and not block.text.strip():
            return None
        return self._block(block, Role.USER)

    def _thinking(self, thought: Thinking) -> _Json | None:
        """Only what the service itself has signed comes back to it, and only with all that it signed."""
        if thought.origin != OWN or not thought.signature or thought.partial:
            self._losses.cannot(Part.THINKING)
            return None
        if thought.redacted:
            return {"reasoningContent": {"redactedContent": thought.signature}}
        return {"reasoningContent": {"reasoningText": {"text": thought.text, "signature": thought.signature}}}


_PARTS: Final[dict[type[Block], Part]] = {
    Audio: Part.AUDIO,
    Document: Part.DOCUMENTS,
    Image: Part.IMAGES,
    Video: Part.VIDEO,
}


def cache_point(lifetime: str | None, family: Family, losses: Losses) -> msgspec.Raw | None:
    """The block that marks all before it, if a mark was asked for."""
    if lifetime is None:
        return None
    if not family.caches:
        losses.cannot(Part.CACHE)
        return None
    ttl = b',"ttl":"1h"' if lifetime == "1h" else b""
    return msgspec.Raw(b'{"cachePoint":{"type":"default"%b}}' % ttl)


def _lifetime_of(block: Block) -> str | None:
    match block:
        case Thinking() | Refused() | Foreign():
            return None
        case ToolResult() if block.cache is None:  # a mark inside has its place after it
            return next((one for inner in block.blocks if (one := _lifetime_of(inner)) is not None), None)
        case _:
            return block.cache


def _tool_id(id: str) -> str:
    """A call's id in the letters and the length that are allowed; the same one always becomes the same."""
    plain = _NOT_IN_ID.sub("_", id) or "call"
    if len(plain) <= _LONGEST_ID:
        return plain
    return plain[:31] + "_" + hashlib.sha256(id.encode()).hexdigest()[:32]
