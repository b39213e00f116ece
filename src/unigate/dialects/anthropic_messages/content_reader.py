"""Reads the content of a Messages request: blocks of the kinds all formats share, and the rest as they came."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from unigate.conversation import (
    Block,
    Citation,
    Data,
    Document,
    FileRef,
    Foreign,
    Image,
    Source,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    Url,
)
from unigate.dialects.anthropic_messages.blocks import (
    Base64Source,
    Cache,
    CitationsConfig,
    ContentSource,
    DocumentBlock,
    FileSource,
    ImageBlock,
    RedactedBlock,
    SearchResultBlock,
    SystemBlock,
    TextBlock,
    TextSource,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    UrlSource,
)
from unigate.dialects.anthropic_messages.citations import citation_of
from unigate.dialects.anthropic_messages.fields import OWN
from unigate.dialects.signatures import unwrap
from unigate.errors import Refusal
from unigate.wire.typed import TypedDecoder

__all__ = ["Content", "lifetime_of", "read_content", "text_block"]

T = TypeVar("T")

_PLACE = "messages[].content[]"

Content = str | list[msgspec.Raw]

_Blocks = list[Block]
_Names = tuple[str, ...]


class _Kind(msgspec.Struct):
    type: str


_kind = msgspec.json.Decoder(_Kind)


def read_content(content: Content, place: str) -> tuple[_Blocks, _Names]:
    """The blocks, and the fields in them that were set aside. Raises Refusal (400) naming the block at `place`."""
    if isinstance(content, str):
        return ([Text(content)] if content else []), ()
    blocks: _Blocks = []
    names: _Names = ()
    for index, raw in enumerate(content):
        try:
            found, unknown = _read_block(raw)
        except Refusal as refusal:
            raise _placed(refusal, f"{place}[{index}]") from refusal
        blocks += found
        names += unknown
    return blocks, names


def _read_block(raw: msgspec.Raw) -> tuple[_Blocks, _Names]:
    try:
        kind = _kind.decode(raw).type
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"'{_PLACE}' is wrong: a block is an object with a 'type'."
        raise Refusal(400, "invalid_type", message, param=_PLACE) from error
    read = _READ.get(kind)
    return read(raw) if read is not None else ([Foreign(OWN, kind, raw)], ())


def _placed(refusal: Refusal, place: str) -> Refusal:
    """The refusal with the place of the block it is about instead of that of all blocks."""
    told = refusal.told
    message, param = (text.replace(_PLACE, place, 1) for text in (told.message, told.param or _PLACE))
    return Refusal(told.status, told.code, message, type=told.type, param=param)


def lifetime_of(cache: Cache | None) -> str | None:
    """How long a mark asks for; empty where it leaves that to the service."""
    return None if cache is None else cache.ttl or ""


def text_block(block: TextBlock) -> Text:
    """Words with their mark and, in an earlier answer, their sources."""
    return Text(block.text, lifetime_of(block.cache_control), tuple(_citations(block.citations)))


def _citations(raws: list[msgspec.Raw] | None) -> list[Citation]:
    return [citation for raw in raws or () if (citation := citation_of(raw)) is not None]


def _text(block: TextBlock) -> tuple[_Blocks, _Names]:
    return [text_block(block)], ()


def _image(block: ImageBlock) -> tuple[_Blocks, _Names]:
    return [Image(_source(block.source), cache=lifetime_of(block.cache_control))], ()


def _document(block: DocumentBlock) -> tuple[_Blocks, _Names]:
    """The document; what is told beside it, and pictures in it, become blocks of their own."""
    before: _Blocks = [Text(block.context)] if block.context else []
    cache, cited = lifetime_of(block.cache_control), _is_cited(block.citations)
    if not isinstance(block.source, ContentSource):
        return [*before, Document(_source(block.source), block.title, cache, cited)], ()
    blocks, names = read_content(block.source.content, _PLACE)
    text, rest = _parted(blocks)
    return [*before, Document(_plain(text), block.title, cache, cited), *rest], names


def _search_result(block: SearchResultBlock) -> tuple[_Blocks, _Names]:
    blocks, names = read_content(block.content, _PLACE)
    text, rest = _parted(blocks)
    found = Document(
        _plain(f"{block.source}\n\n{text}"),
        block.title,
        lifetime_of(block.cache_control),
        _is_cited(block.citations),
    )
    return [found, *rest], names


def _parted(blocks: _Blocks) -> tuple[str, _Blocks]:
    texts = [block.text for block in blocks if isinstance(block, Text)]
    return "\n\n".join(texts), [block for block in blocks if not isinstance(block, Text)]


def _is_cited(citations: CitationsConfig | None) -> bool:
    return citations is not None and citations.enabled is True


def _plain(text: str) -> Data:
    return Data("text/plain", base64.b64encode(text.encode("utf-8", "replace")).decode())


def _source(source: Base64Source | UrlSource | FileSource | TextSource) -> Source:
    match source:
        case Base64Source(media_type, data):
            return Data(media_type, data)
        case UrlSource(url):
            return Url(url)
        case FileSource(file_id):
            return FileRef(file_id, OWN)
        case TextSource(_, data):
            return _plain(data)


def _system(block: SystemBlock) -> tuple[_Blocks, _Names]:
    return read_content(block.content, _PLACE)


def _thinking(block: ThinkingBlock) -> tuple[_Blocks, _Names]:
    if not block.signature:
        return [Thinking(block.thinking)], ()
    signature, origin = unwrap(block.signature, OWN)
    return ([Thinking(block.thinking, signature or None, origin)] if signature or block.thinking else []), ()


def _redacted(block: RedactedBlock) -> tuple[_Blocks, _Names]:
    signature, origin = unwrap(block.data, OWN)
    return [Thinking("", signature, origin, redacted=True)], ()


def _tool_use(block: ToolUseBlock) -> tuple[_Blocks, _Names]:
    arguments = bytes(block.input).decode("utf-8", "replace")
    return [ToolUse(block.id, block.name, arguments, lifetime_of(block.cache_control))], ()


def _tool_result(block: ToolResultBlock) -> tuple[_Blocks, _Names]:
    blocks, names = read_content(block.content or "", f"{_PLACE}.content")
    cache = lifetime_of(block.cache_control)
    return [ToolResult(block.tool_use_id, tuple(blocks), block.is_error is True, cache=cache)], names


_Read = Callable[[msgspec.Raw], tuple[_Blocks, _Names]]


def _reading(type: type[T], said: Callable[[T], tuple[_Blocks, _Names]]) -> _Read:
    decoder = TypedDecoder(type, _PLACE)

    def read(raw: msgspec.Raw) -> tuple[_Blocks, _Names]:
        block, unknown = decoder.decode(raw)
        blocks, names = said(block)
        return blocks, unknown + names

    return read


_READ: Mapping[str, _Read] = {
    "text": _reading(TextBlock, _text),
    "image": _reading(ImageBlock, _image),
    "document": _reading(DocumentBlock, _document),
    "search_result": _reading(SearchResultBlock, _search_result),
    "mid_conv_system": _reading(SystemBlock, _system),
    "thinking": _reading(ThinkingBlock, _thinking),
    "redacted_thinking": _reading(RedactedBlock, _redacted),
    "tool_use": _reading(ToolUseBlock, _tool_use),
    "tool_result": _reading(ToolResultBlock, _tool_result),
}
