"""Blocks of a Converse answer as they are read: whole ones, and those that are told only when they are whole."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec

from unigate.conversation import Block, Data, Foreign, Image, Text, Thinking, ToolUse
from unigate.dialects.arguments import written_arguments
from unigate.dialects.bedrock_converse.block_writer import OWN
from unigate.dialects.bedrock_converse.chunks import NULL, Content, Picture, citation_of
from unigate.errors import Fault, Kind

__all__ = ["HOSTED", "block_of", "foreign_of", "picture_of", "redacted_of"]

T = TypeVar("T")

HOSTED: Final = "server_tool_use"
"""The type of a call that the service itself carries out."""

_FAILURES: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_content: Final = msgspec.json.Decoder(Content)
_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array: Final = msgspec.json.Decoder(list[msgspec.Raw])
_text: Final = msgspec.json.Decoder(str)
_encode: Final = msgspec.json.Encoder().encode


def block_of(raw: msgspec.Raw, answer_id: str, index: int) -> Block:
    """A whole block; a call without an id is given one. Raises Fault if it is none."""
    content = _decoded(_content, raw)
    if content.text is not None:
        return Text(content.text)
    call, thought, cited = content.tool_use, content.reasoning_content, content.citations_content
    if call is not None and call.type != HOSTED:
        arguments = "{}" if call.input == NULL else bytes(call.input).decode("utf-8", "replace")
        return ToolUse(call.tool_use_id or f"call_{answer_id[-12:]}{index}", call.name or "", arguments)
    if thought is not None and thought.redacted_content is not None:
        return Thinking("", thought.redacted_content, OWN, redacted=True)
    if thought is not None and thought.reasoning_text is not None:
        told = thought.reasoning_text
        return Thinking(told.text or "", told.signature or None, OWN)
    if cited is not None:
        words = "".join(one.text or "" for one in cited.content or ())
        return Text(words, citations=tuple(map(citation_of, cited.citations or ())))
    if content.image is not None:
        return picture_of(content.image)
    # Copied: what it is a part of need not live as long.
    fields = _decoded(_object, raw)
    return Foreign(OWN, next(iter(fields), ""), raw.copy())


def _decoded(decoder: msgspec.json.Decoder[T], raw: msgspec.Raw) -> T:
    try:
        return decoder.decode(raw)
    except _FAILURES as error:
        raise Fault(Kind.INVALID, "The upstream sent a block that makes no sense.") from error


def picture_of(picture: Picture) -> Image:
    """A picture the model has made."""
    content = picture.source.bytes if picture.source else None
    return Image(Data(f"image/{picture.format or 'png'}", content or ""))


def redacted_of(blobs: list[str]) -> Thinking:
    """Thoughts that are not shown, of pieces each of which is base64 of its own."""
    if len(blobs) == 1:
        return Thinking("", blobs[0], OWN, redacted=True)
    try:
        joined = b"".join(base64.b64decode(blob, validate=True) for blob in blobs)
    except binascii.Error as error:
        raise Fault(Kind.INVALID, "The upstream sent redacted thoughts that are no base64.") from error
    return Thinking("", base64.b64encode(joined).decode(), OWN, redacted=True)


def foreign_of(start: msgspec.Raw, payloads: Iterable[bytes]) -> Foreign:
    """A block of a kind of its own, as it would be in a whole answer. Raises Fault if it makes no sense."""
    try:
        begun = _object.decode(start) if start != NULL else {}
        deltas = [_object.decode(_object.decode(payload)["delta"]) for payload in payloads]
        kind = next(iter(begun), "") or next((name for delta in deltas for name in delta), "unknown")
        fields = _object.decode(begun[kind]) if kind in begun else {}
        pieces = [delta[kind] for delta in deltas if kind in delta]
        return Foreign(OWN, kind, msgspec.Raw(_encode({kind: _completed(kind, fields, pieces)})))
    except (*_FAILURES, KeyError) as error:
        raise Fault(Kind.INVALID, "The upstream sent a block that makes no sense.") from error


def _completed(kind: str, fields: dict[str, msgspec.Raw], pieces: list[msgspec.Raw]) -> object:
    match kind:
        case "toolUse":
            inputs = [_object.decode(piece).get("input") for piece in pieces]
            arguments = "".join(_text.decode(one) for one in inputs if one is not None)
            return {**fields, "input": written_arguments(arguments)}
        case "toolResult":
            return {**fields, "content": [one for piece in pieces for one in _array.decode(piece)]}
        case _:
            for piece in pieces:
                fields.update(_object.decode(piece))
            return fields
