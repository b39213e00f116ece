"""What a limited caller is told with every answer: its limit, what is left of it, and when it is whole again.

The names and forms are OpenAI's (https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers), for
clients of Anthropic's API Anthropic's (https://docs.anthropic.com/en/api/rate-limits#response-headers).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from unigate.admission.allowance import Allowance
from unigate.admission.wallet import Purse
from unigate.clock import Wall

__all__ = ["limit_lines"]

_SECOND: Final = 1_000_000_000
_Names = tuple[bytes, bytes, bytes]
_USUAL_REQUESTS: Final[_Names] = (
    b"x-ratelimit-limit-requests: ",
    b"\r\nx-ratelimit-remaining-requests: ",
    b"\r\nx-ratelimit-reset-requests: ",
)
_USUAL_TOKENS: Final[_Names] = (
    b"x-ratelimit-limit-tokens: ",
    b"\r\nx-ratelimit-remaining-tokens: ",
    b"\r\nx-ratelimit-reset-tokens: ",
)
_THEIR_REQUESTS: Final[_Names] = (
    b"anthropic-ratelimit-requests-limit: ",
    b"\r\nanthropic-ratelimit-requests-remaining: ",
    b"\r\nanthropic-ratelimit-requests-reset: ",
)
_THEIR_TOKENS: Final[_Names] = (
    b"anthropic-ratelimit-tokens-limit: ",
    b"\r\nanthropic-ratelimit-tokens-remaining: ",
    b"\r\nanthropic-ratelimit-tokens-reset: ",
)
_DURATIONS: Final = tuple(b"%ds" % n if n < 60 else b"%dm%ds" % divmod(n, 60) for n in range(64))


def limit_lines(purse: Purse, clock: Wall, *, is_theirs: bool) -> bytes:
    """The header lines for a caller's limits by the minute; of several of a kind the one with the least left.

    `is_theirs` is by the names that Anthropic's clients read, else by OpenAI's.
    """
    if is_theirs:
        return _lines(purse, purse.requests, _THEIR_REQUESTS, clock) + _lines(purse, purse.tokens, _THEIR_TOKENS, clock)
    return _lines(purse, purse.requests, _USUAL_REQUESTS, None) + _lines(purse, purse.tokens, _USUAL_TOKENS, None)


def _lines(purse: Purse, some: tuple[Allowance, ...], names: _Names, clock: Wall | None) -> bytes:
    """The lines for the limits of one kind; the instant when all is there again by a clock, without one the wait."""
    least: Allowance | None = None
    most = 0
    for one in some:
        left = _left(one)
        if least is None or left < most:
            least, most = one, left
    if least is None:
        return b""
    wait = max(least.whole_at - purse.second, 0)
    reset = _instant(clock() // _SECOND + wait) if clock else _DURATIONS[min(wait, 63)]
    remaining = str(most).encode()
    return b"%b%b%b%b%b%b\r\n" % (names[0], least.limit_text, names[1], remaining, names[2], reset)


def _left(one: Allowance) -> int:
    """What is left for the caller, as far as this door knows."""
    if not one.drawn:
        return one.limit
    left = one.left + one.free
    return 0 if left < 0 else min(left, one.limit)


def _instant(second: int) -> bytes:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}".encode()
