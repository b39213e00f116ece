"""Where a call can go: providers, and targets at them, as plain facts."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from unigate.secret import Secret

__all__ = ["Endpoint", "Provider", "Target", "Timeouts"]


class Timeouts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The deadlines of one attempt, in seconds."""

    connect: Annotated[float, Meta(gt=0, description="To reach the provider, TLS included.")] = 5.0
    write: Annotated[float, Meta(gt=0, description="To hand the request over.")] = 60.0
    first_byte: Annotated[float, Meta(gt=0, description="From the request's end to the answer's head.")] = 120.0
    idle: Annotated[float, Meta(gt=0, description="Of silence within an answer.")] = 60.0
    total: Annotated[float, Meta(gt=0, description="For the whole attempt.")] = 600.0


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One address of a provider: what it speaks there and how it wants the key."""

    base_url: str
    speaks: frozenset[str]
    auth: str = "bearer"
    headers: dict[str, str] = {}
    path: str = "{operation}"
    query: str = ""


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One configured account at a service, with the facts of its row."""

    name: str
    endpoints: tuple[Endpoint, ...]
    key: Secret
    rename: dict[str, str] = {}
    drop: frozenset[str] = frozenset()
    set: dict[str, msgspec.Raw] = {}
    stream_usage: bool = True
    timeouts: Timeouts = Timeouts()
    max_connections: int = 10_000
    # A child of ours may still be loading its model: a refused connection is tried again until the connect deadline.
    patient: bool = False

    def endpoint(self, dialect: str) -> Endpoint | None:
        """The address where a dialect is spoken; `openai.audio` stands for all of `openai.audio.…`."""
        family = ".".join(dialect.split(".")[:2])
        return next((one for one in self.endpoints if dialect in one.speaks or family in one.speaks), None)


class Target(msgspec.Struct, frozen=True):
    """A model at a provider."""

    provider: Provider
    model: str
    weight: int = 1
