"""Embeddings as Gemini says them, one text at a time or many (https://ai.google.dev/api/embeddings)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from unigate.conversation import Asked
from unigate.dialects.conversion import ClientHalf, Embedding, ProviderHalf
from unigate.dialects.gemini_generate.spelling import camel_cased, camel_name
from unigate.dialects.losses import Fields, Losses, hint, meaning
from unigate.dialects.vectors.vectors import Aspect, EmbedAsk, Purpose, Vectors, complete, numbers_of
from unigate.dialects.whole_answers import NOTHING, Count, decoded, usage_from
from unigate.errors import Refusal
from unigate.target import Target
from unigate.usage import Usage
from unigate.wire.body import Body
from unigate.wire.typed import TypedDecoder

__all__ = ["BATCH_FIELDS", "BATCH_OF_EMBEDS", "EMBED", "FIELDS", "name_in_batch", "name_in_body", "usage_in"]

T = TypeVar("T")

FIELDS: Fields = {
    "content.parts[].inlineData": meaning(Aspect.MEDIA),
    "content.parts[].fileData": meaning(Aspect.MEDIA),
    "outputDimensionality": meaning(Aspect.DIMENSIONS),
    "taskType": hint(Aspect.PURPOSE),
    "title": hint(Aspect.TITLE),
    "embedContentConfig.autoTruncate": hint(Aspect.TRUNCATE),
}
_MANY = "requests[]."
BATCH_FIELDS: Fields = {_MANY + name: field for name, field in FIELDS.items()}

_PURPOSES: Mapping[str, Purpose] = {
    "RETRIEVAL_QUERY": Purpose.QUERY,
    "RETRIEVAL_DOCUMENT": Purpose.DOCUMENT,
    "SEMANTIC_SIMILARITY": Purpose.SIMILARITY,
    "CLASSIFICATION": Purpose.CLASSIFICATION,
    "CLUSTERING": Purpose.CLUSTERING,
    "QUESTION_ANSWERING": Purpose.QUESTION,
    "FACT_VERIFICATION": Purpose.FACT,
    "CODE_RETRIEVAL_QUERY": Purpose.CODE_QUERY,
}
_TASKS: Mapping[Purpose, str] = {purpose: task for task, purpose in _PURPOSES.items()}
_NO_TASK = "TASK_TYPE_UNSPECIFIED"


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    text: str = ""
    inline_data: msgspec.Raw = NOTHING
    file_data: msgspec.Raw = NOTHING


class _Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    # Google's servers take one object where a list is meant.
    parts: _Part | tuple[_Part, ...] = ()
    role: str | None = None


class _Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    task_type: str | None = None
    title: str | None = None
    output_dimensionality: int | None = None
    auto_truncate: bool | None = None


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    content: _Content
    model: str | None = None
    task_type: str | None = None
    title: str | None = None
    output_dimensionality: int | None = None
    embed_content_config: _Config = _Config()


_request = TypedDecoder(_Request, "body")
_requests: TypedDecoder[tuple[_Request, ...]] = TypedDecoder(tuple[_Request, ...], "requests")
_shallow = msgspec.json.Decoder(list[Body])
_encode = msgspec.json.Encoder().encode


# --- for clients


def _read_ask(body: Body, model: str) -> EmbedAsk:
    respelt = {camel_name(name): camel_cased(raw) for name, raw in body.items()}
    request, unknown = _request.decode(msgspec.Raw(_encode(respelt)))
    ask = _ask((request,), model, "")
    ask.unknown += tuple(name.removeprefix("body.") for name in unknown)
    return ask


def _read_batch(body: Body, model: str) -> EmbedAsk:
    raw = body.get("requests")
    if raw is None:
        raise Refusal(400, "missing_input", "'requests' is missing.", param="requests")
    requests, unknown = _requests.decode(camel_cased(raw))
    ask = _ask(requests, model, _MANY)
    ask.unknown += unknown + tuple(name for name in body if name not in ("requests", "model"))
    return ask


def _ask(requests: tuple[_Request, ...], model: str, prefix: str) -> EmbedAsk:
    """One ask of all requests; what differs between them is known to this format alone."""
    ask = EmbedAsk(model=model, texts=tuple(map(_text, requests)))
    configs = [request.embed_content_config for request in requests]
    tasks = [one.task_type or config.task_type for one, config in zip(requests, configs, strict=True)]
    titles = [one.title or config.title for one, config in zip(requests, configs, strict=True)]
    sizes = [
        one.output_dimensionality or config.output_dimensionality for one, config in zip(requests, configs, strict=True)
    ]
    cuts = [config.auto_truncate for config in configs]
    found: dict[str, Sequence[object]] = {
        "taskType": tasks,
        "title": titles,
        "outputDimensionality": sizes,
        "embedContentConfig.autoTruncate": cuts,
    }
    media = ("inlineData", "fileData")
    kinds = [kind for kind, has in zip(media, _media(requests), strict=True) if has]
    differing = [name for name, values in found.items() if len(set(values)) > 1]
    ask.others = tuple(prefix + name for name in (*(f"content.parts[].{kind}" for kind in kinds), *differing))
    task, cut = _common(tasks), _common(cuts)
    ask.purpose = _PURPOSES.get(task or "")
    if task not in (None, _NO_TASK) and ask.purpose is None:
        ask.unknown = (prefix + "taskType",)
    ask.title = _common(titles)
    ask.dimensions = _common(sizes)
    ask.truncate = None if cut is None else "end" if cut else "none"
    return ask


def _common(values: list[T | None]) -> T | None:
    return values[0] if len(set(values)) == 1 else None


def _text(request: _Request) -> str:
    return "".join(part.text for part in _parts(request))


def _parts(request: _Request) -> tuple[_Part, ...]:
    parts = request.content.parts
    return (parts,) if isinstance(parts, _Part) else parts


def _media(requests: Iterable[_Request]) -> tuple[bool, bool]:
    parts = [part for request in requests for part in _parts(request)]
    return any(part.inline_data != NOTHING for part in parts), any(part.file_data != NOTHING for part in parts)


def _write_answer(answer: Vectors, ask: EmbedAsk, asked: Asked) -> bytes:
    return _encode({"embedding": {"values": answer.vectors[0]}, **_usage(answer.usage)})


def _write_batch(answer: Vectors, ask: EmbedAsk, asked: Asked) -> bytes:
    return _encode({"embeddings": [{"values": one} for one in answer.vectors], **_usage(answer.usage)})


def _usage(usage: Usage) -> dict[str, object]:
    return {} if usage.input_tokens is None else {"usageMetadata": {"promptTokenCount": usage.input_tokens}}


# --- for providers


class _Values(msgspec.Struct, frozen=True):
    values: msgspec.Raw


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    prompt_token_count: Count | None = None


class _Told(msgspec.Struct, frozen=True, rename="camel"):
    usage_metadata: msgspec.Raw = NOTHING


class _Answer(_Told, frozen=True, kw_only=True):
    embeddings: tuple[_Values, ...]


_told = msgspec.json.Decoder(_Told)
_answer = msgspec.json.Decoder(_Answer)
_metadata = msgspec.json.Decoder(_Metadata | None)


def usage_in(content: bytes) -> Usage:
    """The usage that an answer tells, as those of newer models do. Raises Fault if it is no JSON object."""
    return usage_from(_metadata, decoded(_told, content).usage_metadata, _tokens)


def _tokens(metadata: _Metadata | None) -> float | None:
    return metadata.prompt_token_count if metadata is not None else None


def _write_ask(ask: EmbedAsk, target: Target, losses: Losses) -> bytes:
    shared: dict[str, object] = {"model": _resource(target.model)}
    if ask.purpose is not None:
        shared["taskType"] = _TASKS[ask.purpose]
    if ask.title is not None:
        shared["title"] = ask.title
    if ask.dimensions is not None:
        shared["outputDimensionality"] = ask.dimensions
    for aspect, value in ((Aspect.TRUNCATE, ask.truncate), (Aspect.USER, ask.user)):
        if value is not None:
            losses.cannot(aspect)
    return _encode({"requests": [{**shared, "content": {"parts": [{"text": text}]}} for text in ask.texts]})


def _read_answer(content: bytes, ask: EmbedAsk) -> Vectors:
    answer = decoded(_answer, content)
    usage = usage_from(_metadata, answer.usage_metadata, _tokens)
    return complete(Vectors(tuple(numbers_of(one.values) for one in answer.embeddings), "", usage), ask)


# --- carried straight


def name_in_body(body: Body, model: str) -> Body:
    """A request for one embedding with the target's name where the client repeated the path's."""
    return {**body, "model": _name(model)} if "model" in body else body


def name_in_batch(body: Body, model: str) -> Body:
    """A request for many with the target's name in each; Google refuses one that is not the path's."""
    try:
        requests = _shallow.decode(body["requests"])
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError):
        return body  # the provider will say what is wrong
    return {**body, "requests": msgspec.Raw(_encode([name_in_body(one, model) for one in requests]))}


def _name(model: str) -> msgspec.Raw:
    return msgspec.Raw(_encode(_resource(model)))


def _resource(model: str) -> str:
    return model if "/" in model else f"models/{model}"


EMBED = Embedding(client=ClientHalf(fields=FIELDS, read_ask=_read_ask, write_answer=_write_answer))
BATCH_OF_EMBEDS = Embedding(
    client=ClientHalf(fields=BATCH_FIELDS, read_ask=_read_batch, write_answer=_write_batch),
    provider=ProviderHalf(write_ask=_write_ask, read_answer=_read_answer),
)
