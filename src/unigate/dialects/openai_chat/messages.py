"""The messages of a Chat Completions request, as structs and as turns of a conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import msgspec

from unigate.conversation import (
    Audio,
    Block,
    Data,
    Document,
    FileRef,
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
from unigate.dialects.media import AUDIO_FORMATS, source_of
from unigate.dialects.openai_chat.chunks import Extra
from unigate.dialects.signatures import unwrap
from unigate.errors import Refusal

__all__ = ["Messages", "read_messages"]

_OWN = "openai.chat"
_NULL = msgspec.Raw(b"null")


class _Cache(msgspec.Struct, frozen=True):
    type: str = "ephemeral"
    ttl: str = ""


class _Breakpoint(msgspec.Struct, frozen=True):
    """OpenAI's own mark: https://developers.openai.com/api/docs/guides/prompt-caching."""

    mode: str = ""
    ttl: str | None = None


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    pass


class _Text(_Part, frozen=True, tag="text"):
    text: str
    cache_control: _Cache | None = None
    prompt_cache_breakpoint: _Breakpoint | None = None


class _ImageUrl(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    detail: str | None = None


class _Image(_Part, frozen=True, tag="image_url"):
    image_url: _ImageUrl | str
    cache_control: _Cache | None = None
    prompt_cache_breakpoint: _Breakpoint | None = None


class _Sound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    data: str
    format: str


class _Audio(_Part, frozen=True, tag="input_audio"):
    input_audio: _Sound
    prompt_cache_breakpoint: _Breakpoint | None = None


class _FileBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class _File(_Part, frozen=True, tag="file"):
    file: _FileBody
    cache_control: _Cache | None = None
    prompt_cache_breakpoint: _Breakpoint | None = None


class _DocumentUrl(_Part, frozen=True, tag="document_url"):
    """Mistral's form: https://docs.mistral.ai/capabilities/document_ai/document_qna."""

    document_url: str
    document_name: str | None = None


class _Video(_Part, frozen=True, tag="video_url"):
    video_url: _ImageUrl


class _Refusal(_Part, frozen=True, tag="refusal"):
    refusal: str


class _Thought(_Part, frozen=True, tag="thinking"):
    """Mistral's form of earlier reasoning: https://docs.mistral.ai/capabilities/reasoning/."""

    thinking: str | list[_Text]
    closed: bool | None = None
    signature: str | None = None


_AnyPart = _Text | _Image | _Audio | _File | _DocumentUrl | _Video | _Refusal | _Thought
_Content = str | list[_AnyPart] | None


class _Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    arguments: str | None = None
    input: str | None = None


class _ToolCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    type: str = "function"
    function: _Call | None = None
    custom: _Call | None = None
    index: int | None = None
    extra_content: Extra | None = None


class Detail(msgspec.Struct, frozen=True, omit_defaults=True):
    """One piece of reasoning, as OpenRouter tells it: https://openrouter.ai/docs/use-cases/reasoning-tokens."""

    type: str
    text: str | None = None
    summary: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    format: str | None = None
    index: int | None = None


class _Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="role"):
    content: _Content = None
    name: str | None = None


class _System(_Message, frozen=True, tag="system"):
    pass


class _Developer(_Message, frozen=True, tag="developer"):
    pass


class _User(_Message, frozen=True, tag="user"):
    pass


class _Assistant(_Message, frozen=True, tag="assistant"):
    tool_calls: list[_ToolCall] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Detail] | None = None
    # What the SDKs hand back with a message they were given: told about the answer, asked of nobody.
    annotations: msgspec.Raw = _NULL
    audio: msgspec.Raw = _NULL
    function_call: msgspec.Raw = _NULL
    prefix: bool | None = None
    extra_content: Extra | None = None


class _Tool(_Message, frozen=True, tag="tool"):
    tool_call_id: str = ""


Messages = Annotated[list[_System | _Developer | _User | _Assistant | _Tool], msgspec.Meta(min_length=1)]

_ROLES: Mapping[type[_Message], Role] = {_System: Role.SYSTEM, _Developer: Role.DEVELOPER, _User: Role.USER}


def read_messages(messages: Messages) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """The turns, and the fields in them that only this format knows. Raises Refusal for a part without content."""
    turns: list[Message] = []
    others: dict[str, None] = {}
    results: list[Block] = []
    for message in messages:
        role, content = _ROLES.get(type(message)), message.content
        if role is None and isinstance(message, _Tool):
            results.append(ToolResult(message.tool_call_id, tuple(_blocks(content)), name=message.name))
            continue
        if results:
            turns.append(Message(Role.USER, tuple(results)))
            results = []
        if role is None and isinstance(message, _Assistant):
            turns.append(Message(Role.ASSISTANT, tuple(_assistant_blocks(message)), message.name))
            others.update(dict.fromkeys(_own_fields(message)))
        elif role is not None:
            blocks = (Text(content),) if isinstance(content, str) else tuple(_blocks(content))
            turns.append(Message(role, blocks, message.name))
    if results:
        turns.append(Message(Role.USER, tuple(results)))
    return tuple(turns), tuple(others)


