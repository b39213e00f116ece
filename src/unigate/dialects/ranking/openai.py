"""Rankings as Jina said them first, and vLLM and many others after it (https://api.jina.ai/scalar#tag/rerank)."""

from __future__ import annotations

import msgspec

from unigate.conversation import Asked
from unigate.dialects.conversion import ClientHalf, Reranking
from unigate.dialects.losses import Fields, hint, meaning
from unigate.dialects.openai_errors import read_fault
from unigate.dialects.ranking.ranking import Aspect, Document, RankAsk, Ranking
from unigate.dialects.whole_answers import NOTHING, Count, decoded, usage_from
from unigate.errors import Refusal
from unigate.usage import Usage
from unigate.wire.body import Body, flag_of
from unigate.wire.typed import TypedDecoder

__all__ = ["FIELDS", "RERANK", "usage_in"]

FIELDS: Fields = {
    "query.image": meaning(Aspect.MEDIA),
    "documents[].image": meaning(Aspect.MEDIA),
    "max_tokens_per_doc": hint(Aspect.MAX_TOKENS),
    # Only services of this format know these.
    "rank_fields": hint(Aspect.OTHER),
    "max_chunks_per_doc": hint(Aspect.OTHER),
    "return_embeddings": hint(Aspect.OTHER),
    "truncation": hint(Aspect.OTHER),
    "truncate_prompt_tokens": hint(Aspect.OTHER),
    "instruct": hint(Aspect.OTHER),
    "instruction": hint(Aspect.OTHER),
    "priority": hint(Aspect.OTHER),
    "user": hint(Aspect.OTHER),
}
_READ = frozenset({"model", "query", "documents", "top_n", "return_documents", "max_tokens_per_doc"})


class _Item(msgspec.Struct, frozen=True):
    text: str | None = None


_query: TypedDecoder[str | _Item] = TypedDecoder(str | _Item, "query")
_documents = TypedDecoder(list[msgspec.Raw], "documents")
_document: TypedDecoder[str | _Item] = TypedDecoder(str | _Item, "documents[]")
_top: TypedDecoder[int | None] = TypedDecoder(int | None, "top_n")
_max_tokens: TypedDecoder[int | None] = TypedDecoder(int | None, "max_tokens_per_doc")
_encode = msgspec.json.Encoder().encode


def _read_ask(body: Body, model: str) -> RankAsk:
    for name in ("query", "documents"):
        if name not in body:
            raise Refusal(400, "missing_input", f"'{name}' is missing.", param=name)
    query = _text(_query.decode(body["query"])[0])
    raws = _documents.decode(body["documents"])[0]
    texts = [_text(_document.decode(raw)[0]) for raw in raws]
    media = [name for name, has in (("query.image", query is None), ("documents[].image", None in texts)) if has]
    rest = [name for name, raw in body.items() if name not in _READ and bytes(raw) != b"null"]
    return RankAsk(
        model=model,
        query=query or "",
        documents=tuple(Document(text or "", raw) for text, raw in zip(texts, raws, strict=True)),
        top=_top.decode(body["top_n"])[0] if "top_n" in body else None,
        max_tokens=_max_tokens.decode(body["max_tokens_per_doc"])[0] if "max_tokens_per_doc" in body else None,
        returned=flag_of(body, "return_documents"),
        others=(*media, *(name for name in rest if name in FIELDS)),
        unknown=tuple(name for name in rest if name not in FIELDS),
    )


def _text(item: str | _Item) -> str | None:
    return item if isinstance(item, str) else item.text


def _write_answer(answer: Ranking, ask: RankAsk, asked: Asked) -> bytes:
    results: list[dict[str, object]] = [
        {"index": place.index, "relevance_score": place.relevance_score} for place in answer.places
    ]
    if ask.returned:
        for result, place in zip(results, answer.places, strict=True):
            result["document"] = _shown(ask.documents[place.index])
    body: dict[str, object] = {"id": answer.id or asked.id, "model": asked.model, "results": results}
    count = answer.usage.input_tokens
    body["usage"] = None if count is None else {"prompt_tokens": count, "total_tokens": count}
    if answer.search_units is not None:
        body["meta"] = {"billed_units": {"search_units": answer.search_units}}
    return _encode(body)


def _shown(document: Document) -> object:
    return {"text": document.text} if memoryview(document.raw)[0] == ord('"') else document.raw


# --- carried straight


class _Counts(msgspec.Struct, frozen=True):
    """Services that bill tokens tell these; some count them all as the prompt's, some only the total."""

    prompt_tokens: Count | None = None
    input_tokens: Count | None = None
    total_tokens: Count | None = None


class _Told(msgspec.Struct, frozen=True):
    usage: msgspec.Raw = NOTHING
    error: msgspec.Raw = NOTHING
    results: msgspec.Raw = NOTHING


_told = msgspec.json.Decoder(_Told)
_counts = msgspec.json.Decoder(_Counts | None)


def usage_in(content: bytes) -> Usage:
    """The usage that an answer tells. Raises Fault if it is no JSON object, or an error."""
    told = decoded(_told, content)
    if told.error != NOTHING and told.results == NOTHING:
        raise read_fault(500, {}, content)
    return usage_from(_counts, told.usage, _tokens)


def _tokens(counts: _Counts | None) -> float | None:
    if counts is None:
        return None
    counted = (counts.prompt_tokens, counts.input_tokens, counts.total_tokens)
    # A prompt of no tokens is the word of a service that tells only the total.
    return next((count for count in counted if count), 0.0 if 0 in counted else None)


RERANK = Reranking(client=ClientHalf(fields=FIELDS, read_ask=_read_ask, write_answer=_write_answer))
