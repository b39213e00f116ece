"""Blocks of a conversation as the Messages API takes them (https://platform.claude.com/docs/en/api/messages)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from unigate.conversation import (
    Audio,
    Block,
    Data,
    Document,
    FileRef,
    Foreign,
    Image,
    Refused,
    Role,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    Url,
    Video,
)
from unigate.dialects.anthropic_messages.blocks import (
    Base64Source,
    Cache,
    CitationsConfig,
    DocumentBlock,
    FileSource,
    ImageBlock,
    RedactedBlock,
    TextBlock,
    TextSource,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    UrlSource,
    Written,
    cache_of,
)
from unigate.dialects.anthropic_messages.fields import OWN
from unigate.dialects.arguments import written_arguments
from unigate.dialects.losses import Losses
from unigate.dialects.media import plain_text
from unigate.parts import Part

__all__ = ["Blocks"]

_NOT_IN_ID: Final = re.compile(r"[^a-zA-Z0-9_-]")
_PDF: Final = "application/pdf"
_PARTS: Final[Mapping[type[Block], Part]] = {
    Audio: Part.AUDIO,
    Document: Part.DOCUMENTS,
    Image: Part.IMAGES,
    Video: Part.VIDEO,
}
_encode: Final = msgspec.json.Encoder().encode


class Blocks:
    """Writes blocks, and knows which tools were called and how many marks were set. Raises Refusal (422)."""

    __slots__ = ("_losses", "called", "marks")

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self.called: dict[str, None] = {}
        self.marks = 0

    def write(self, block: Block, role: Role) -> list[Written]:
        """The block as a list of one, or of none where it cannot be said."""
        if isinstance(block, Text):  # most are no more than that
            return [TextBlock(block.text, None if block.cache is None else self._mark(block.cache))]
        written = self._block(block, role)
        return [] if written is None else [written]

    def _block(self, block: Block, role: Role) -> Written | None:
        match block:
            case Text(text, cache):
                return TextBlock(text, self._mark(cache))
            case Refused(text):
                return TextBlock(text)
            case ToolUse():
                return self._tool_use(block)
            case ToolResult():
                return self._tool_result(block)
            case Thinking():
                return self._thinking(block)
            case Foreign(origin, _, raw) if origin == OWN:
                return raw
            case Foreign():
                self._losses.cannot(Part.FOREIGN)
            case Image() if role is Role.USER:
                return self._image(block)
            case Document() if role is Role.USER:
                return self._document(block)
            case _:
                self._losses.cannot(_PARTS[type(block)])
        return None

    def _tool_use(self, call: ToolUse) -> ToolUseBlock:
        self.called[call.name] = None
        arguments = written_arguments(call.arguments)
        return ToolUseBlock(self._id(call.id), call.name, arguments, self._mark(call.cache))

    def _tool_result(self, result: ToolResult) -> ToolResultBlock:
        written = [one for block in result.blocks if (one := self._in_result(block)) is not None]
        return ToolResultBlock(
            self._id(result.id), written or None, True if result.is_error else None, self._mark(result.cache)
        )

    def _in_result(self, block: Block) -> msgspec.Raw | None:
        written = self._block(block, Role.USER)
        if written is None or isinstance(written, msgspec.Raw):
            return written
        return msgspec.Raw(_encode(written))

    def _thinking(self, thought: Thinking) -> ThinkingBlock | RedactedBlock | None:
        """Only what the service itself has signed comes back to it, and only with all that it signed."""
        if thought.origin != OWN or not thought.signature or thought.partial:
            self._losses.cannot(Part.THINKING)
            return None
        return RedactedBlock(thought.signature) if thought.redacted else ThinkingBlock(thought.text, thought.signature)

    def _image(self, image: Image) -> ImageBlock | None:
        if image.detail not in (None, "auto"):
            self._losses.cannot(Part.IMAGE_DETAIL)
        match image.source:
            case Data(media_type, base64):
                return ImageBlock(Base64Source(media_type, base64), self._mark(image.cache))
            case Url(url):
                return ImageBlock(UrlSource(url), self._mark(image.cache))
            case FileRef(id, origin):
                if origin == OWN:
                    return ImageBlock(FileSource(id), self._mark(image.cache))
                self._losses.cannot(Part.FILE_IDS)
                return None

    def _document(self, document: Document) -> DocumentBlock | None:
        source = self._document_source(document)
        if source is None:
            return None
        cited = CitationsConfig(True) if document.cited else None
        return DocumentBlock(source, document.name, None, cited, self._mark(document.cache))

    def _document_source(self, document: Document) -> Base64Source | UrlSource | FileSource | TextSource | None:
        match document.source:
            case Url(url):
                return UrlSource(url)
            case FileRef(id, origin):
                if origin == OWN:
                    return FileSource(id)
                self._losses.cannot(Part.FILE_IDS)
            case Data(media_type, base64) if media_type == _PDF:
                return Base64Source(_PDF, base64)
            case Data():
                text = plain_text(document.source)
                if text is not None:
                    return TextSource("text/plain", text)
                self._losses.cannot(Part.DOCUMENTS)
        return None

    def _mark(self, lifetime: str | None) -> Cache | None:
        self.marks += lifetime is not None
        return cache_of(lifetime)

    def _id(self, id: str) -> str:
        """A tool call's id in the letters that are allowed; the same one always becomes the same."""
        return _NOT_IN_ID.sub("_", id) or "call"
