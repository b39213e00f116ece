"""Every error Unigate raises on purpose, and what each upstream failure means for the client.

UnigateError
├── ConfigError     the configuration cannot be used, and where
├── StorageError    our own disk or database did not take what it was given
├── Refusal         we said no to the client
└── Fault           an upstream failed
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

__all__ = [
    "LATE",
    "REACTIONS",
    "ConfigError",
    "Fault",
    "Kind",
    "Problem",
    "Reaction",
    "Refusal",
    "StorageError",
    "Told",
    "UnigateError",
]


class UnigateError(Exception):
    """The root of all errors raised on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a configuration: where it is (line 0: not in a file's text), and what would be right."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}" if self.line else f"{self.file}: {self.reason}"


class ConfigError(UnigateError):
    """The configuration cannot be used; `problems` says why, one line each."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class StorageError(UnigateError):
    """Our own disk or database did not take what it was given; the call it belonged to is not confirmed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a client is told about an error, before any dialect gives it a shape."""

    status: int
    code: str
    message: str
    type: str = "invalid_request_error"
    param: str | None = None
    retry_after: str | None = None
    should_retry: bool | None = None
    headers: tuple[tuple[str, str], ...] = field(default=())
    # Of the call, for formats whose errors name what has failed.
    call_id: str = ""


class Refusal(UnigateError):
    """We said no: a status, a code, and a sentence that says what happened, to what, and what to do."""

    def __init__(  # one parameter for each thing a client can be told
        self,
        status: int,
        code: str,
        message: str,
        *,
        type: str = "invalid_request_error",
        param: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.told = Told(status=status, code=code, message=message, type=type, param=param, headers=headers)


class Kind(StrEnum):
    """The ways an upstream can fail."""

    UNREACHABLE = "upstream_unreachable"
    CONNECT_TIMEOUT = "upstream_connect_timeout"
    BUSY = "upstream_busy"
    STALE = "upstream_stale_connection"
    CONNECTION = "upstream_connection"
    WRITE_TIMEOUT = "upstream_write_timeout"
    FIRST_BYTE_TIMEOUT = "upstream_first_byte_timeout"
    IDLE_TIMEOUT = "upstream_idle_timeout"
    TOTAL_TIMEOUT = "upstream_total_timeout"
    TRUNCATED = "upstream_truncated"
    PROTOCOL = "upstream_protocol"
    ENCODING = "upstream_encoding"
    TOO_LARGE = "upstream_too_large"
    INVALID = "upstream_invalid_answer"
    ACCOUNT = "upstream_account"
    REJECTED = "upstream_rejected"
    LIMITED = "upstream_rate_limited"
    FAILED = "upstream_error"
    BAD_GATEWAY = "upstream_bad_gateway"
    OVERLOADED = "upstream_overloaded"
    SLOW = "upstream_gateway_timeout"


@dataclass(frozen=True, slots=True)
class Reaction:
    """What one kind of fault leads to: the client's status, and whether another target may be tried."""

    status: int
    type: str
    try_next: bool
    may_have_run: bool


# POST is repeated only where the call cannot have run, or the upstream answered that it did not run it.
REACTIONS: dict[Kind, Reaction] = {
    Kind.UNREACHABLE: Reaction(502, "upstream_error", True, False),
    Kind.CONNECT_TIMEOUT: Reaction(504, "upstream_error", True, False),
    Kind.BUSY: Reaction(503, "upstream_error", True, False),
    Kind.STALE: Reaction(502, "upstream_error", True, True),
    Kind.CONNECTION: Reaction(502, "upstream_error", False, True),
    Kind.WRITE_TIMEOUT: Reaction(504, "upstream_error", False, True),
    Kind.FIRST_BYTE_TIMEOUT: Reaction(504, "upstream_error", False, True),
    Kind.IDLE_TIMEOUT: Reaction(504, "upstream_error", False, True),
    Kind.TOTAL_TIMEOUT: Reaction(504, "upstream_error", False, True),
    Kind.TRUNCATED: Reaction(502, "upstream_error", False, True),
    Kind.PROTOCOL: Reaction(502, "upstream_error", False, True),
    Kind.ENCODING: Reaction(502, "upstream_error", False, True),
    Kind.TOO_LARGE: Reaction(502, "upstream_error", False, True),
    Kind.INVALID: Reaction(502, "upstream_error", False, True),
    Kind.ACCOUNT: Reaction(502, "upstream_error", True, False),
    Kind.REJECTED: Reaction(400, "invalid_request_error", False, False),
    Kind.LIMITED: Reaction(429, "rate_limit_error", True, False),
    Kind.FAILED: Reaction(502, "upstream_error", False, True),
    Kind.BAD_GATEWAY: Reaction(502, "upstream_error", True, True),
    Kind.OVERLOADED: Reaction(503, "upstream_error", True, False),
    Kind.SLOW: Reaction(504, "upstream_error", True, True),
}

# What a client is told when one of an attempt's clocks ran out.
LATE: dict[Kind, str] = {
    Kind.WRITE_TIMEOUT: "The upstream did not take the request in time.",
    Kind.FIRST_BYTE_TIMEOUT: "The upstream did not begin to answer in time.",
    Kind.IDLE_TIMEOUT: "The upstream fell silent in the middle of its answer.",
    Kind.TOTAL_TIMEOUT: "The upstream did not finish within the total time of a call.",
}


class Fault(UnigateError):
    """An upstream failed: how, and what the client may be told of it (never the upstream's own text unless allowed)."""

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after: str | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.reaction = REACTIONS[kind]
        told_status = status if status is not None else self.reaction.status
        self.told = Told(
            status=told_status,
            code=code or kind.value,
            message=message,
            type=self.reaction.type,
            param=param,
            retry_after=retry_after,
            # The OpenAI SDKs repeat 408, 409, 429 and 5xx by themselves and obey this header.
            should_retry=False if self.reaction.may_have_run and told_status >= 500 else None,
        )
