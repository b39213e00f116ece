"""Errors as OpenAI's API writes and reads them (https://platform.openai.com/docs/guides/error-codes)."""

from __future__ import annotations

import msgspec

from unigate.dialects.faults import ACCOUNT, BROKEN, KEPT, LONGEST_WORD, moment, scrub
from unigate.errors import Fault, Kind, Told

__all__ = ["error_body", "error_event", "read_fault"]

_QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})


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
    code = str(detail.code)[:LONGEST_WORD] if detail.code is not None else None
    type, param = ((word or "")[:LONGEST_WORD] or None for word in (detail.type, detail.param))
    retry_after = moment(headers.get(b"retry-after", b""))
    if status in ACCOUNT or code in _QUOTA_CODES or type in _QUOTA_CODES:
        return Fault(Kind.ACCOUNT, f"The upstream refused the gateway's own account (HTTP {status}).")
    message = scrub(detail.message) or f"The upstream answered HTTP {status}."
    if status == 429:
        return Fault(Kind.LIMITED, message, code=code or "rate_limit_exceeded", retry_after=retry_after)
    if status in KEPT:
        return Fault(Kind.REJECTED, message, status=status, code=code or type, param=param)
    if status < 500:
        return Fault(Kind.REJECTED, message, status=400, code=code or type, param=param)
    kind = BROKEN.get(status, Kind.FAILED)
    return Fault(kind, f"The upstream failed (HTTP {status}): {message}", retry_after=retry_after)


def _detail_of(content: bytes) -> _Detail:
    try:
        found = _lenient.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Detail()
    if isinstance(found.error, str):
        return _Detail(message=found.error)
    return found.error or _Detail(message=found.message or found.detail)
