"""Everything the scripted upstream answers that is not a conversation."""

from __future__ import annotations

import base64
import hashlib
import re
import struct
from collections.abc import Iterator
from functools import partial
from typing import Annotated

import msgspec
from msgspec.json import encode

from unigate.mock.ask import Heard, Reply, Request, Scene
from unigate.mock.usage import number
from unigate.mock.words import count, size, tokens_of

__all__ = ["embeddings", "images", "models", "moderations", "rerank", "speech", "transcriptions", "vector"]

DIMENSIONS = 256
NAMES = ("mock-chat", "mock-embedding", "script:tokens=50,pace=20", "unigate-demo")
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
BOUNDARY = re.compile(r'boundary="?([^";]+)')
FIELD = re.compile(rb'[ ;]name="?([^";\r\n]+)')
TEXTS = str | list[str | int | list[int]]


def vector(text: str, dimensions: int) -> list[float]:
    """The text's own unit vector: the same text always has the same one."""
    raw = hashlib.shake_128(text.encode("utf-8", "replace")).digest(2 * dimensions)
    numbers = [n + 0.5 for n in struct.unpack(f"<{dimensions}h", raw)]
    length = sum(n * n for n in numbers) ** 0.5
    return [n / length for n in numbers]


def told_texts(texts: TEXTS) -> list[str]:
    """The texts asked about; lists of token numbers count as the text of their numbers."""
    if isinstance(texts, str):
        return [texts]
    if texts and isinstance(texts[0], int):
        return [" ".join(map(str, texts))]
    return [text if isinstance(text, str) else str(text) for text in texts]


class EmbeddingRequest(msgspec.Struct):
    """What is read of an embeddings request."""

    input: TEXTS
    model: str = ""
    dimensions: Annotated[int, msgspec.Meta(ge=1, le=8192)] | None = None
    encoding_format: str | None = None


def embeddings(request: Request) -> Heard:
    """Answers OpenAI's embeddings."""
    told = msgspec.json.decode(request.body, type=EmbeddingRequest)
    return Heard(told.model, False, partial(_embeddings, told))


def _embeddings(told: EmbeddingRequest, scene: Scene) -> Reply:
    texts = told_texts(told.input)
    vectors = [vector(text, told.dimensions or DIMENSIONS) for text in texts]
    based = told.encoding_format == "base64"
    data = [
        {"object": "embedding", "index": n, "embedding": _packed(numbers) if based else numbers}
        for n, numbers in enumerate(vectors)
    ]
    tokens = tokens_of(texts)
    body: dict[str, object] = {"object": "list", "data": data, "model": scene.shown}
    if scene.script.usage != "none":
        spent = msgspec.Raw(number(scene.script.usage, tokens))
        body["usage"] = {"prompt_tokens": spent, "total_tokens": spent}
    return Reply(encode(body), input_tokens=tokens)


def _packed(numbers: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def models(request: Request) -> Heard:
    """Answers the list of models, or one model, in the shape the path or the headers ask for."""
    return Heard(request.model, False, partial(_models, request), named=False)


def _models(request: Request, scene: Scene) -> Reply:
    is_google = request.header(b"x-goog-api-key") or request.header(b"x-goog-api-client")
    shape = _gemini_model if "/v1beta/" in request.path or is_google else _model
    if request.header(b"anthropic-version"):
        shape = _anthropic_model
    if request.model:
        return Reply(encode(shape(request.model, scene)))
    listed = [shape(name, scene) for name in NAMES]
    if shape is _gemini_model:
        return Reply(encode({"models": listed}))
    if shape is _anthropic_model:
        return Reply(encode({"data": listed, "has_more": False, "first_id": NAMES[0], "last_id": NAMES[-1]}))
    return Reply(encode({"object": "list", "data": listed}))


def _model(name: str, scene: Scene) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 1_760_000_000, "owned_by": "unigate"}


def _anthropic_model(name: str, scene: Scene) -> dict[str, object]:
    return {"type": "model", "id": name, "display_name": name, "created_at": "2025-10-09T00:00:00Z"}


def _gemini_model(name: str, scene: Scene) -> dict[str, object]:
    methods = ["generateContent", "countTokens", "embedContent"]
    return {"name": f"models/{name}", "displayName": name, "version": "1", "supportedGenerationMethods": methods}


class ImageRequest(msgspec.Struct):
    """What is read of an image request."""

    prompt: str
    model: str = "mock-image"
    n: int | None = None
    response_format: str | None = None


def images(request: Request) -> Heard:
    """Answers OpenAI's image generation with one pixel."""
    told = msgspec.json.decode(request.body, type=ImageRequest)
    return Heard(told.model, False, partial(_images, told))


def _images(told: ImageRequest, scene: Scene) -> Reply:
    tokens = tokens_of([told.prompt])
    by_link = told.response_format == "url"
    image = {"url": f"https://example.com/{scene.tag}.png"} if by_link else {"b64_json": PIXEL}
    usage = {"input_tokens": tokens, "output_tokens": 1, "total_tokens": tokens + 1}
    body = {"created": scene.created, "data": [image] * max(1, min(told.n or 1, 10)), "usage": usage}
    return Reply(encode(body), input_tokens=tokens, output_tokens=1)


