"""Errors as OpenAI's API writes and reads them (https://platform.openai.com/docs/guides/error-codes)."""

from __future__ import annotations

import re

import msgspec

from unigate.errors import Fault, Kind, Told

__all__ = ["error_body", "error_event", "read_fault"]

_KEPT = frozenset({400, 404, 413, 422})
_ACCOUNT = frozenset({401, 402, 403})
# An upstream that says so did not run the call itself, so that another target may be asked.
_BROKEN = {
    502: Kind.BAD_GATEWAY,
    503: Kind.OVERLOADED,
    529: Kind.OVERLOADED,
    504: Kind.SLOW,
    524: Kind.SLOW,
}
_QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_SECRET = re.compile(r"\b(?:sk|pk|gsk|xai|key|AIza|pplx|hf|r8|nvapi)[-_A-Za-z0-9*.…]{8,}|\bBearer\s+\S+", re.IGNORECASE)
# Seconds, or a date (RFC 9110, section 10.2.3).
_MOMENT = re.compile(rb"[0-9]{1,10}(\.[0-9]{1,6})?|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT")
_LONGEST_MESSAGE = 2000
_LONGEST_WORD = 200  # codes and parameters are written down with the call


class _Detail(msgspec.Struct):
    message: str | None = None
    type: str | None = None
    code: str | int | None = None
    param: str | None = None


class _Envelope(msgspec.Struct):
    error: _Detail | str | None = None
    message: str | None = None
    detail: str | None = None


_lenient = msgspec.json.Decoder(_Envelope, strict=False)


def error_body(told: Told) -> bytes:
    """The JSON body of an error answer."""
    detail = {"message": told.message, "type": told.type, "param": told.param, "code": told.code}
    return msgspec.json.encode({"error": detail})


def error_event(told: Told) -> bytes:
    """An error in a stream that has begun; the SDKs raise on a `data` object that has an `error`."""
    return b"data: " + error_body(told) + b"\n\n"


def read_fault(status: int, headers: dict[bytes, bytes], content: bytes) -> Fault:
    """The fault behind an upstream's error answer, rebuilt from message, type, code and param alone."""
    detail = _detail_of(content)
    code = str(detail.code)[:_LONGEST_WORD] if detail.code is not None else None
    type, param = ((word or "")[:_LONGEST_WORD] or None for word in (detail.type, detail.param))
    retry_after = _moment(headers.get(b"retry-after", b""))
    if status in _ACCOUNT or code in _QUOTA_CODES or type in _QUOTA_CODES:
        return Fault(Kind.ACCOUNT, f"The upstream refused the gateway's own account (HTTP {status}).")
    message = _scrub(detail.message) or f"The upstream answered HTTP {status}."
    if status == 429:
        return Fault(Kind.LIMITED, message, code=code or "rate_limit_exceeded", retry_after=retry_after)
    if status in _KEPT:
        return Fault(Kind.REJECTED, message, status=status, code=code or type, param=param)
    if status < 500:
        return Fault(Kind.REJECTED, message, status=400, code=code or type, param=param)
    kind = _BROKEN.get(status, Kind.FAILED)
    return Fault(kind, f"The upstream failed (HTTP {status}): {message}", retry_after=retry_after)


def _detail_of(content: bytes) -> _Detail:
    try:
        found = _lenient.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Detail()
    if isinstance(found.error, str):
        return _Detail(message=found.error)
    return found.error or _Detail(message=found.message or found.detail)


def _moment(value: bytes) -> str | None:
    """What `retry-after` says, if it says a time; anything else an upstream may write there goes no further."""
    return value.decode("ascii") if _MOMENT.fullmatch(value) else None


def _scrub(message: str | None) -> str:
    """An upstream may repeat the credential it was sent; nothing that looks like one goes on to the client."""
    return _SECRET.sub("[redacted]", message or "")[:_LONGEST_MESSAGE]