def _own_fields(message: _Assistant) -> list[str]:
    given = {"messages[].audio": message.audio, "function_call": message.function_call}
    names = [name for name, raw in given.items() if bytes(raw) != b"null"]
    return names + (["messages[].prefix"] if message.prefix else [])


def _assistant_blocks(message: _Assistant) -> list[Block]:
    blocks = _thoughts(message)
    blocks += _blocks(message.content)
    if message.refusal:
        blocks.append(Refused(message.refusal))
    blocks += _signature(message.extra_content)
    for call in message.tool_calls or ():
        blocks += _signature(call.extra_content)
        if call.function is not None:
            blocks.append(ToolUse(call.id, call.function.name, call.function.arguments or "{}"))
        elif call.custom is not None:
            blocks.append(ToolUse(call.id, call.custom.name, call.custom.input or "", custom=True))
        else:
            raise Refusal(400, "invalid_type", f"Tool call '{call.id[:100]}' has no function.", param="messages")
    return blocks


def _signature(extra: Extra | None) -> list[Block]:
    signature = extra.google.thought_signature if extra and extra.google else None
    return [Thinking("", signature, _OWN)] if signature else []


def _thoughts(message: _Assistant) -> list[Block]:
    shown = message.reasoning_content or message.reasoning or ""
    details = message.reasoning_details or []
    if not details:
        return [Thinking(shown, origin=_OWN)] if shown else []
    blocks: list[Block] = []
    joined = _joined(details)
    lost = _lost(joined)
    for detail in joined:
        slot = detail.data if detail.type == "reasoning.encrypted" else detail.signature
        signature, origin = unwrap(slot, _OWN) if slot is not None else (None, _OWN)
        is_redacted = detail.type == "reasoning.encrypted"
        text = "" if is_redacted else detail.text or detail.summary or ""
        blocks.append(Thinking(text, signature, origin, is_redacted, detail.id, detail.index in lost))
    return blocks


def _lost(details: list[Detail]) -> set[int | None]:
    """Which pieces lack something that came before them: openai-node's `stream()` keeps the last piece only.

    That is a signature whose text came apart from it, or something redacted whose predecessor is missing.
    """
    there = {detail.index for detail in details}
    wordless = {detail.index for detail in details if detail.signature and detail.text is None and not detail.summary}
    encrypted = {detail.index for detail in details if detail.type == "reasoning.encrypted"}
    return wordless | {index for index in encrypted if index and index - 1 not in there}


def _joined(details: list[Detail]) -> list[Detail]:
    """A client that gathered a stream's pieces may have kept them apart; those of one index belong together."""
    whole: list[Detail] = []
    for detail in details:
        last = whole[-1] if whole else None
        if last is None or detail.index is None or last.index != detail.index or last.type != detail.type:
            whole.append(detail)
            continue
        texts = [text for text in (last.text, detail.text) if text is not None]
        signature = (last.signature or "") + (detail.signature or "")
        whole[-1] = msgspec.structs.replace(last, text="".join(texts) if texts else None, signature=signature or None)
    return whole


def _blocks(content: _Content) -> list[Block]:
    if content is None:
        return []
    if isinstance(content, str):
        return [Text(content)]
    return [_block(part) for part in content]


def _block(part: _AnyPart) -> Block:
    match part:
        case _Text(text, cache, end):
            return Text(text, _mark(cache, end))
        case _Image(image, cache, end):
            if isinstance(image, str):
                return Image(source_of(image), cache=_mark(cache, end))
            return Image(source_of(image.url), image.detail, _mark(cache, end))
        case _Audio(sound, end):
            return Audio(Data(AUDIO_FORMATS.get(sound.format, f"audio/{sound.format}"), sound.data), _mark(None, end))
        case _File(file, cache, end):
            return _document(file, _mark(cache, end))
        case _DocumentUrl(url, name):
            return Document(source_of(url), name)
        case _Video(video):
            return Video(source_of(video.url))
        case _Refusal(refusal):
            return Refused(refusal)
        case _Thought(thinking):
            text = thinking if isinstance(thinking, str) else "".join(piece.text for piece in thinking)
            return Thinking(text, part.signature, _OWN)


def _document(file: _FileBody, cache: str | None) -> Document:
    if file.file_id is not None:
        return Document(FileRef(file.file_id, _OWN), file.filename, cache)
    if file.file_data is None:
        raise Refusal(400, "invalid_type", "A file has neither file_data nor file_id.", param="messages")
    data = file.file_data
    source = source_of(data) if data.startswith("data:") else Data("application/pdf", data)
    return Document(source, file.filename, cache)


def _mark(cache: _Cache | None, end: _Breakpoint | None) -> str | None:
    if end is not None:
        return end.ttl or ""
    return cache.ttl if cache is not None else None
