"""Embeddings as Ollama says them, now (https://docs.ollama.com/api/embed) and before, one prompt at a time."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from unigate.conversation import Asked
from unigate.dialects.conversion import ClientHalf, Embedding, ProviderHalf
from unigate.dialects.losses import Fields, Losses, hint, meaning
from unigate.dialects.vectors.vectors import Aspect, EmbedAsk, Vectors, complete, numbers_of
from unigate.dialects.whole_answers import NOTHING, Count, decoded, usage_from
from unigate.errors import Refusal
from unigate.target import Target
from unigate.usage import Usage
from unigate.wire.body import Body, text_of
from unigate.wire.typed import TypedDecoder

__all__ = ["EMBED", "EMBEDDINGS", "FIELDS", "OLD_FIELDS", "usage_in"]

FIELDS: Fields = {
    "dimensions": meaning(Aspect.DIMENSIONS),
    "truncate": hint(Aspect.TRUNCATE),
    # How the model is to be run on that machine.
    "options": hint(Aspect.OTHER),
    "keep_alive": hint(Aspect.OTHER),
}
OLD_FIELDS: Fields = {name: FIELDS[name] for name in ("options", "keep_alive")}

# Only `start` has no word: what is cut is the end (https://docs.ollama.com/api/embed).
_CUTS: Mapping[str, bool] = {"end": True, "none": False}

_input: TypedDecoder[str | list[str]] = TypedDecoder(str | list[str], "input")
_dimensions: TypedDecoder[int | None] = TypedDecoder(int | None, "dimensions")
_truncate: TypedDecoder[bool | None] = TypedDecoder(bool | None, "truncate")
_encode = msgspec.json.Encoder().encode


class _Told(msgspec.Struct, frozen=True):
    prompt_eval_count: msgspec.Raw = NOTHING


class _Answer(_Told, frozen=True, kw_only=True):
    embeddings: tuple[msgspec.Raw, ...]
    model: str | None = None


_told = msgspec.json.Decoder(_Told)
_answer = msgspec.json.Decoder(_Answer)
_count: msgspec.json.Decoder[float | None] = msgspec.json.Decoder(Count | None)


def usage_in(content: bytes) -> Usage:
    """The usage that an answer tells. Raises Fault if it is no JSON object."""
    return usage_from(_count, decoded(_told, content).prompt_eval_count, _same)


def _same(count: float | None) -> float | None:
    return count


# --- for clients


def _read_ask(body: Body, model: str) -> EmbedAsk:
    raw = body.get("input")
    if raw is None:
        raise Refusal(400, "missing_input", "'input' is missing.", param="input")
    given = _input.decode(raw)[0]
    ask = EmbedAsk(model=model, texts=(given,) if isinstance(given, str) else tuple(given))
    if "dimensions" in body:
        ask.dimensions = _dimensions.decode(body["dimensions"])[0]
    if "truncate" in body:
        cut = _truncate.decode(body["truncate"])[0]
        ask.truncate = None if cut is None else "end" if cut else "none"
    _sort(ask, body, FIELDS, ("model", "input", "dimensions", "truncate"))
    return ask


def _write_answer(answer: Vectors, ask: EmbedAsk, asked: Asked) -> bytes:
    body: dict[str, object] = {"model": answer.model or asked.model, "embeddings": answer.vectors}
    if answer.usage.input_tokens is not None:
        body["prompt_eval_count"] = answer.usage.input_tokens
    return _encode(body)


def _read_old_ask(body: Body, model: str) -> EmbedAsk:
    prompt = text_of(body, "prompt")
    if prompt is None:
        raise Refusal(400, "missing_input", "'prompt' is missing.", param="prompt")
    ask = EmbedAsk(model=model, texts=(prompt,))
    _sort(ask, body, OLD_FIELDS, ("model", "prompt"))
    return ask


def _write_old_answer(answer: Vectors, ask: EmbedAsk, asked: Asked) -> bytes:
    return _encode({"embedding": answer.vectors[0]})


def _sort(ask: EmbedAsk, body: Body, fields: Fields, read: tuple[str, ...]) -> None:
    """Notes what else was said: what the format knows, and what nobody knows."""
    rest = [name for name, raw in body.items() if name not in read and bytes(raw) != b"null"]
    ask.others = tuple(name for name in rest if name in fields)
    ask.unknown = tuple(name for name in rest if name not in fields)


# --- for providers


def _write_ask(ask: EmbedAsk, target: Target, losses: Losses) -> bytes:
    body: dict[str, object] = {"model": target.model, "input": ask.texts}
    if ask.dimensions is not None:
        body["dimensions"] = ask.dimensions
    cut = _CUTS.get(ask.truncate or "")
    if cut is not None:
        body["truncate"] = cut
    elif ask.truncate is not None:
        losses.cannot(Aspect.TRUNCATE)
    for aspect, value in ((Aspect.PURPOSE, ask.purpose), (Aspect.TITLE, ask.title), (Aspect.USER, ask.user)):
        if value is not None:
            losses.cannot(aspect)
    return _encode(body)


def _read_answer(content: bytes, ask: EmbedAsk) -> Vectors:
    answer = decoded(_answer, content)
    usage = usage_from(_count, answer.prompt_eval_count, _same)
    return complete(Vectors(tuple(map(numbers_of, answer.embeddings)), answer.model or "", usage), ask)


EMBED = Embedding(
    client=ClientHalf(fields=FIELDS, read_ask=_read_ask, write_answer=_write_answer),
    provider=ProviderHalf(write_ask=_write_ask, read_answer=_read_answer),
)
EMBEDDINGS = Embedding(client=ClientHalf(fields=OLD_FIELDS, read_ask=_read_old_ask, write_answer=_write_old_answer))
