"""Asks a provider which models it has."""

from __future__ import annotations

import asyncio

import msgspec

from unigate.errors import Fault, Kind
from unigate.target import Provider
from unigate.upstream.client import Upstream

__all__ = ["LISTED", "fetch_models", "read_models"]

LISTED = "openai.models"
"""What an endpoint speaks where it has a list of models."""

_LARGEST = 8 * 1024 * 1024
_WITHIN = 30.0
_LONGEST_NAME = 500


class _Line(msgspec.Struct):
    id: str | None = None


class _Page(msgspec.Struct):
    data: list[_Line]


async def fetch_models(upstream: Upstream, provider: Provider) -> tuple[str, ...]:
    """The names on the provider's list, in its order. Raises Fault within half a minute."""
    try:
        async with asyncio.timeout(_WITHIN), upstream.get(provider, LISTED, "/models") as answer:
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
        raise Fault(Kind.INVALID, "Its list of models is not in OpenAI's format.") from error
    names = (line.id.removeprefix("models/") for line in page.data if line.id)
    return tuple(dict.fromkeys(name for name in names if 0 < len(name) <= _LONGEST_NAME))
