"""Turns of a conversation as the messages of a Cohere request (https://docs.cohere.com/reference/chat)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from unigate.conversation import (
    Audio,
    Block,
    Document,
    FileRef,
    Foreign,
    Image,
    Message,
    Refused,
    Role,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    Url,
    Video,
)
from unigate.dialects.losses import Losses
from unigate.dialects.media import plain_text, url_of
from unigate.parts import Part

__all__ = ["OWN", "Turns"]

OWN: Final = "cohere.chat"
"""The name of this dialect."""

# Under names of the module: an enumeration's members are slow to look up.
_USER: Final = Role.USER
_ASSISTANT: Final = Role.ASSISTANT

_Json = dict[str, object]


class Turns:
    """The messages written so far, and the documents that are to be cited. Raises Refusal (422) through the losses."""

    def __init__(self, losses: Losses) -> None:
        self.messages: list[_Json] = []
        self.documents: list[_Json] = []
        self._losses = losses

    def add(self, message: Message) -> None:
        """Adds one turn; a tool's result is a message of its own."""
        text = message.plain_text
        if text and message.role is not _ASSISTANT:  # most are no more than that
            self.messages.append({"role": "user" if message.role is _USER else "system", "content": text})
        else:
            self._add_rich(message)

    def _add_rich(self, message: Message) -> None:
        if message.name is not None:
            self._losses.cannot(Part.NAMES)
        match message.role:
            case Role.ASSISTANT:
                self._add_answer(message.blocks)
            case Role.USER:
                results = [block for block in message.blocks if isinstance(block, ToolResult)]
                shown = [block for result in results for block in self._add_result(result)]
                rest = [block for block in message.blocks if not isinstance(block, ToolResult)]
                self._add("user", self._parts([*shown, *rest]))
            case Role.SYSTEM | Role.DEVELOPER:
                self._add("system", self._parts(message.blocks))

    def _add(self, role: str, parts: list[_Json]) -> None:
        if not parts:
            return
        is_plain = len(parts) == 1 and parts[0]["type"] == "text"
        self.messages.append({"role": role, "content": parts[0]["text"] if is_plain else parts})

    def _add_result(self, result: ToolResult) -> list[Block]:
        """Adds a tool's message, which holds text alone, and gives back what the next user message must show."""
        if result.is_error:
            self._losses.cannot(Part.TOOL_ERRORS)
        self._mark(result.cache)
        texts = [block.text for block in result.blocks if isinstance(block, Text)]
        shown: list[Block] = [block for block in result.blocks if not isinstance(block, Text)]
        content = "\n".join(texts) or ("The result is shown in the next message." if shown else "")
        self.messages.append({"role": "tool", "tool_call_id": result.id, "content": content})
        return shown

    def _add_answer(self, blocks: Iterable[Block]) -> None:
        content: list[_Json] = []
        calls: list[_Json] = []
        for block in blocks:
            if isinstance(block, ToolUse):
                self._mark(block.cache)
                function = {"name": block.name, "arguments": block.arguments or "{}"}
                calls.append({"id": block.id, "type": "function", "function": function})
            elif (part := self._said(block)) is not None:
                content.append(part)
        written: _Json = {"role": "assistant"}
        if content:
            written["content"] = content
        if calls:
            written["tool_calls"] = calls
        if content or calls:
            self.messages.append(written)

    def _said(self, block: Block) -> _Json | None:
        """A part of an answer."""
        match block:
            case Text(text, cache):
                self._mark(cache)
                return {"type": "text", "text": text} if text else None
            case Refused(text):
                return {"type": "text", "text": text}
            case Thinking(text) if text and block.fits(OWN):
                return {"type": "thinking", "thinking": text}
            case Thinking():
                self._losses.cannot(Part.THINKING)
            case Image():
                self._losses.cannot(Part.IMAGES)
            case _:
                self._losses.cannot(Part.FOREIGN)
        return None

    def _parts(self, blocks: Iterable[Block]) -> list[_Json]:
        return [part for block in blocks if (part := self._part(block)) is not None]

    def _part(self, block: Block) -> _Json | None:
        match block:
            case Text(text, cache):
                self._mark(cache)
                return {"type": "text", "text": text} if text else None
            case Image():
                return self._image(block)
            case Document():
                return self._document(block)
            case Audio():
                self._losses.cannot(Part.AUDIO)
            case Video():
                self._losses.cannot(Part.VIDEO)
            case Foreign():
                self._losses.cannot(Part.FOREIGN)
            case _:
                self._losses.cannot(Part.THINKING)
        return None

    def _image(self, image: Image) -> _Json | None:
        self._mark(image.cache)
        if isinstance(image.source, FileRef):
            self._losses.cannot(Part.FILE_IDS)
            return None
        address: _Json = {"url": url_of(image.source)}
        if image.detail is not None:
            address["detail"] = image.detail
        return {"type": "image_url", "image_url": address}

    def _document(self, document: Document) -> _Json | None:
        """A text to be cited stands beside the conversation, any other within it."""
        self._mark(document.cache)
        text = plain_text(document.source)
        if text is None:
            lost = Part.DOCUMENTS
            if isinstance(document.source, Url | FileRef):
                lost = Part.DOCUMENT_URLS if isinstance(document.source, Url) else Part.FILE_IDS
            self._losses.cannot(lost)
            return None
        if not document.cited:
            return {"type": "text", "text": f"{document.name}\n\n{text}" if document.name else text}
        data = {"title": document.name, "text": text} if document.name else {"text": text}
        self.documents.append({"id": str(len(self.documents)), "data": data})
        return None

    def _mark(self, cache: str | None) -> None:
        if cache is not None:
            self._losses.cannot(Part.CACHE)
