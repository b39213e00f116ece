"""Reads embeddings, rankings and lists of models.

https://platform.openai.com/docs/api-reference/embeddings, https://docs.cohere.com/reference/embed,
https://ai.google.dev/api/embeddings, https://docs.ollama.com/api/embed,
https://help.aliyun.com/zh/model-studio/text-rerank-api.

Vectors are hashed as 32-bit floats, little-endian, one after the other: OpenAI's base64 is exactly these bytes, and
numbers in JSON are rounded to them. Scores are hashed as JSON.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass, field

from recordings.reader.found import Asked, Usage
from recordings.reader.look import arr, count, joined, json_sha, obj, objs, sha, text, text_fact
from recordings.replay import Json, Object, Recording

__all__ = ["Listed", "asked", "embedded", "models", "ranked"]


@dataclass
class Listed:
    """An answer that is a list and not a message."""

    told: Object
    odd: list[str] = field(default_factory=list[str])

    def facts(self, *, streamed: bool, status: int) -> Object:
        """What was told, in the order it was read."""
        return {"status": status, "stream": streamed, **self.told}


def embedded(recording: Recording) -> Listed:
    """The vectors: how many, how long, how encoded, and the hash of all."""
    body = obj(recording.body)
    vectors = _vectors(body)
    packed = [_packed(vector) for vector in vectors]
    return Listed(
        {
            "model": text(body.get("model")) or None,
            "id": text(body.get("id")) or None,
            "vectors": {
                "count": len(packed),
                "dimensions": len(packed[0]) // 4,
                "encoding": "base64" if isinstance(vectors[0], str) else "float",
                "sha256": sha(b"".join(packed)),
            },
            "usage": Usage(input_total=_read(body)).facts(),
        }
    )


def ranked(recording: Recording) -> Listed:
    """The ranking: which document in which place, and the hash of the scores."""
    body = obj(recording.body)
    results = objs(obj(body.get("output")).get("results"))
    return Listed(
        {
            "id": text(body.get("request_id")),
            "order": [result.get("index") for result in results],
            "scores": json_sha([result.get("relevance_score") for result in results]),
            "usage": Usage(input_total=count(obj(body.get("usage")).get("total_tokens"))).facts(),
        }
    )


def models(recording: Recording) -> Listed:
    """The models: how many, and the hash of their names, a line each, in order."""
    names = [text(model.get("id")) for model in objs(obj(recording.body).get("data"))]
    return Listed({"models": {"count": len(names), "sha256": sha("\n".join(names))}})


def asked(recording: Recording) -> Asked:
    """What is to be embedded or ranked."""
    body = obj(recording.request)
    found = Asked(model=text(body.get("model")) or None)
    given = body.get("input", body.get("texts"))
    texts = [given] if isinstance(given, str) else arr(given)
    documents = arr(obj(given).get("documents"))
    contents = [joined(obj(one.get("content")).get("parts")) for one in objs(body.get("requests"))]
    everything = [*texts, *documents, *contents]
    found.inputs = [text_fact(one) if isinstance(one, str) else json_sha(one) for one in everything]
    query = text(obj(given).get("query"))
    found.more = {"query": text_fact(query)} if query else {}
    for name, value in (
        ("dimensions", body.get("dimensions", body.get("output_dimension"))),
        ("encoding", body.get("encoding_format")),
    ):
        if value is not None:
            found.more[name] = value
    return found


def _vectors(body: Object) -> list[Json]:
    told = body.get("embeddings")
    openai: list[Json] = [element.get("embedding") for element in objs(body.get("data"))]
    google: list[Json] = [element.get("values") for element in objs(told)]
    return openai or google or arr(obj(told).get("float")) or arr(told)


def _packed(vector: Json) -> bytes:
    if isinstance(vector, str):
        return base64.b64decode(vector, validate=True)
    numbers = [number for number in arr(vector) if isinstance(number, int | float)]
    return struct.pack(f"<{len(numbers)}f", *numbers)


def _read(body: Object) -> int | None:
    told: list[Json] = [
        obj(body.get("usage")).get("prompt_tokens"),
        obj(obj(body.get("meta")).get("billed_units")).get("input_tokens"),
        obj(body.get("usageMetadata")).get("promptTokenCount"),
        body.get("prompt_eval_count"),
    ]
    return next((count(number) for number in told if number is not None), None)
