"""What a limited caller is told with every answer: its limit, what is left of it, and when it is whole again.

The names and forms are OpenAI's (https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers), for
clients of Anthropic's API Anthropic's (https://docs.anthropic.com/en/api/rate-limits#response-headers).
"""

from __future__ import annotations

from datetime import UTC, datetime

from unigate.admission.wallet import Part, Purse
from unigate.clock import Wall

__all__ = ["limit_lines"]

_SECOND = 1_000_000_000
_ANTHROPIC = "anthropic."
_USUAL_REQUESTS = (
    b"x-ratelimit-limit-requests: %d\r\nx-ratelimit-remaining-requests: %d\r\nx-ratelimit-reset-requests: %b\r\n"
)
_USUAL_TOKENS = b"x-ratelimit-limit-tokens: %d\r\nx-ratelimit-remaining-tokens: %d\r\nx-ratelimit-reset-tokens: %b\r\n"
_THEIR_REQUESTS = (
    b"anthropic-ratelimit-requests-limit: %d\r\nanthropic-ratelimit-requests-remaining: %d\r\n"
    b"anthropic-ratelimit-requests-reset: %b\r\n"
)
_THEIR_TOKENS = (
    b"anthropic-ratelimit-tokens-limit: %d\r\nanthropic-ratelimit-tokens-remaining: %d\r\n"
    b"anthropic-ratelimit-tokens-reset: %b\r\n"
)
_DURATIONS = tuple(b"%ds" % n if n < 60 else b"%dm%ds" % divmod(n, 60) for n in range(64))


def limit_lines(purse: Purse, operation: str, clock: Wall) -> bytes:
    """The header lines for a caller's limits by the minute; of several of a kind the one with the least left."""
    is_theirs = operation.startswith(_ANTHROPIC)
    lines = b""
    for parts, usual, theirs in (
        (purse.requests, _USUAL_REQUESTS, _THEIR_REQUESTS),
        (purse.tokens, _USUAL_TOKENS, _THEIR_TOKENS),
    ):
        if not parts:
            continue
        part = parts[0] if len(parts) == 1 else min(parts, key=_left)
        cooling = part.allowance.cooling
        wait = max(cooling.empty_at - purse.second, 0) if cooling is not None else 0
        if is_theirs:
            lines += theirs % (part.quota.limit, _left(part), _instant(clock() // _SECOND + wait))
        else:
            lines += usual % (part.quota.limit, _left(part), _DURATIONS[min(wait, 63)])
    return lines


def _left(part: Part) -> int:
    """What is left for the caller, as far as this door knows."""
    allowance, limit = part.allowance, part.quota.limit
    if not allowance.drawn:
        return limit
    left = allowance.left + allowance.free
    return 0 if left < 0 else min(left, limit)


def _instant(second: int) -> bytes:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}".encode()
