"""The header lines that are each provider's own: numbers of requests, what is left of the rates, kinds of errors."""

from __future__ import annotations

from collections.abc import Callable

from unigate.mock.ask import Fail

__all__ = ["Stamp", "anthropic", "aws", "cohere", "dify", "none", "openai", "unknown_key"]

Stamp = Callable[[bytes, Fail | None], bytes]
"""From the call's tag and the error, if it is one, to whole header lines."""


def none(tag: bytes, fail: Fail | None) -> bytes:
    """Nothing: this service has no headers of its own."""
    return b""


def _left(limit: int, fail: Fail | None) -> int:
    return 0 if fail is not None and fail.status == 429 else limit - 1


def openai(tag: bytes, fail: Fail | None) -> bytes:
    """OpenAI's, as its recorded answers have them."""
    return (
        b"openai-version: 2020-10-01\r\nopenai-processing-ms: 1\r\n"
        b"x-ratelimit-limit-requests: 10000\r\nx-ratelimit-remaining-requests: %d\r\n"
        b"x-ratelimit-reset-requests: 6ms\r\nx-ratelimit-limit-tokens: 2000000\r\n"
        b"x-ratelimit-remaining-tokens: %d\r\nx-ratelimit-reset-tokens: 1ms\r\n"
    ) % (_left(10_000, fail), _left(2_000_000, fail))


ANTHROPIC_RATE = b"""anthropic-ratelimit-%b-limit: %d\r
anthropic-ratelimit-%b-remaining: %d\r
anthropic-ratelimit-%b-reset: 2026-01-01T00:00:00Z\r
"""
ANTHROPIC_LIMITS = {
    b"requests": 10_000,
    b"tokens": 12_000_000,
    b"input-tokens": 10_000_000,
    b"output-tokens": 2_000_000,
}


def anthropic(tag: bytes, fail: Fail | None) -> bytes:
    """Anthropic's, as its recorded answers have them."""
    lines = [ANTHROPIC_RATE % (kind, limit, kind, _left(limit, fail), kind) for kind, limit in ANTHROPIC_LIMITS.items()]
    return b"request-id: req_%b\r\n%b" % (tag, b"".join(lines))


def cohere(tag: bytes, fail: Fail | None) -> bytes:
    """Cohere's, as its recorded answers have them."""
    return b"x-debug-trace-id: 00000000000000000000%b\r\nx-trial-endpoint-call-limit: 40\r\n" % tag + (
        b"x-trial-endpoint-call-remaining: %d\r\n" % _left(40, fail)
    )


def dify(tag: bytes, fail: Fail | None) -> bytes:
    """Dify's: its version."""
    return b"x-version: 1.9.0\r\nx-env: PRODUCTION\r\n"


AWS_TYPES = {
    400: "ValidationException",
    401: "AccessDeniedException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    413: "ValidationException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}


def aws_type(fail: Fail) -> str:
    """The name of the exception that AWS makes of this error."""
    return fail.type or AWS_TYPES.get(fail.status, "InternalServerException" if fail.status >= 500 else AWS_TYPES[400])


def aws(tag: bytes, fail: Fail | None) -> bytes:
    """AWS's: the request's number in the form of a UUID, and an error's type, which the body does not tell."""
    number = b"x-amzn-requestid: 00000000-0000-4000-8000-%b\r\n" % tag
    if fail is None:
        return number
    kind = aws_type(fail).encode()
    return b"%bx-amzn-errortype: %b:http://internal.amazon.com/coral/com.amazon.bedrock/\r\n" % (number, kind)


def unknown_key(masked: str) -> Fail:
    """The refusal of a credential that nobody knows, as most say it."""
    return Fail(401, f"Incorrect API key provided: {masked}.")