class SpeechRequest(msgspec.Struct):
    """What is read of a speech request."""

    input: str
    model: str = ""
    response_format: str | None = None


def speech(request: Request) -> Heard:
    """Answers OpenAI's speech with bytes: a silent WAV file whose length follows the text's."""
    told = msgspec.json.decode(request.body, type=SpeechRequest)
    return Heard(told.model, False, partial(_speech, told))


def _speech(told: SpeechRequest, scene: Scene) -> Reply:
    samples = scene.script.size or 800 * max(1, count(told.input))
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + samples, b"WAVE", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8, b"data", samples
    )
    kind = {"wav": b"audio/wav", "pcm": b"audio/pcm"}.get(told.response_format or "", b"audio/mpeg")
    return Reply(head + b"\x80" * samples, content_type=kind, input_tokens=tokens_of([told.input]))


def transcriptions(request: Request) -> Heard:
    """Answers OpenAI's transcription of an uploaded file, whatever is in the file."""
    fields = dict(_form(request.body, BOUNDARY.search(request.header(b"content-type"))))
    return Heard(fields.get("model", b"").decode("utf-8", "replace"), False, partial(_transcription, fields))


def _form(body: bytes, boundary: re.Match[str] | None) -> Iterator[tuple[str, bytes]]:
    if boundary is None:
        return
    for part in body.split(b"--" + boundary[1].encode("latin-1")):
        head, _, content = part.partition(b"\r\n\r\n")
        name = FIELD.search(head)
        if name is not None:
            yield name[1].decode("utf-8", "replace"), content[:-2]


def _transcription(fields: dict[str, bytes], scene: Scene) -> Reply:
    text = scene.filler if scene.script.text is msgspec.UNSET else scene.script.text
    heard = len(fields.get("file", b""))
    if fields.get("response_format") == b"text":
        return Reply(text.encode() + b"\n", content_type=b"text/plain; charset=utf-8", output_tokens=count(text))
    told = -(-heard // 4)
    usage = {"type": "tokens", "input_tokens": told, "output_tokens": count(text), "total_tokens": told + count(text)}
    return Reply(encode({"text": text, "usage": usage}), input_tokens=told, output_tokens=count(text))


class ModerationRequest(msgspec.Struct):
    """What is read of a moderation request."""

    input: str | list[str | dict[str, object]]
    model: str = "mock-moderation"


CATEGORIES = ["harassment", "hate", "illicit", "self-harm", "sexual", "violence"]


def moderations(request: Request) -> Heard:
    """Answers OpenAI's moderations: only a text with the word 'violence' in it is flagged."""
    told = msgspec.json.decode(request.body, type=ModerationRequest)
    return Heard(told.model, False, partial(_moderations, told))


def _moderations(told: ModerationRequest, scene: Scene) -> Reply:
    texts = [told.input] if isinstance(told.input, str) else [str(text) for text in told.input]
    results = [_judged("violence" in text.lower()) for text in texts]
    return Reply(encode({"id": f"modr-{scene.tag}", "model": scene.shown, "results": results}))


def _judged(flagged: bool) -> dict[str, object]:
    named = {name: flagged and name == "violence" for name in CATEGORIES}
    scores = {name: 0.98 if bad else 0.01 for name, bad in named.items()}
    return {"flagged": flagged, "categories": named, "category_scores": scores}


class RerankRequest(msgspec.Struct):
    """What is read of a rerank request."""

    query: str
    documents: list[str | dict[str, object]]
    model: str = ""
    top_n: int | None = None
    return_documents: bool = False


def rerank(request: Request) -> Heard:
    """Answers a rerank in the shape Cohere and Jina share: by the share of the query's words in a document."""
    told = msgspec.json.decode(request.body, type=RerankRequest)
    return Heard(told.model, False, partial(_rerank, told))


def _rerank(told: RerankRequest, scene: Scene) -> Reply:
    texts = [d if isinstance(d, str) else str(d.get("text", "")) for d in told.documents]
    wanted = set(told.query.lower().split())
    scores = [len(wanted & set(text.lower().split())) / max(1, len(wanted)) for text in texts]
    order = sorted(range(len(texts)), key=lambda n: (-scores[n], n))[: told.top_n]
    results: list[dict[str, object]] = [{"index": n, "relevance_score": round(scores[n], 6)} for n in order]
    if told.return_documents:
        results = [result | {"document": {"text": texts[n]}} for result, n in zip(results, order, strict=True)]
    tokens = -(-(size(told.query) + sum(map(size, texts))) // 4)
    meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
    body = {"id": f"rerank-{scene.tag}", "model": scene.shown, "results": results, "meta": meta}
    return Reply(encode(body | {"usage": {"total_tokens": tokens}}), input_tokens=tokens)
