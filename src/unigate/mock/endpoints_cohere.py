"""Cohere's embeddings and its ranking, version 2."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from functools import partial
from typing import Literal

import msgspec
from msgspec.json import encode

from unigate.mock.ask import Heard, Reply, Request, Scene
from unigate.mock.endpoints import DIMENSIONS, vector
from unigate.mock.usage import number
from unigate.mock.words import tokens_of

__all__ = ["embed", "rerank"]

Kind = Literal["float", "int8", "uint8", "binary", "ubinary", "base64"]
Vector = list[float]


def _signs(numbers: Vector) -> list[int]:
    bits = [number > 0 for number in numbers]
    return [sum(bit << (7 - n) for n, bit in enumerate(bits[at : at + 8])) for at in range(0, len(bits), 8)]


KINDS: dict[str, Callable[[Vector], object]] = {
    "float": lambda numbers: numbers,
    "int8": lambda numbers: [round(127 * n) for n in numbers],
    "uint8": lambda numbers: [round(127 * n) + 128 for n in numbers],
    "ubinary": _signs,
    "binary": lambda numbers: [byte - 128 for byte in _signs(numbers)],
    "base64": lambda numbers: base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode(),
}


class EmbedRequest(msgspec.Struct):
    """What is read of an embedding's request."""

    model: str
    input_type: str
    texts: list[str] = []
    embedding_types: list[Kind] | None = None
    output_dimension: int | None = None


def embed(request: Request) -> Heard:
    """Answers embeddings in every type that is asked for."""
    told = msgspec.json.decode(request.body, type=EmbedRequest)
    return Heard(told.model, False, partial(_embed, told))


def _embed(told: EmbedRequest, scene: Scene) -> Reply:
    vectors = [vector(text, told.output_dimension or DIMENSIONS) for text in told.texts]
    tokens = tokens_of(told.texts)
    kinds: list[Kind] = told.embedding_types or ["float"]
    body: dict[str, object] = {
        "id": f"00000000-0000-4000-8000-{scene.tag}",
        "texts": told.texts,
        "embeddings": {kind: [KINDS[kind](numbers) for numbers in vectors] for kind in kinds},
        "response_type": "embeddings_by_type",
    }
    billed = {} if scene.script.usage == "none" else {"input_tokens": msgspec.Raw(number(scene.script.usage, tokens))}
    body["meta"] = {"api_version": {"version": "2"}, "billed_units": billed}
    return Reply(encode(body), input_tokens=tokens)


class RerankRequest(msgspec.Struct):
    """What is read of a request for a ranking."""

    query: str
    documents: list[str]
    model: str = ""
    top_n: int | None = None


def rerank(request: Request) -> Heard:
    """Answers a ranking by the share of the query's words in each document."""
    told = msgspec.json.decode(request.body, type=RerankRequest)
    return Heard(told.model, False, partial(_rerank, told))


def _rerank(told: RerankRequest, scene: Scene) -> Reply:
    wanted = set(told.query.lower().split())
    scores = [len(wanted & set(text.lower().split())) / max(1, len(wanted)) for text in told.documents]
    order = sorted(range(len(scores)), key=lambda n: (-scores[n], n))[: told.top_n]
    body = {
        "id": f"00000000-0000-4000-8000-{scene.tag}",
        "results": [{"index": n, "relevance_score": round(scores[n], 6)} for n in order],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
    }
    return Reply(encode(body), input_tokens=tokens_of([told.query, *told.documents]))
