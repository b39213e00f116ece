"""Gemini's embeddings."""

from __future__ import annotations

from functools import partial

import msgspec
from msgspec.json import encode

from unigate.mock.ask import Heard, Reply, Request, Scene
from unigate.mock.endpoints import DIMENSIONS, vector
from unigate.mock.reads_gemini import Content, flat
from unigate.mock.words import tokens_of

__all__ = ["embed", "embed_batch"]


class EmbedRequest(msgspec.Struct, rename="camel"):
    """What is read of one embedding's request."""

    content: Content
    output_dimensionality: int | None = None


class EmbedBatchRequest(msgspec.Struct):
    """What is read of a request for several embeddings."""

    requests: list[EmbedRequest]


def embed(request: Request) -> Heard:
    """Answers one embedding."""
    told = msgspec.json.decode(request.body, type=EmbedRequest)
    return Heard(request.model, False, partial(_embed, told))


def _embed(told: EmbedRequest, scene: Scene) -> Reply:
    return Reply(encode({"embedding": _values(told)}), input_tokens=tokens_of([flat(told.content)]))


def embed_batch(request: Request) -> Heard:
    """Answers several embeddings."""
    told = msgspec.json.decode(request.body, type=EmbedBatchRequest)
    return Heard(request.model, False, partial(_embed_batch, told))


def _embed_batch(told: EmbedBatchRequest, scene: Scene) -> Reply:
    tokens = tokens_of(flat(one.content) for one in told.requests)
    return Reply(encode({"embeddings": [_values(one) for one in told.requests]}), input_tokens=tokens)


def _values(told: EmbedRequest) -> dict[str, list[float]]:
    return {"values": vector(flat(told.content), told.output_dimensionality or DIMENSIONS)}
