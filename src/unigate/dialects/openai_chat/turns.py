"""Turns of a conversation as the messages of a Chat Completions request."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
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
from unigate.dialects.media import AUDIO_FORMATS, plain_text, url_of
from unigate.parts import Part
from unigate.target import Quirks

__all__ = ["write_messages"]

_OWN: Final = "openai.chat"
# Under names of the module: an enumeration's members are slow to look up.
_SYSTEM: Final = Role.SYSTEM
_DEVELOPER: Final = Role.DEVELOPER
_FORMATS: Final = {media_type: name for name, media_type in AUDIO_FORMATS.items()} | {
    "audio/mp3": "mp3",
    "audio/x-wav": "wav",
}
_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

_Json = dict[str, object]

# Without words, calls or thoughts a turn is refused.
_NOTHING_SAID: Final[Mapping[str, object]] = {"role": "assistant", "content": None}


def write_messages(messages: Iterable[Message], quirks: Quirks, losses: Losses) -> list[_Json]:
    """The messages in their order; tool results become messages of their own. Raises Refusal (422)."""
    writer = _Turns(quirks, losses)
    for message in messages:
        writer.add(message)
    return writer.messages


class _Turns:
    """The messages written so far."""

    def __init__(self, quirks: Quirks, losses: Losses) -> None:
        self.messages: list[_Json] = []
        self._quirks = quirks
        self._losses = losses

    def add(self, message: Message) -> None:
        text = message.plain_text
        if text is None:
            self._add_rich(message)
        else:
            self.messages.append({"role": self._word(message.role), "content": text})

    def _word(self, role: Role) -> str:
        if role is _SYSTEM:
            return self._quirks.system_role
        return "system" if role is _DEVELOPER and self._quirks.system_role != "developer" else role

    def _add_rich(self, message: Message) -> None:
        written: _Json
        match message.role:
            case Role.ASSISTANT:
                written = self._assistant(message.blocks)
                if written == _NOTHING_SAID:
                    return
            case Role.USER:
                results = [block for block in message.blocks if isinstance(block, ToolResult)]
                shown = [block for result in results for block in self._add_result(result)]
                rest = [block for block in message.blocks if not isinstance(block, ToolResult)]
                if results and not shown and not rest:
                    return
                written = {"role": "user", "content": self._content([*shown, *rest])}
            case _:
                written = {"role": self._word(message.role), "content": self._content(message.blocks)}
        if message.name is not None:
            written["name"] = message.name
        self.messages.append(written)

    def _add_result(self, result: ToolResult) -> list[Block]:
        """Adds a tool's message, which holds text alone, and gives back what the next user message must show."""
        if result.is_error:
            self._losses.cannot(Part.TOOL_ERRORS)
        if result.cache is not None:
            self._losses.cannot(Part.CACHE)
        texts: list[str] = []
        shown: list[Block] = []
        for block in result.blocks:
            text = block.text if isinstance(block, Text) else _document_text(block)
            if text is None:
                shown.append(block)
            else:
                texts.append(text)
        content = "\n".join(texts) or ("The result is shown in the next message." if shown else "")
        self.messages.append({"role": "tool", "tool_call_id": self._id(result.id), "content": content})
        return shown

    def _assistant(self, blocks: Iterable[Block]) -> _Json:
        text: list[str] = []
        thoughts: list[Thinking] = []
        calls: list[_Json] = []
        written: _Json = dict(_NOTHING_SAID)
        extra: _Json = {}  # a signature that hangs onto the next call, or onto the message
        for block in blocks:
            match block:
                case Text(one, cache):
                    text.append(one)
                    self._mark(cache)
                case ToolUse(id, name, arguments, cache):
                    function = {"name": name, "arguments": arguments}
                    calls.append({"id": self._id(id), "type": "function", "function": function, **extra})
                    self._mark(cache)
                    extra = {}
                case Thinking(text="", origin="openai.chat", redacted=False):
                    extra = {"extra_content": {"google": {"thought_signature": block.signature}}}
                case Thinking():
                    thoughts.append(block)
                case Refused(refusal):
                    written["refusal"] = refusal
                case Image():
                    self._losses.cannot(Part.IMAGES)
                case _:
                    self._losses.cannot(Part.FOREIGN)
        if text:
            written["content"] = "".join(text)
        if calls:
            written["tool_calls"] = calls
        written.update(extra)
        self._add_thoughts(written, thoughts)
        return written

    def _add_thoughts(self, written: _Json, thoughts: list[Thinking]) -> None:
        own = [thought for thought in thoughts if thought.fits(_OWN)]
        if len(own) < len(thoughts) or (own and not self._quirks.reasoning_field):
            self._losses.cannot(Part.THINKING)
        if not own or not self._quirks.reasoning_field:
            return
        written[self._quirks.reasoning_field] = "".join(thought.text for thought in own)
        if any(thought.signature for thought in own):
            written["reasoning_details"] = [_detail(thought) for thought in own]

    def _content(self, blocks: Iterable[Block]) -> str | list[_Json]:
        parts = [part for block in blocks if (part := self._part(block)) is not None]
        if all(part["type"] == "text" for part in parts) and len(parts) <= 1:
            return str(parts[0]["text"]) if parts else ""
        return parts

    def _part(self, block: Block) -> _Json | None:
        match block:
            case Text(text, cache):
                self._mark(cache)
                return {"type": "text", "text": text}
            case Image():
                return self._image(block)
            case Document():
                return self._document(block)
            case Audio():
                return self._audio(block)
            case Video(source, cache):
                self._mark(cache)
                if isinstance(source, FileRef):
                    self._losses.cannot(Part.FILE_IDS)
                    return None
                return {"type": "video_url", "video_url": {"url": url_of(source)}}
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
        self._mark(document.cache)
        if document.cited:
            self._losses.cannot(Part.DOCUMENT_CITATIONS)
        text = _document_text(document)
        if text is not None:
            return {"type": "text", "text": text}
        if isinstance(document.source, FileRef):
            if document.source.origin != _OWN:
                self._losses.cannot(Part.FILE_IDS)
            return {"type": "file", "file": {"file_id": document.source.id}}
        if isinstance(document.source, Url):
            self._losses.cannot(Part.DOCUMENT_URLS)
            return None
        file = {"filename": document.name or "document.pdf", "file_data": url_of(document.source)}
        return {"type": "file", "file": file}

    def _audio(self, audio: Audio) -> _Json | None:
        self._mark(audio.cache)
        if isinstance(audio.source, Url | FileRef):
            self._losses.cannot(Part.AUDIO)
            return None
        media_type = audio.source.media_type
        sound = {"data": audio.source.base64, "format": _FORMATS.get(media_type, media_type.partition("/")[2])}
        return {"type": "input_audio", "input_audio": sound}

    def _mark(self, cache: str | None) -> None:
        if cache is not None:
            self._losses.cannot(Part.CACHE)

    def _id(self, id: str) -> str:
        """A tool call's id, in the form the service insists on; the same id always becomes the same."""
        pattern = self._quirks.tool_id_pattern
        if not pattern or re.fullmatch(pattern, id):
            return id
        digest = hashlib.sha256(id.encode()).digest()[:9]
        return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in digest)


def _document_text(block: Block) -> str | None:
    """A document that is plain text, under its name; None for anything else."""
    text = plain_text(block.source) if isinstance(block, Document) else None
    return f"{block.name}\n\n{text}" if text is not None and isinstance(block, Document) and block.name else text


def _detail(thought: Thinking) -> _Json:
    if thought.redacted:
        return {"type": "reasoning.encrypted", "data": thought.signature}
    signed = {"signature": thought.signature} if thought.signature else {}
    return {"type": "reasoning.text", "text": thought.text, **signed}
