"""What the journal says of a call: an intent for each attempt before it is sent, one record once it is over.

Entries are arrays, for size: a new field goes to the end and has a default, so that older entries stay readable.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from unigate.usage import Usage

__all__ = [
    "LONGEST_NAME",
    "SHORT_NAME",
    "Body",
    "Entry",
    "FailedAttempt",
    "Intent",
    "Record",
    "decode_entry",
    "encode_entry",
]

LONGEST_NAME = 1000
"""Bytes of UTF-8 in a model's name: an index of PostgreSQL takes 2,704 in all, and a name is not alone in it."""
SHORT_NAME = LONGEST_NAME // 4
"""So many characters are never too many bytes."""


class Intent(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="i"):
    """An attempt is about to be sent; written before its first upstream byte."""

    id: str
    attempt: int
    at_ns: int
    operation: str
    key: str
    name: str
    model: str
    provider: str
    target: str
    project: str | None = None
    organisation: str | None = None
    # Nano-dollars reserved for it: what it costs if nobody learns how it went; None if the price is unknown.
    held: int | None = None
    # The limits of money it is reserved from: scope and kind.
    budgets: tuple[tuple[str, str], ...] = ()


class FailedAttempt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An upstream request that failed: the kind of fault, and after how many microseconds."""

    provider: str
    target: str
    end: str
    us: int


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="r"):
    """The one immutable fact about a finished call; times in microseconds, instants in nanoseconds since 1970."""

    id: str
    at_ns: int
    operation: str
    status: int
    end: str
    total_us: int
    key: str | None = None
    name: str | None = None
    model: str | None = None
    streamed: bool = False
    provider: str | None = None
    target: str | None = None
    first_byte_us: int | None = None
    overhead_us: int | None = None
    usage: Usage = Usage()
    attempts: tuple[FailedAttempt, ...] = ()
    error: str | None = None
    peer: str | None = None
    client_request_id: str | None = None
    upstream_request_id: str | None = None
    demo: bool = False
    dropped: tuple[str, ...] = ()
    project: str | None = None
    organisation: str | None = None
    # Nano-dollars; None is unknown.
    cost: int | None = None
    # Which table of prices the cost was reckoned by.
    price: str | None = None
    # Nano-dollars that were reserved.
    held: int | None = None
    # What is noteworthy about the accounting: `over_hold`, `usage_rejected`, …
    flags: tuple[str, ...] = ()
    # The limits of money that this was reserved from, scope and kind: only their leases shrink by the cost.
    budgets: tuple[tuple[str, str], ...] = ()


class Body(msgspec.Struct, frozen=True, array_like=True, gc=False, tag="b"):
    """What was said in a call, as far as its key lets it be kept: `request`, `answer`, `sent` or `received`."""

    call: str
    kind: str
    content: bytes
    # Whether secrets and personal data must be blackened before anyone reads it.
    redact: bool = False
    # How long it was; what the content lacks was cut off, or lost.
    size: int = 0
    # The side file that holds the content, in the folder of this journal.
    file: str = ""


Entry = Intent | Record | Body

encode_entry: Callable[[Entry], bytes] = msgspec.msgpack.Encoder().encode
"""The bytes of one journal entry."""

_decoder: msgspec.msgpack.Decoder[Entry] = msgspec.msgpack.Decoder(Entry)


def decode_entry(payload: bytes) -> Entry:
    """The entry in a frame. Raises msgspec.DecodeError if a newer version wrote it."""
    return _decoder.decode(payload)
