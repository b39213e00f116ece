"""Asks a provider which models it has."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from unigate.errors import Fault, Kind
from unigate.target import Provider
from unigate.upstream.client import Upstream

__all__ = ["LISTS", "fetch_models", "list_of", "read_models"]

LISTS: Mapping[str, str] = {
    "openai.models": "/models",
    # Twenty at a time unless more are asked for: https://platform.claude.com/docs/en/api/models/list
    "anthropic.models": "/models?limit=1000",
    # Fifty at a time: https://ai.google.dev/api/models#method:-models.list
    "gemini.models": "/models?pageSize=1000",
    # https://docs.ollama.com/api/tags
    "ollama.models": "/api/tags",
    # Twenty at a time: https://docs.cohere.com/reference/list-models
    "cohere.models": "/models?page_size=1000",
    # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModels.html
    "bedrock.models": "/foundation-models",
}
"""What an endpoint speaks where it has a list of models, and the list's place there."""

_LARGEST = 8 * 1024 * 1024
_WITHIN = 30.0
_LONGEST_NAME = 500


class _Line(msgspec.Struct, rename={"model_id": "modelId"}):
    """A model, by whichever field names it."""

    id: str | None = None
    model_id: str | None = None
    name: str | None = None


class _Page(msgspec.Struct, rename={"summaries": "modelSummaries"}):
    """A list, under whichever field holds it."""

    data: list[_Line] | None = None
    models: list[_Line] | None = None
    summaries: list[_Line] | None = None


def list_of(provider: Provider) -> str | None:
    """The word for the provider's list of models, or None if it has none."""
    return next((word for word in LISTS if provider.endpoint(word) is not None), None)


async def fetch_models(upstream: Upstream, provider: Provider) -> tuple[str, ...]:
    """The names on the provider's list, in its order. Raises Fault within half a minute."""
    word = list_of(provider)
    if word is None:
        raise Fault(Kind.UNREACHABLE, f"Provider '{provider.name}' has no list of models.")
    try:
        async with asyncio.timeout(_WITHIN), upstream.get(provider, word, LISTS[word]) as answer:
            if answer.status != 200:
                raise Fault(Kind.INVALID, f"Its list of models was answered with HTTP {answer.status}.")
            return read_models(await answer.read_all(_LARGEST))
    except TimeoutError as error:
        raise Fault(Kind.TOTAL_TIMEOUT, f"Its list of models did not come within {_WITHIN:.0f} s.") from error


def read_models(content: bytes) -> tuple[str, ...]:
    """The names in one page. Raises Fault if it is none; lines without a usable name are left out."""
    try:
        page = msgspec.json.decode(content, type=_Page, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Fault(Kind.INVALID, "Its list of models is in no known format.") from error
    lines = next((lines for lines in (page.data, page.models, page.summaries) if lines is not None), None)
    if lines is None:
        raise Fault(Kind.INVALID, "Its list of models is in no known format.")
    names = ((line.id or line.model_id or line.name or "").removeprefix("models/") for line in lines)
    return tuple(dict.fromkeys(name for name in names if 0 < len(name) <= _LONGEST_NAME))
