"""What a limited caller is told with every answer: its limit, what is left of it, and when it is whole again.

The names and forms are OpenAI's (https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers), for
clients of Anthropic's API Anthropic's (https://docs.anthropic.com/en/api/rate-limits#response-headers).
"""

from __future__ import annotations

from datetime import UTC, datetime

from unigate.admission.wallet import Part
from unigate.clock import Wall
from unigate.tenancy import QuotaKind

__all__ = ["limit_lines"]

_SECOND = 1_000_000_000
_ANTHROPIC = "anthropic."


def limit_lines(parts: tuple[Part, ...], second: int, operation: str, clock: Wall) -> bytes:
    """The header lines for a caller's limits by the minute; of several of a kind the one with the least left."""
    lines = b""
    for kind, word in ((QuotaKind.REQUESTS, b"requests"), (QuotaKind.TOKENS, b"tokens")):
        tightest = min((part for part in parts if part.allowance.kind is kind), key=_left, default=None)
        if tightest is None:
            continue
        cooling = tightest.allowance.cooling
        wait = max(cooling.empty_at - second, 0) if cooling is not None else 0
        if operation.startswith(_ANTHROPIC):
            lines += _anthropic(word, tightest, datetime.fromtimestamp(clock() // _SECOND + wait, UTC))
        else:
            lines += b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %d\r\nx-ratelimit-reset-%b: %b\r\n" % (
                *(word, tightest.quota.limit, word, _left(tightest), word),
                _duration(wait),
            )
    return lines


def _left(part: Part) -> int:
    """What is left for the caller, as far as this door knows."""
    allowance = part.allowance
    if not allowance.drawn:
        return max(part.quota.limit, 0)
    return min(max(allowance.left + allowance.free, 0), part.quota.limit)


def _duration(seconds: int) -> bytes:
    """Seconds as `1s` or `6m0s`."""
    minutes, rest = divmod(seconds, 60)
    return b"%dm%ds" % (minutes, rest) if minutes else b"%ds" % rest


def _anthropic(word: bytes, part: Part, whole_at: datetime) -> bytes:
    return (
        b"anthropic-ratelimit-%b-limit: %d\r\nanthropic-ratelimit-%b-remaining: %d\r\n"
        b"anthropic-ratelimit-%b-reset: %b\r\n"
    ) % (word, part.quota.limit, word, _left(part), word, f"{whole_at:%Y-%m-%dT%H:%M:%SZ}".encode())
