"""Errors as the Messages API writes and reads them (https://platform.claude.com/docs/en/api/errors)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from unigate.dialects import openai_errors
from unigate.errors import Fault, Kind, Told

__all__ = ["error_body", "error_event", "fault_in", "read_fault"]

_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
# An error within an answer has no status but that of its type.
_STATUSES: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
# An empty purse is told as a bad request.
_NO_CREDIT = b"credit balance is too low"


class _Detail(msgspec.Struct):
    type: str = ""


class _Envelope(msgspec.Struct):
    error: _Detail | None = None


_decoder = msgspec.json.Decoder(_Envelope)


def error_body(told: Told) -> bytes:
    """The JSON body of an error answer."""
    type = _TYPES.get(told.status, "api_error" if told.status >= 500 else "invalid_request_error")
    return msgspec.json.encode({"type": "error", "error": {"type": type, "message": told.message}})


def error_event(told: Told) -> bytes:
    """An error in a stream that has begun; the SDKs raise on an event of this name."""
    return b"event: error\ndata: " + error_body(told) + b"\n\n"


def read_fault(status: int, headers: dict[bytes, bytes], content: bytes) -> Fault:
    """The fault behind an upstream's error answer, rebuilt from its message and type alone."""
    if status == 400 and _NO_CREDIT in content:
        return Fault(Kind.ACCOUNT, "The upstream refused the gateway's own account (its credit is used up).")
    return openai_errors.read_fault(status, headers, content)


def fault_in(content: bytes) -> Fault:
    """The fault behind an error within an answer that began well."""
    try:
        error = _decoder.decode(content).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        error = None
    return read_fault(_STATUSES.get(error.type, 500) if error is not None else 500, {}, content)
