"""Texts to be turned into vectors, and the vectors, in no provider's words."""

from __future__ import annotations

import base64
import binascii
import struct
from enum import StrEnum

import msgspec

from unigate.errors import Fault, Kind
from unigate.usage import Usage

__all__ = ["Aspect", "EmbedAsk", "Purpose", "Vectors", "complete", "numbers_of", "packed"]

_BRACKET = ord("[")
_FLOAT = 4  # bytes

_numbers = msgspec.json.Decoder(list[float])
_text = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode


class Purpose(StrEnum):
    """What the vectors are for; a model may make other vectors of the same text for another purpose."""

    QUERY = "query"
    DOCUMENT = "document"
    SIMILARITY = "similarity"
    CLASSIFICATION = "classification"
    CLUSTERING = "clustering"
    QUESTION = "question"
    FACT = "fact"
    CODE_QUERY = "code_query"


class Aspect(StrEnum):
    """Everything an ask for vectors can hold that some format cannot say."""

    TOKENS = "tokens"  # numbers of tokens in place of a text
    MEDIA = "media"  # anything but text
    DIMENSIONS = "dimensions"
    PURPOSE = "purpose"
    TITLE = "title"
    TRUNCATE = "truncate"
    USER = "user"
    OTHER = "other"  # known to one dialect alone


class EmbedAsk(msgspec.Struct, kw_only=True):
    """One request for vectors. `truncate` is what to cut of a text that is too long: `start`, `end` or `none`.

    `packed` asks for base64 in place of numbers; `others` and `unknown` are as in a conversation's ask.
    """

    model: str
    texts: tuple[str, ...]
    dimensions: int | None = None
    purpose: Purpose | None = None
    title: str | None = None
    truncate: str | None = None
    user: str | None = None
    packed: bool = False
    others: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class Vectors(msgspec.Struct, frozen=True):
    """The vectors in the order of their texts, each the JSON array it came as; an empty model was not told."""

    vectors: tuple[msgspec.Raw, ...]
    model: str = ""
    usage: Usage = Usage()


def complete(vectors: Vectors, ask: EmbedAsk) -> Vectors:
    """The same vectors. Raises Fault if they are not one for each text, for clients match them by their order."""
    if len(vectors.vectors) != len(ask.texts):
        found = f"{len(vectors.vectors)} vectors for {len(ask.texts)} texts"
        raise Fault(Kind.INVALID, f"The upstream answered with {found}.")
    return vectors


def numbers_of(vector: msgspec.Raw) -> msgspec.Raw:
    """A vector as a JSON array, also if it came as base64. Raises Fault if it is neither."""
    if memoryview(vector)[0] == _BRACKET:
        return vector
    try:
        content = base64.b64decode(_text.decode(vector), validate=True)
        return msgspec.Raw(_encode(struct.unpack(f"<{len(content) // _FLOAT}f", content)))
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error, ValueError, struct.error) as error:
        raise Fault(Kind.INVALID, "The upstream answered with a vector that is neither numbers nor base64.") from error


def packed(vector: msgspec.Raw) -> str:
    """A JSON array of numbers as base64 of little-endian 32-bit floats. Raises Fault if it holds anything else."""
    try:
        numbers = _numbers.decode(vector)
        return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode("ascii")
    except (msgspec.DecodeError, UnicodeDecodeError, OverflowError) as error:
        raise Fault(Kind.INVALID, "The upstream answered with a vector that holds more than numbers.") from error
