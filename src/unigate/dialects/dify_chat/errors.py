"""Errors of Dify: a word, a sentence, and sometimes a status (https://docs.dify.ai/api-reference/chat/send-chat-message)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from unigate.dialects import openai_errors
from unigate.errors import Fault

__all__ = ["Failure", "fault_of", "read_fault"]

# What a word says better than the status that comes with it, or where none does.
_STATUS: Mapping[str, int] = {
    "provider_quota_exceeded": 402,
    "provider_not_initialize": 402,
    "rate_limit_error": 429,
    "too_many_requests": 429,
    "invalid_param": 400,
    "bad_request": 400,
    "app_unavailable": 400,
    "not_found": 404,
    "conversation_not_exists": 404,
    "unauthorized": 401,
}


class Failure(msgspec.Struct, frozen=True):
    """What is said of a failure."""

    code: str | None = None
    message: str | None = None
    status: int | str | None = None


_failure = msgspec.json.Decoder(Failure)


def fault_of(failure: Failure) -> Fault:
    """The fault behind an `error` event."""
    told = failure.status if isinstance(failure.status, int) and 400 <= failure.status <= 599 else 500
    return _fault(told, {}, failure)


def read_fault(status: int, headers: dict[bytes, bytes], content: bytes) -> Fault:
    """The fault behind an error answer."""
    try:
        failure = _failure.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return openai_errors.read_fault(status, headers, content)
    return _fault(status, headers, failure)


def _fault(status: int, headers: dict[bytes, bytes], failure: Failure) -> Fault:
    detail = {"message": failure.message, "code": failure.code}
    content = msgspec.json.encode({"error": detail})
    return openai_errors.read_fault(_STATUS.get(failure.code or "", status), headers, content)
