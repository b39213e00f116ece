"""The items of a Responses request's input, as they stand in JSON."""

from __future__ import annotations

from typing import Literal

import msgspec

from unigate.conversation import (
    Audio,
    Block,
    Citation,
    Data,
    Document,
    FileRef,
    Image,
    Refused,
    Source,
    Text,
    Thinking,
    Url,
)
from unigate.dialects.media import AUDIO_FORMATS, source_of
from unigate.dialects.openai_responses.fields import OWN
from unigate.dialects.signatures import unwrap
from unigate.errors import Refusal

__all__ = [
    "REDACTED",
    "Call",
    "Content",
    "CustomCall",
    "MessageItem",
    "Output",
    "Reasoning",
    "blocks_of",
    "thinking_of",
]

REDACTED = " redacted"
"""What is added to the origin of a signature that stands for reasoning nobody may see."""

# Not `Raw | None`: msgspec would take nothing but null.
_NOTHING = msgspec.Raw(b"null")
_DETAILS = {"original": "high"}
_TYPES = {
    "csv": "text/csv",
    "htm": "text/html",
    "html": "text/html",
    "json": "application/json",
    "md": "text/markdown",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "xml": "text/xml",
}


class Mark(msgspec.Struct, frozen=True):
    """The end of a reusable beginning of the prompt."""

    mode: str = ""
    ttl: str | None = None


class Annotation(msgspec.Struct, frozen=True):
    """Where a passage of an earlier answer came from."""

    type: str = ""
    url: str | None = None
    title: str | None = None
    filename: str | None = None
    start_index: int | None = None
    end_index: int | None = None


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    prompt_cache_breakpoint: Mark | None = None


class _InputText(_Part, frozen=True, tag="input_text"):
    text: str


class _PlainText(_Part, frozen=True, tag="text"):
    text: str


class _OutputText(_Part, frozen=True, tag="output_text"):
    text: str
    annotations: list[Annotation] | None = None
    logprobs: msgspec.Raw = _NOTHING
    parsed: msgspec.Raw = _NOTHING  # the SDK's own addition to what it was told


class _Refusal(_Part, frozen=True, tag="refusal"):
    refusal: str


class _Image(_Part, frozen=True, tag="input_image"):
    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None


class _File(_Part, frozen=True, tag="input_file"):
    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None
    detail: str | None = None


class _Sound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    data: str
    format: str


class _Audio(_Part, frozen=True, tag="input_audio"):
    input_audio: _Sound


Part = _InputText | _PlainText | _OutputText | _Refusal | _Image | _File | _Audio
Content = str | list[Part]
"""What a message says, or what a tool gave back."""


class _Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every item may carry of its life at the provider."""

    type: str = ""
    id: str | None = None
    status: str | None = None
    caller: msgspec.Raw = _NOTHING


class MessageItem(_Item, frozen=True):
    """A message of either side."""

    role: Literal["user", "assistant", "system", "developer"]
    content: Content
    phase: str | None = None


class Call(_Item, frozen=True):
    """The model called a function."""

    call_id: str
    name: str
    arguments: str = ""
    namespace: str | None = None
    is_async: bool | None = msgspec.field(default=None, name="async")
    parsed_arguments: msgspec.Raw = _NOTHING


class CustomCall(_Item, frozen=True):
    """The model called a custom tool."""

    call_id: str
    name: str
    input: str = ""
    namespace: str | None = None
    is_async: bool | None = msgspec.field(default=None, name="async")


class Output(_Item, frozen=True):
    """What a function or a custom tool gave back."""

    call_id: str
    output: Content
    name: str | None = None
    namespace: str | None = None


class _Words(msgspec.Struct, frozen=True):
    text: str = ""


class Reasoning(_Item, frozen=True):
    """The model thought."""

    summary: list[_Words] | None = None
    content: list[_Words] | None = None
    encrypted_content: str | None = None


def thinking_of(item: Reasoning) -> Thinking | None:
    """The reasoning of an item; None if only the provider that keeps it could know."""
    text = "\n\n".join(words.text for words in item.content or item.summary or ())
    if not item.encrypted_content:
        return Thinking(text, None, OWN, id=item.id) if text else None
    signature, origin = unwrap(item.encrypted_content, OWN)
    is_redacted = origin.endswith(REDACTED)
    id = item.id if origin == OWN else None
    return Thinking(text, signature or None, origin.removesuffix(REDACTED), is_redacted, id)


def blocks_of(content: Content) -> list[Block]:
    """The blocks of a content. Raises Refusal (400) for a part that holds nothing."""
    if isinstance(content, str):
        return [Text(content)]
    return [_block(part) for part in content]


def _block(part: Part) -> Block:
    mark = part.prompt_cache_breakpoint
    cache = (mark.ttl or "") if mark is not None else None
    match part:
        case _InputText() | _PlainText():
            return Text(part.text, cache)
        case _OutputText():
            return Text(part.text, cache, tuple(_citation(one) for one in part.annotations or ()))
        case _Refusal():
            return Refused(part.refusal)
        case _Image():
            detail = _DETAILS.get(part.detail, part.detail) if part.detail is not None else None
            return Image(_image_source(part), detail, cache)
        case _File():
            return Document(_file_source(part), part.filename, cache)
        case _Audio():
            sound = part.input_audio
            return Audio(Data(AUDIO_FORMATS.get(sound.format, f"audio/{sound.format}"), sound.data), cache)


def _citation(one: Annotation) -> Citation:
    return Citation(one.url, one.title or one.filename, start=one.start_index, end=one.end_index)


def _image_source(part: _Image) -> Source:
    if part.image_url is not None:
        return source_of(part.image_url)
    if part.file_id is not None:
        return FileRef(part.file_id, OWN)
    raise Refusal(400, "invalid_type", "An input_image in 'input' has neither image_url nor file_id.", param="input")


def _file_source(part: _File) -> Source:
    if part.file_data is not None:
        source = source_of(part.file_data)
        ending = (part.filename or "").rpartition(".")[2].lower()
        # Bare base64 is taken too; then only the file's name tells what it is.
        return source if isinstance(source, Data) else Data(_TYPES.get(ending, "application/pdf"), part.file_data)
    if part.file_url is not None:
        return Url(part.file_url)
    if part.file_id is not None:
        return FileRef(part.file_id, OWN)
    reason = "An input_file in 'input' has neither file_data, file_url nor file_id."
    raise Refusal(400, "invalid_type", reason, param="input")
