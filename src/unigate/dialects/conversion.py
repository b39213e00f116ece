"""What it takes to carry calls across formats whose answers come in one piece: vectors, rankings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from unigate.conversation import Asked
from unigate.dialects.losses import Fields, Losses, Spoken
from unigate.dialects.ranking.ranking import RankAsk, Ranking
from unigate.dialects.vectors.vectors import EmbedAsk, Vectors
from unigate.target import Target
from unigate.wire.body import Body

__all__ = ["ClientHalf", "Conversion", "Embedding", "ProviderHalf", "Reranking"]

A = TypeVar("A", bound=Spoken)
R = TypeVar("R")


class ClientHalf(msgspec.Struct, Generic[A, R], frozen=True, kw_only=True):
    """What it takes to serve clients of a dialect with models that do not speak it."""

    fields: Fields
    # (body, model): raises Refusal (400) naming the field that is wrong.
    read_ask: Callable[[Body, str], A]
    write_answer: Callable[[R, A, Asked], bytes]


class ProviderHalf(msgspec.Struct, Generic[A, R], frozen=True, kw_only=True):
    """What it takes to have clients of other dialects answered by models that speak this one."""

    # Raises Refusal (422) through the losses, naming what cannot be said.
    write_ask: Callable[[A, Target, Losses], bytes]
    # Raises Fault if it is no answer of this format, or none to this ask.
    read_answer: Callable[[bytes, A], R]


class Conversion(msgspec.Struct, Generic[A, R], frozen=True, kw_only=True):
    """A dialect's halves; dialects can be carried into each other if theirs are of the same class."""

    client: ClientHalf[A, R] | None = None
    provider: ProviderHalf[A, R] | None = None


class Embedding(Conversion[EmbedAsk, Vectors], frozen=True):
    """A dialect in which texts are turned into vectors."""


class Reranking(Conversion[RankAsk, Ranking], frozen=True):
    """A dialect in which documents are put in the order of their relevance."""
