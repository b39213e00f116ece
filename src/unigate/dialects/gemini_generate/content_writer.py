"""Writes the messages of an ask as contents (https://ai.google.dev/api/caching#Content)."""

from __future__ import annotations

from collections.abc import Iterable
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
    Message,
    Refused,
    Role,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    Video,
)
from unigate.dialects.gemini_generate.generations import Generation
from unigate.dialects.gemini_generate.media import Medium, media_type_of
from unigate.dialects.gemini_generate.slots import ORIGIN, PLACEHOLDER
from unigate.dialects.losses import Losses
from unigate.parts import Part

__all__ = ["Contents"]

_Json = dict[str, object]

# Under names of the module: an enumeration's members are slow to look up.
_USER: Final = Role.USER
_INSTRUCTIONS: Final = frozenset({Role.SYSTEM, Role.DEVELOPER})
# What a functionResponse may hold beside JSON, from Gemini 3 on (ai.google.dev/gemini-api/docs/function-calling).
_SHOWN_BY_TOOLS: Final = ("image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain")
_OTHERWISE: Final = {Image: "image/jpeg", Document: "application/pdf", Audio: "audio/mpeg", Video: None}

_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Contents:
    """The contents written so far, and the operator's instructions, which stand apart from them."""

    def __init__(self, generation: Generation, losses: Losses) -> None:
        self.contents: list[_Json] = []
        self.system: list[_Json] = []
        self._losses = losses
        # Earlier models match results to calls by name and order, and Vertex AI refuses them ids:
        # https://github.com/BerriAI/litellm/pull/34603
        self._is_newest = generation is Generation.LEVELS
        self._names: dict[str, str] = {}
        self._order: list[str] = []  # ids of the calls that were made last
        self._results: list[tuple[str, _Json]] = []  # ids and parts of the results that were given since
        self._shown: list[_Json] = []  # what these results show beside text

    def add(self, messages: Iterable[Message]) -> None:
        """Writes the messages in their order. Raises Refusal (422)."""
        for message in messages:
            text = message.plain_text
            if text:  # most are no more than that
                self._say(message.role, [{"text": text}])
            else:
                self._add_rich(message)
        self._flush()
        if not self.contents and self.system:
            # A request must have contents.
            self._put("user", self.system)
            self.system = []

    def _say(self, role: Role, parts: list[_Json]) -> None:
        if role in _INSTRUCTIONS:
            # There is one place for instructions, before everything else.
            self.system += parts
        else:
            self._put("user" if role is _USER else "model", parts)

    def _add_rich(self, message: Message) -> None:
        if message.name is not None:
            self._losses.cannot(Part.NAMES)
        blocks = message.blocks
        if message.role is _USER:
            for block in blocks:
                if isinstance(block, ToolResult):
                    self._add_result(block)
            blocks = tuple(block for block in blocks if not isinstance(block, ToolResult))
        self._say(message.role, self._parts(blocks))

    def _put(self, role: str, parts: list[_Json]) -> None:
        if not parts:
            return
        self._flush()
        self.contents.append({"role": role, "parts": parts})

    def _flush(self) -> None:
        """All results of a turn must stand in one content, in the order of their calls."""
        if not self._results:
            return
        place = {id: number for number, id in enumerate(self._order)}
        self._results.sort(key=lambda result: place.get(result[0], len(place)))
        parts = [part for _, part in self._results] + self._shown
        self._results, self._shown = [], []
        self.contents.append({"role": "user", "parts": parts})

    # --- parts

    def _parts(self, blocks: Iterable[Block]) -> list[_Json]:
        parts: list[_Json] = []
        calls: list[str] = []
        slot: str | None = None  # hangs on the part that follows
        for block in blocks:
            if isinstance(block, Thinking) and not block.text and block.origin == ORIGIN:
                if slot is not None:
                    parts.append({"text": "", "thoughtSignature": slot})
                slot = block.signature
                continue
            part = self._part(block)
            if part is None:
                continue
            if isinstance(block, ToolUse):
                if slot is None and not calls and self._is_newest:
                    slot = PLACEHOLDER
                calls.append(block.id)
            if slot is not None and "thoughtSignature" not in part:
                part["thoughtSignature"] = slot
                slot = None
            parts.append(part)
        if slot is not None:
            parts.append({"text": "", "thoughtSignature": slot})
        self._order = calls or self._order
        return parts

    def _part(self, block: Block) -> _Json | None:
        match block:
            case Text(text, cache):
                self._mark(cache)
                return {"text": text} if text else None
            case ToolUse(_, _, _, cache):
                self._mark(cache)
                return {"functionCall": self._call(block)}
            case Image() | Document() | Audio() | Video():
                return self._medium(block)
            case Thinking():
                return self._thought(block)
            case Refused(text):
                return {"text": text} if text else None
            case Foreign(origin, _, raw) if origin == ORIGIN:
                return dict(_object.decode(raw))
            case Foreign() | ToolResult():
                self._losses.cannot(Part.FOREIGN)
                return None

    def _thought(self, thought: Thinking) -> _Json | None:
        if not thought.fits(ORIGIN):
            self._losses.cannot(Part.THINKING)
            return None
        part: _Json = {"text": thought.text, "thought": True}
        if thought.signature:
            part["thoughtSignature"] = thought.signature
        return part

    def _call(self, call: ToolUse) -> _Json:
        self._names[call.id] = call.name
        written: _Json = {"name": call.name, "args": _arguments(call.arguments)}
        return {**written, "id": call.id} if self._is_newest else written

    def _medium(self, medium: Medium) -> _Json | None:
        self._mark(medium.cache)
        if isinstance(medium, Image) and medium.detail not in (None, "auto"):
            self._losses.cannot(Part.IMAGE_DETAIL)
        if isinstance(medium, Document) and medium.cited:
            self._losses.cannot(Part.DOCUMENT_CITATIONS)
        source = medium.source
        if isinstance(source, Data):
            return {"inlineData": {"mimeType": source.media_type, "data": source.base64}}
        if isinstance(source, FileRef):
            if source.origin != ORIGIN:
                self._losses.cannot(Part.FILE_IDS)
                return None
            return {"fileData": {"fileUri": source.id}}
        media_type = media_type_of(source, _OTHERWISE[type(medium)])
        told = {"mimeType": media_type} if media_type else {}
        return {"fileData": {**told, "fileUri": source.url}}

    def _mark(self, cache: str | None) -> None:
        if cache is not None:
            self._losses.cannot(Part.CACHE)

    # --- results

    def _add_result(self, result: ToolResult) -> None:
        self._mark(result.cache)
        texts = [block.text for block in result.blocks if isinstance(block, Text)]
        inside: list[_Json] = []
        for block in result.blocks:
            part = None if isinstance(block, Text) else self._part(block)
            if part is None:
                continue
            (inside if self._is_newest and _fits_inside(block) else self._shown).append(part)
        name = result.name or self._names.get(result.id) or result.id
        written: _Json = {"name": name, "response": _response("\n".join(texts), result.is_error)}
        if self._is_newest:
            written["id"] = result.id
        if inside:
            written["parts"] = inside
        self._results.append((result.id, {"functionResponse": written}))


def _fits_inside(block: Block) -> bool:
    source = block.source if isinstance(block, Image | Document) else None
    return isinstance(source, Data) and source.media_type in _SHOWN_BY_TOOLS


def _is_object(text: str) -> bool:
    if not text.startswith("{"):
        return False
    try:
        _object.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _arguments(text: str) -> object:
    """Arguments must be an object; a model elsewhere may have made something else."""
    text = text.strip()
    if not text or text == "null":
        return {}
    return msgspec.Raw(text.encode()) if _is_object(text) else {"input": text}


def _response(text: str, is_error: bool) -> object:
    """A result must be an object; what is a lone text is named as the page on FunctionResponse says."""
    if is_error:
        return {"error": text}
    stripped = text.strip()
    return msgspec.Raw(stripped.encode()) if _is_object(stripped) else {"output": text}
