"""Turns of a conversation as the messages of a chat (https://docs.ollama.com/api/chat)."""

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
    Source,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    Url,
    Video,
)
from unigate.dialects.losses import Losses
from unigate.dialects.media import plain_text
from unigate.dialects.ollama_chat.messages import ORIGIN
from unigate.parts import Part

__all__ = ["arguments_of", "write_messages"]

_DEVELOPER: Final = Role.DEVELOPER  # under a name of the module: an enumeration's members are slow to look up

_Json = dict[str, object]

_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode: Final = msgspec.json.Encoder().encode


def write_messages(messages: Iterable[Message], losses: Losses) -> list[_Json]:
    """The messages in their order; tool results become messages of their own. Raises Refusal (422)."""
    writer = _Turns(losses)
    for message in messages:
        writer.add(message)
    return writer.messages


def arguments_of(text: str) -> msgspec.Raw:
    """Arguments as the object that they must be, on one line; what is none is kept as text within one."""
    stripped = text.strip()
    if stripped in ("", "null"):
        return msgspec.Raw(b"{}")
    try:
        _object.decode(stripped)
        return msgspec.Raw(msgspec.json.format(stripped.encode(), indent=-1))
    except (msgspec.DecodeError, RecursionError):
        return msgspec.Raw(_encode({"input": text}))


class _Turns:
    """The messages written so far."""

    def __init__(self, losses: Losses) -> None:
        self.messages: list[_Json] = []
        self._losses = losses
        self._names: dict[str, str] = {}

    def add(self, message: Message) -> None:
        role = "system" if message.role is _DEVELOPER else message.role
        text = message.plain_text
        if text is None:
            self._add_rich(message, role)
        else:
            self.messages.append({"role": role, "content": text})

    def _add_rich(self, message: Message, role: str) -> None:
        if message.name is not None:
            self._losses.cannot(Part.NAMES)
        shown: list[Block] = []
        for result in message.blocks:
            if isinstance(result, ToolResult):
                shown += self._add_result(result)
        rest = [block for block in message.blocks if not isinstance(block, ToolResult)]
        if not shown and not rest and message.blocks:
            return
        self._put(role, [*shown, *rest])

    def _add_result(self, result: ToolResult) -> list[Block]:
        """Adds a tool's message, which holds text alone, and gives back what the next message must show."""
        if result.is_error:
            self._losses.cannot(Part.TOOL_ERRORS)
        self._mark(result.cache)
        texts = [block.text for block in result.blocks if isinstance(block, Text)]
        shown: list[Block] = [block for block in result.blocks if not isinstance(block, Text)]
        content = "\n".join(texts) or ("The result is shown in the next message." if shown else "")
        told: _Json = {"role": "tool", "content": content, "tool_call_id": result.id}
        name = result.name or self._names.get(result.id)
        self.messages.append({**told, "tool_name": name} if name else told)
        return shown

    def _put(self, role: str, blocks: Iterable[Block]) -> None:
        texts: list[str] = []
        thoughts: list[str] = []
        images: list[str] = []
        calls: list[_Json] = []
        for block in blocks:
            match block:
                case Text(text, cache):
                    self._mark(cache)
                    texts.append(text)
                case Refused(text):
                    texts.append(text)
                case Image():
                    images += self._image(block)
                case ToolUse():
                    calls.append(self._call(block))
                case Thinking(text) if block.fits(ORIGIN):
                    thoughts.append(text)
                case Document(source, _, cache, cited):
                    self._mark(cache)
                    texts += self._document(source, cited)
                case _:
                    self._cannot(block)
        between = "" if role == "assistant" else "\n\n"
        told: _Json = {"role": role, "content": between.join(texts)}
        for name, value in (("thinking", "".join(thoughts)), ("images", images), ("tool_calls", calls)):
            if value:
                told[name] = value
        self.messages.append(told)

    def _call(self, call: ToolUse) -> _Json:
        self._mark(call.cache)
        self._names[call.id] = call.name
        return {"id": call.id, "function": {"name": call.name, "arguments": arguments_of(call.arguments)}}

    def _image(self, image: Image) -> list[str]:
        self._mark(image.cache)
        if image.detail not in (None, "auto"):
            self._losses.cannot(Part.IMAGE_DETAIL)
        if isinstance(image.source, Data):
            return [image.source.base64]
        self._losses.cannot(Part.IMAGE_URLS if isinstance(image.source, Url) else Part.FILE_IDS)
        return []

    def _document(self, source: Source, cited: bool) -> list[str]:
        if cited:
            self._losses.cannot(Part.DOCUMENT_CITATIONS)
        text = plain_text(source)
        if text is not None:
            return [text]
        if isinstance(source, FileRef):
            self._losses.cannot(Part.FILE_IDS)
        else:
            self._losses.cannot(Part.DOCUMENT_URLS if isinstance(source, Url) else Part.DOCUMENTS)
        return []

    def _cannot(self, block: Block) -> None:
        match block:
            case Audio():
                self._losses.cannot(Part.AUDIO)
            case Video():
                self._losses.cannot(Part.VIDEO)
            case Foreign():
                self._losses.cannot(Part.FOREIGN)
            case _:
                self._losses.cannot(Part.THINKING)

    def _mark(self, cache: str | None) -> None:
        if cache is not None:
            self._losses.cannot(Part.CACHE)
