"""A dialect is a wire format; this is what each one must be able to do to be carried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from unigate.errors import Fault
from unigate.usage import Usage

__all__ = ["Dialect", "Meter"]


class Meter(Protocol):
    """Watches an answer go by and knows its usage and whether it came to its proper end."""

    @property
    def usage(self) -> Usage:
        """What the provider said so far; `estimated` where it said nothing."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the stream has shown the mark that its format ends with."""
        ...

    @property
    def fault(self) -> Fault | None:
        """The upstream's own error, if it came after something was passed on: the answer ends with it."""
        ...

    def watch(self, block: bytes) -> tuple[bytes, bytes]:
        """Sorts whole events into those to pass on now and the terminal part, which waits for the settlement.

        Raises Fault if the block is an upstream's error and nothing was passed on before it.
        """
        ...

    def read(self, content: bytes) -> None:
        """Takes a whole unstreamed answer. Raises Fault if it is no answer of this format."""
        ...


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """One wire format as the gateway carries it."""

    name: str
    # Where a provider serves it, below the base URL.
    operation: str
    # `body`: the model's name is a top-level key; `form`: a field of a multipart form.
    model_in: str = "body"
    # The format reports a stream's usage only when `stream_options.include_usage` asks for it.
    usage_on_request: bool = False
    # Answers are bytes of any kind (audio, images) and are never looked into.
    opaque: bool = False
    new_meter: Callable[[bool], Meter]
    fault: Callable[[int, dict[bytes, bytes], bytes], Fault]
