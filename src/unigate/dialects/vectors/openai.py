"""Embeddings as OpenAI and the many services after it say them.

https://platform.openai.com/docs/api-reference/embeddings/create; `input_type` and `truncate` are additions of services
whose models know purposes (https://docs.nvidia.com/nim/nemo-retriever/text-embedding/latest/reference.html).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from unigate.conversation import Asked
from unigate.dialects.conversion import ClientHalf, Embedding, ProviderHalf
from unigate.dialects.losses import Fields, Losses, hint, meaning
from unigate.dialects.openai_usage import read_usage
from unigate.dialects.vectors.vectors import Aspect, EmbedAsk, Purpose, Vectors, complete, numbers_of, packed
from unigate.dialects.whole_answers import NOTHING, decoded
from unigate.errors import Refusal
from unigate.target import Target
from unigate.usage import Usage
from unigate.wire.body import Body, text_of
from unigate.wire.typed import TypedDecoder

__all__ = ["EMBEDDINGS", "FIELDS"]

FIELDS: Fields = {
    "input[].tokens": meaning(Aspect.TOKENS),
    "dimensions": meaning(Aspect.DIMENSIONS),
    "user": hint(Aspect.USER),
    "input_type": hint(Aspect.PURPOSE),
    "truncate": hint(Aspect.TRUNCATE),
}

_PURPOSES: Mapping[str, Purpose] = {
    "query": Purpose.QUERY,
    "search_query": Purpose.QUERY,
    "passage": Purpose.DOCUMENT,
    "document": Purpose.DOCUMENT,
    "search_document": Purpose.DOCUMENT,
    "classification": Purpose.CLASSIFICATION,
    "clustering": Purpose.CLUSTERING,
}
_CUTS: Mapping[str, str] = {"NONE": "none", "START": "start", "END": "end", "true": "end", "false": "none"}
_READ = frozenset({"model", "input", "encoding_format", "dimensions", "user"})

_input: TypedDecoder[str | list[str | int | list[int]]] = TypedDecoder(str | list[str | int | list[int]], "input")
_dimensions: TypedDecoder[int | None] = TypedDecoder(int | None, "dimensions")
_encode = msgspec.json.Encoder().encode


class _Datum(msgspec.Struct, frozen=True):
    embedding: msgspec.Raw
    index: int | None = None


class _Answer(msgspec.Struct, frozen=True):
    data: tuple[_Datum, ...]
    model: str | None = None
    usage: msgspec.Raw = NOTHING


_answer = msgspec.json.Decoder(_Answer)


# --- for clients


def _read_ask(body: Body, model: str) -> EmbedAsk:
    texts, has_tokens = _texts(body)
    ask = EmbedAsk(model=model, texts=texts, packed=_is_packed(body), user=text_of(body, "user"))
    if "dimensions" in body:
        ask.dimensions = _dimensions.decode(body["dimensions"])[0]
    ask.purpose = _PURPOSES.get(_word(body, "input_type"))
    ask.truncate = _CUTS.get(_word(body, "truncate"))
    strange = {"input_type": ask.purpose is None, "truncate": ask.truncate is None}
    rest = [name for name, raw in body.items() if name not in _READ and bytes(raw) != b"null"]
    ask.unknown = tuple(name for name in rest if strange.get(name, True))
    ask.others = ("input[].tokens",) if has_tokens else ()
    return ask


def _texts(body: Body) -> tuple[tuple[str, ...], bool]:
    """The texts, and whether there are lists of tokens beside or instead of them."""
    raw = body.get("input")
    if raw is None:
        raise Refusal(400, "missing_input", "'input' is missing.", param="input")
    given = _input.decode(raw)[0]
    if isinstance(given, str):
        return (given,), False
    texts = tuple(text for text in given if isinstance(text, str))
    return texts, len(texts) < len(given)


def _word(body: Body, name: str) -> str:
    """What an addition to the format says, of whatever type; services do not agree on their words."""
    raw = body.get(name)
    return "" if raw is None else bytes(raw).strip(b'"').decode("utf-8", "replace")


def _is_packed(body: Body) -> bool:
    encoding = text_of(body, "encoding_format")
    if encoding not in (None, "float", "base64"):
        reason = f"'encoding_format' is 'float' or 'base64', not '{encoding[:50]}'."
        raise Refusal(400, "invalid_value", reason, param="encoding_format")
    return encoding == "base64"


def _write_answer(answer: Vectors, ask: EmbedAsk, asked: Asked) -> bytes:
    data = [
        {"object": "embedding", "index": index, "embedding": packed(vector) if ask.packed else vector}
        for index, vector in enumerate(answer.vectors)
    ]
    count = answer.usage.input_tokens
    usage = None if count is None else {"prompt_tokens": count, "total_tokens": count}
    return _encode({"object": "list", "data": data, "model": answer.model or asked.model, "usage": usage})


# --- for providers


def _write_ask(ask: EmbedAsk, target: Target, losses: Losses) -> bytes:
    body: dict[str, object] = {"model": target.model, "input": ask.texts}
    if ask.dimensions is not None:
        body["dimensions"] = ask.dimensions
    if ask.user is not None:
        body["user"] = ask.user
    for aspect, value in (
        (Aspect.PURPOSE, ask.purpose),
        (Aspect.TITLE, ask.title),
        (Aspect.TRUNCATE, ask.truncate),
    ):
        if value is not None:
            losses.cannot(aspect)
    return _encode(body)


def _read_answer(content: bytes, ask: EmbedAsk) -> Vectors:
    answer = decoded(_answer, content)
    # In any order: https://platform.openai.com/docs/api-reference/embeddings/object
    data = sorted(answer.data, key=_place) if all(one.index is not None for one in answer.data) else answer.data
    vectors = tuple(numbers_of(one.embedding) for one in data)
    return complete(Vectors(vectors, answer.model or "", read_usage(answer.usage) or Usage()), ask)


def _place(datum: _Datum) -> int:
    return datum.index or 0


EMBEDDINGS = Embedding(
    client=ClientHalf(fields=FIELDS, read_ask=_read_ask, write_answer=_write_answer),
    provider=ProviderHalf(write_ask=_write_ask, read_answer=_read_answer),
)
