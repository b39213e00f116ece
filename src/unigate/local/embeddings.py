"""The meaning of one embeddings request: what is asked, what is refused, what is answered."""

from __future__ import annotations

import struct
from base64 import b64encode
from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from unigate.local import EMBED_MODEL

__all__ = ["Embedder", "Refused", "embeddings", "models"]

_DIMENSIONS = 384
_MOST_TEXTS = 2048


class Refused(Exception):
    """A request that cannot be answered, as OpenAI would say it."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param
        self.code = code

    def body(self) -> bytes:
        """The JSON body of the refusal."""
        said = {"message": str(self), "type": "invalid_request_error", "param": self.param, "code": self.code}
        return msgspec.json.encode({"error": said})


class Embedder(Protocol):
    """A model that turns texts into vectors of length one, and counts their tokens."""

    def embed(self, texts: Sequence[str]) -> list[list[float]]: ...

    def count(self, text: str) -> int: ...


class _Request(msgspec.Struct, frozen=True):
    model: str
    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int
    total_tokens: int


class _Embedding(msgspec.Struct, frozen=True):
    index: int
    embedding: list[float] | str
    object: str = "embedding"


class _Answer(msgspec.Struct, frozen=True):
    data: list[_Embedding]
    usage: _Usage
    object: str = "list"
    model: str = EMBED_MODEL


def embeddings(body: bytes, embedder: Embedder) -> bytes:
    """Answers the body of `POST /v1/embeddings`, or raises `Refused`."""
    request = _parse(body)
    texts = _texts(request.input)
    vectors = embedder.embed(texts)
    written = vectors if request.encoding_format == "float" else [_base64(vector) for vector in vectors]
    tokens = sum(embedder.count(text) for text in texts)
    data = [_Embedding(index, embedding) for index, embedding in enumerate(written)]
    return msgspec.json.encode(_Answer(data, _Usage(tokens, tokens)))


def models() -> bytes:
    """The answer to `GET /v1/models`."""
    model = {"id": EMBED_MODEL, "object": "model", "created": 0, "owned_by": "local"}
    return msgspec.json.encode({"object": "list", "data": [model]})


def _parse(body: bytes) -> _Request:
    try:
        request = msgspec.json.decode(body, type=_Request)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Refused(400, f"The request cannot be read: {error}.") from error
    if request.model != EMBED_MODEL:
        message = f"Model '{request.model}' does not exist here; the one that does is '{EMBED_MODEL}'."
        raise Refused(404, message, param="model", code="model_not_found")
    if request.dimensions not in (None, _DIMENSIONS):
        message = f"'dimensions' must be {_DIMENSIONS}: this model's vectors cannot be shortened."
        raise Refused(400, message, param="dimensions")
    return request


def _texts(given: str | list[str | int | list[int]]) -> list[str]:
    listed = [given] if isinstance(given, str) else given
    texts = [text for text in listed if isinstance(text, str)]
    if len(texts) != len(listed):
        message = "'input' must be a string or a list of strings: this model does not take lists of token ids."
        raise Refused(400, message, param="input")
    if not texts or not all(texts):
        raise Refused(400, "'input' must not be empty, nor hold an empty string.", param="input")
    if len(texts) > _MOST_TEXTS:
        raise Refused(400, f"'input' may hold at most {_MOST_TEXTS} strings.", param="input")
    # The model reads C strings: it would take the first NUL for the end of the text.
    return [text.replace("\0", " ") for text in texts]


def _base64(vector: list[float]) -> str:
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
