"""Where a call can go: providers, and targets at them, as plain facts."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from unigate.errors import Kind
from unigate.price import Price
from unigate.secret import Secret

__all__ = ["Demo", "Endpoint", "Provider", "Quirks", "Signing", "Target", "Timeouts"]


class Timeouts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The deadlines of one attempt, in seconds."""

    connect: Annotated[float, Meta(gt=0, description="To reach the provider, TLS included.")] = 5.0
    write: Annotated[float, Meta(gt=0, description="To hand the request over.")] = 60.0
    first_byte: Annotated[float, Meta(gt=0, description="From the request's end to the answer's head.")] = 120.0
    idle: Annotated[float, Meta(gt=0, description="Of silence within an answer.")] = 60.0
    total: Annotated[float, Meta(gt=0, description="For the whole attempt.")] = 600.0

    def deadline(self, asked_at: float, heard_at: float, *, is_answered: bool, is_written: bool) -> tuple[float, Kind]:
        """When what is waited for is late, in the seconds of the two moments, and what that would be called."""
        if is_answered:
            deadline, late = heard_at + self.idle, Kind.IDLE_TIMEOUT
        elif not is_written:
            deadline, late = heard_at + self.write, Kind.WRITE_TIMEOUT
        else:
            deadline, late = heard_at + self.first_byte, Kind.FIRST_BYTE_TIMEOUT
        total = asked_at + self.total
        return (deadline, late) if deadline < total else (total, Kind.TOTAL_TIMEOUT)


class Quirks(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a translation must know of a service beyond its format; a call that is carried straight never asks."""

    # What the id of a tool call must match; empty: any text will do.
    tool_id_pattern: str = ""
    # The role of the operator's instructions in OpenAI's format.
    system_role: str = "system"
    # What OpenAI's format calls the limit on an answer's length there.
    max_tokens_field: str = "max_tokens"
    # The limit to send where the target's format demands one and the client gave none.
    default_max_tokens: int = 8192
    # Where OpenAI's format carries the model's thoughts there.
    reasoning_field: str = "reasoning_content"
    # Which models there may be told how hard to think, as a regular expression; empty: all.
    effort_models: str = ""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One address of a provider: what it speaks there, the preferred format first, and how it wants the key."""

    base_url: str
    speaks: tuple[str, ...]
    auth: str = "bearer"
    headers: dict[str, str] = {}
    path: str = "{operation}"
    query: str = ""
    # Whether a request names its model at the top level of its body; if not, the path alone does.
    model_in_body: bool = True


class Signing(msgspec.Struct, frozen=True, kw_only=True):
    """What a scheme that signs each request, or trades for a token, needs beside the key."""

    region: str = ""
    access_key_id: str = ""
    session_token: Secret = Secret("")
    credentials_file: str = ""


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One configured account at a service, with the facts of its row."""

    name: str
    endpoints: tuple[Endpoint, ...]
    # The account's key, or the secret half of it where requests are signed.
    key: Secret
    signing: Signing = Signing()
    quirks: Quirks = Quirks()
    rename: dict[str, str] = {}
    drop: frozenset[str] = frozenset()
    set: dict[str, msgspec.Raw] = {}
    stream_usage: bool = True
    # Whether a call is refused rather than sent without one of its hints.
    refuses_hints: bool = False
    timeouts: Timeouts = Timeouts()
    max_connections: int = 10_000
    # Whether an answer is read to its end although its client has left, because it is billed to its end.
    drains: bool = False
    # A child of ours may still be loading its model: a refused connection is tried again until the connect deadline.
    patient: bool = False
    # Which section of the table of prices its models are in; empty: none.
    prices: str = ""

    def endpoint(self, dialect: str) -> Endpoint | None:
        """The address where a dialect is spoken; `openai.audio` stands for all of `openai.audio.…` it does not name.

        `….stream` names what streamed calls of a dialect ask for, where a service has another address for them.
        """
        word = dialect
        while word.count("."):
            for one in self.endpoints:
                if word in one.speaks:
                    return one
            word = word.rpartition(".")[0]
        return None


class Target(msgspec.Struct, frozen=True):
    """A model at a provider."""

    provider: Provider
    model: str
    weight: int = 1
    # None: unknown, which is never free.
    price: Price | None = None


class Demo(msgspec.Struct, frozen=True):
    """Who answers when no provider is configured: by dialect, each for any model name; tools go to the script."""

    by_dialect: dict[str, Target]
    script: Target
