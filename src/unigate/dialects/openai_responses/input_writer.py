"""Turns of a conversation as the input items of a Responses request."""

from __future__ import annotations

import hashlib
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
from unigate.dialects.openai_responses.fields import OWN
from unigate.parts import Part

__all__ = ["Items", "leading_instructions"]

_FILES: Final = (OWN, "openai.chat")  # one upload serves both
_SOUNDS: Final = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
_LONGEST_ID: Final = 64
# Under names of the module: an enumeration's members are slow to look up.
_SYSTEM: Final = Role.SYSTEM
_ASSISTANT: Final = Role.ASSISTANT

_Json = dict[str, object]


class Items:
    """The items written so far. Raises Refusal (422) through the losses."""

    def __init__(self, losses: Losses) -> None:
        self.items: list[_Json | object] = []
        self._losses = losses
        self._custom: set[str] = set()  # ids of calls of custom tools, whose results have a type of their own

    def add(self, message: Message) -> None:
        """Adds one turn, in its own order."""
        text = message.plain_text
        if text:
            self.items.append({"type": "message", "role": message.role, "content": text})
            return
        if message.name is not None:
            self._losses.cannot(Part.NAMES)
        parts: list[_Json] = []
        is_answer = message.role is _ASSISTANT
        for block in message.blocks:
            item = self._item(block) if is_answer else self._result(block)
            if item is None:
                part = self._said(block) if is_answer else self._part(block)
                parts += [part] if part is not None else []
            else:
                self._flush(message.role, parts)
                parts = []
                self.items.append(item)
        self._flush(message.role, parts)

    def _flush(self, role: Role, parts: list[_Json]) -> None:
        if not parts:
            return
        is_plain = len(parts) == 1 and "text" in parts[0]
        content = parts[0]["text"] if is_plain else parts
        self.items.append({"type": "message", "role": role, "content": content})

    def _item(self, block: Block) -> object | None:
        """What of an answer is an item of its own."""
        match block:
            case ToolUse(id, name, arguments, cache, custom):
                self._mark(cache)
                if custom:
                    self._custom.add(id)
                    return {"type": "custom_tool_call", "call_id": _id(id), "name": name, "input": arguments}
                return {"type": "function_call", "call_id": _id(id), "name": name, "arguments": arguments or "{}"}
            case Thinking(origin=origin, signature=signature) if origin == OWN and signature:
                return _reasoning(block)
            case Foreign(origin, _, raw) if origin == OWN:
                return raw
            case _:
                return None

    def _said(self, block: Block) -> _Json | None:
        """What of an answer is a part of its message."""
        match block:
            case Text(text, cache):
                self._mark(cache)
                return {"type": "output_text", "text": text} if text else None
            case Refused(refusal):
                return {"type": "refusal", "refusal": refusal}
            case Thinking():
                self._losses.cannot(Part.THINKING)
            case Image():
                self._losses.cannot(Part.IMAGES)
            case _:
                self._losses.cannot(Part.FOREIGN)
        return None

    def _result(self, block: Block) -> _Json | None:
        if not isinstance(block, ToolResult):
            return None
        self._mark(block.cache)
        if block.is_error:
            self._losses.cannot(Part.TOOL_ERRORS)
        kind = "custom_tool_call_output" if block.id in self._custom else "function_call_output"
        texts = [one.text for one in block.blocks if isinstance(one, Text)]
        if len(texts) == len(block.blocks):
            return {"type": kind, "call_id": _id(block.id), "output": "\n".join(texts)}
        parts = [part for one in block.blocks if (part := self._shown(one)) is not None]
        return {"type": kind, "call_id": _id(block.id), "output": parts}

    def _shown(self, block: Block) -> _Json | None:
        """A part of a tool's result, which may be text, a picture or a file."""
        if isinstance(block, Text | Image | Document):
            return self._part(block)
        self._losses.cannot(Part.TOOL_IMAGES)
        return None

    def _part(self, block: Block) -> _Json | None:
        match block:
            case Text(text, cache):
                self._mark(cache)
                return {"type": "input_text", "text": text}
            case Image():
                return self._image(block)
            case Document():
                return self._document(block)
            case Audio():
                return self._audio(block)
            case Video():
                self._losses.cannot(Part.VIDEO)
            case _:
                self._losses.cannot(Part.FOREIGN)
        return None

    def _image(self, image: Image) -> _Json | None:
        self._mark(image.cache)
        part: _Json = {"type": "input_image", "detail": image.detail or "auto"}
        if not isinstance(image.source, FileRef):
            return {**part, "image_url": url_of(image.source)}
        return {**part, "file_id": image.source.id} if self._is_known(image.source) else None

    def _document(self, document: Document) -> _Json | None:
        self._mark(document.cache)
        if document.cited:
            self._losses.cannot(Part.DOCUMENT_CITATIONS)
        if isinstance(document.source, FileRef):
            known = self._is_known(document.source)
            return {"type": "input_file", "file_id": document.source.id} if known else None
        if isinstance(document.source, Url):
            return {"type": "input_file", "file_url": document.source.url}
        text = plain_text(document.source)
        if text is not None:
            return {"type": "input_text", "text": f"{document.name}\n\n{text}" if document.name else text}
        name = document.name or "document.pdf"
        return {"type": "input_file", "filename": name, "file_data": url_of(document.source)}

    def _audio(self, audio: Audio) -> _Json | None:
        self._mark(audio.cache)
        known = None if isinstance(audio.source, Url | FileRef) else _SOUNDS.get(audio.source.media_type)
        if known is None or isinstance(audio.source, Url | FileRef):
            self._losses.cannot(Part.AUDIO)
            return None
        return {"type": "input_audio", "input_audio": {"data": audio.source.base64, "format": known}}

    def _is_known(self, file: FileRef) -> bool:
        if file.origin in _FILES:
            return True
        self._losses.cannot(Part.FILE_IDS)
        return False

    def _mark(self, cache: str | None) -> None:
        if cache is not None:
            self._losses.cannot(Part.CACHE)


def leading_instructions(messages: Iterable[Message]) -> tuple[str | None, int]:
    """The operator's first words as one text, and how many messages they were."""
    texts: list[str] = []
    for message in messages:
        if message.role is not _SYSTEM or message.name is not None:
            break
        found = [block.text for block in message.blocks if isinstance(block, Text)]
        if len(found) < len(message.blocks):
            break
        texts.append("\n\n".join(found))
    return "\n\n".join(texts) if texts else None, len(texts)


def _reasoning(thinking: Thinking) -> _Json:
    summary = [{"type": "summary_text", "text": thinking.text}] if thinking.text else []
    item: _Json = {"type": "reasoning", "summary": summary, "encrypted_content": thinking.signature}
    return {**item, "id": thinking.id} if thinking.id else item


def _id(id: str) -> str:
    """A call's id within the length that the service takes; the same one always becomes the same."""
    return id if len(id) <= _LONGEST_ID else "call_" + hashlib.sha256(id.encode()).hexdigest()[:32]
