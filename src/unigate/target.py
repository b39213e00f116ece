"""Where a call can go: providers, and targets at them, as plain facts."""

from __future__ import annotations

import msgspec

from unigate.secret import Secret

__all__ = ["Endpoint", "Provider", "Target", "Timeouts"]


class Timeouts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The deadlines of one attempt, in seconds."""

    connect: float = 5.0
    write: float = 60.0
    first_byte: float = 120.0
    idle: float = 60.0
    total: float = 600.0


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
    max_connections: int = 1000
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
