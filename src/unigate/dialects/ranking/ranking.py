"""Documents to be put in the order of their relevance, and that order, in no provider's words."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from unigate.errors import Fault, Kind
from unigate.usage import Usage

__all__ = ["Aspect", "Document", "Place", "RankAsk", "Ranking", "possible"]


class Aspect(StrEnum):
    """Everything an ask for a ranking can hold that some format cannot say."""

    MEDIA = "media"  # anything but text
    MAX_TOKENS = "max_tokens"  # of each document
    OTHER = "other"  # known to one dialect alone


class Document(msgspec.Struct, frozen=True):
    """A document's text, and the JSON it came as."""

    text: str
    raw: msgspec.Raw


class RankAsk(msgspec.Struct, kw_only=True):
    """One request for a ranking: of the `top` documents, or of all; `returned` asks for their texts in the answer.

    `others` and `unknown` are as in a conversation's ask.
    """

    model: str
    query: str
    documents: tuple[Document, ...]
    top: int | None = None
    max_tokens: int | None = None
    returned: bool = False
    others: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


class Place(msgspec.Struct, frozen=True):
    """One document's place: which it is, from 0, and its score as the JSON it came as."""

    index: int
    relevance_score: msgspec.Raw


class Ranking(msgspec.Struct, frozen=True):
    """The places, best first; `search_units` is what some services bill in place of tokens."""

    places: tuple[Place, ...]
    id: str = ""
    usage: Usage = Usage()
    search_units: int | None = None


def possible(ranking: Ranking, ask: RankAsk) -> Ranking:
    """The same ranking. Raises Fault if it names a document that was not given."""
    if any(not 0 <= place.index < len(ask.documents) for place in ranking.places):
        raise Fault(Kind.INVALID, "The upstream ranked a document that was not given.")
    return ranking
