"""What answers that come in one piece say of themselves: usage, and that they are answers at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

import msgspec

from unigate.errors import Fault, Kind
from unigate.usage import REJECTED, Usage

__all__ = ["NOTHING", "Count", "WholeMeter", "decoded", "usage_from"]

T = TypeVar("T")

Count = Annotated[float, msgspec.Meta(ge=0, lt=2**40)]
"""A count of tokens; some services write it with a decimal point."""

NOTHING = msgspec.Raw(b"null")
"""What stands in an answer's field that it does not have."""

_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class WholeMeter:
    """Reads the usage of one unstreamed answer with the function of its format."""

    __slots__ = ("_read_usage", "usage")

    ended = True
    fault: Fault | None = None

    def __init__(self, read_usage: Callable[[bytes], Usage], shows_usage: bool) -> None:
        self._read_usage = read_usage
        self.usage = Usage()

    def watch(self, block: bytes) -> tuple[bytes, bytes]:
        """See `Meter.watch`; these formats have no streams."""
        return block, b""

    def read(self, content: bytes) -> None:
        """See `Meter.read`."""
        self.usage = self._read_usage(content)


def decoded(decoder: msgspec.json.Decoder[T], content: bytes) -> T:
    """An answer's body. Raises Fault if it is none of this format."""
    try:
        return decoder.decode(content)
    except _FAILURES as error:
        raise Fault(Kind.INVALID, "The upstream answered 200 with something that is not what was asked for.") from error


def usage_from(decoder: msgspec.json.Decoder[T], raw: msgspec.Raw, count: Callable[[T], float | None]) -> Usage:
    """The usage in a part of an answer; one that makes no sense counts nothing."""
    try:
        counted = count(decoder.decode(raw))
    except _FAILURES:
        return REJECTED
    return Usage() if counted is None else Usage(int(counted))
