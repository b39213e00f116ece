"""Errors as Google's APIs write and read them (google.rpc.Status, https://cloud.google.com/apis/design/errors)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import msgspec

from unigate.dialects.faults import ACCOUNT, BROKEN, KEPT, LONGEST_WORD, moment, scrub
from unigate.errors import Fault, Kind, Told

__all__ = ["error_body", "error_event", "error_item", "fault_in", "read_fault"]

_STATUSES: Mapping[int, str] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_TYPE = "type.googleapis.com/google.rpc."
# A bad key, a region without service and an account without billing are told as a 400.
_ACCOUNT_REASONS = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "ACCOUNT_STATE_INVALID", "BILLING_DISABLED"})
_DELAY = re.compile(r"[0-9]{1,10}(\.[0-9]{1,9})?s")


class _Violation(msgspec.Struct, frozen=True):
    field: str | None = None


class _Detail(msgspec.Struct, frozen=True, rename="camel"):
    reason: str | None = None
    retry_delay: str | None = None
    field_violations: tuple[_Violation, ...] | None = None


class _Status(msgspec.Struct, frozen=True):
    code: int | None = None
    message: str | None = None
    status: str | None = None
    details: tuple[_Detail, ...] | None = None


class _Bare(msgspec.Struct, frozen=True):
    message: str | None = None


class _Envelope(msgspec.Struct, frozen=True):
    error: _Status | None = None


class _BareEnvelope(msgspec.Struct, frozen=True):
    error: _Bare | None = None


_envelopes = (
    msgspec.json.Decoder(_Envelope, strict=False),
    # Details may have any shape.
    msgspec.json.Decoder(_BareEnvelope, strict=False),
)
_encode = msgspec.json.Encoder().encode
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


# --- to clients


def error_body(told: Told) -> bytes:
    """The JSON body of an error answer; `error` comes first, which is how the Python SDK knows one."""
    details: list[dict[str, object]] = [
        {"@type": f"{_TYPE}ErrorInfo", "reason": told.code.upper(), "domain": "unigate", "metadata": {}}
    ]
    if told.param is not None:
        violation = {"field": told.param, "description": told.message}
        details.append({"@type": f"{_TYPE}BadRequest", "fieldViolations": [violation]})
    if told.retry_after is not None and told.retry_after.isdecimal():
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{told.retry_after}s"})
    status = _STATUSES.get(told.status, "INTERNAL" if told.status >= 500 else "INVALID_ARGUMENT")
    return _encode({"error": {"code": told.status, "message": told.message, "status": status, "details": details}})


def error_event(told: Told) -> bytes:
    """An error in a stream of events that has begun; the SDKs raise on it."""
    return b"data: %b\r\n\r\n" % error_body(told)


def error_item(told: Told) -> bytes:
    """An error as the last item of an array that has begun."""
    return b"\n,\r\n%b\n]\n" % error_body(told)


# --- from providers


def read_fault(status: int, headers: dict[bytes, bytes], content: bytes) -> Fault:
    """The fault behind an error answer, rebuilt from message, status, reason and field alone."""
    found = _status_of(content)
    details = found.details or ()
    reasons = {detail.reason for detail in details}
    if status in ACCOUNT or reasons & _ACCOUNT_REASONS:
        return Fault(Kind.ACCOUNT, f"The upstream refused the gateway's own account (HTTP {status}).")
    message = scrub(found.message) or f"The upstream answered HTTP {status}."
    code = (found.status or "")[:LONGEST_WORD] or None
    retry_after = moment(headers.get(b"retry-after", b"")) or _delay(details)
    if status == 429:
        return Fault(Kind.LIMITED, message, code="rate_limit_exceeded", retry_after=retry_after)
    if status < 500:
        kept = status if status in KEPT else 400
        return Fault(Kind.REJECTED, message, status=kept, code=code, param=_field(details))
    kind = BROKEN.get(status, Kind.FAILED)
    return Fault(kind, f"The upstream failed (HTTP {status}): {message}", retry_after=retry_after)


def fault_in(content: bytes) -> Fault:
    """The fault behind an error that came with HTTP 200, in a stream or as the whole answer."""
    code = _status_of(content).code
    return read_fault(code if code is not None and 400 <= code < 600 else 500, {}, content)


def _status_of(content: bytes) -> _Status:
    # An array stream tells its error as an item.
    content = content.strip().removeprefix(b"[").removesuffix(b"]")
    try:
        return _envelopes[0].decode(content).error or _Status()
    except _FAILURES:
        pass
    try:
        bare = _envelopes[1].decode(content).error
    except _FAILURES:
        return _Status()
    return _Status(message=bare.message if bare else None)


def _field(details: tuple[_Detail, ...]) -> str | None:
    violations = [violation.field for detail in details for violation in detail.field_violations or ()]
    return next((field[:LONGEST_WORD] for field in violations if field), None)


def _delay(details: tuple[_Detail, ...]) -> str | None:
    """Whole seconds, rounded up, of a duration such as `48.9s`."""
    for detail in details:
        if detail.retry_delay and _DELAY.fullmatch(detail.retry_delay):
            return str(math.ceil(float(detail.retry_delay[:-1])))
    return None
