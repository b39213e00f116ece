"""Errors inside answers of the Responses API, read and written.

A failure after the head is HTTP 200 with an `error` event, a `response.failed` event, or both
(https://platform.openai.com/docs/api-reference/responses-streaming/error).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from unigate.dialects.openai_errors import read_fault
from unigate.errors import Fault, Told

__all__ = ["Failure", "error_event", "fault_of"]

_STATUS: Mapping[str, int] = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "tokens": 429,
    "requests": 429,
    "insufficient_quota": 429,
    "server_is_overloaded": 503,
    "slow_down": 503,
    "overloaded": 503,
    "overloaded_error": 503,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "model_not_found": 404,
    "not_found_error": 404,
    "context_length_exceeded": 400,
    "failed_to_download_image": 400,
    "empty_image_file": 400,
}
_Json = dict[str, object]
# Whole families of codes that blame the request.
_REQUESTS = ("invalid_", "image_", "unsupported_")


class Failure(msgspec.Struct, frozen=True):
    """What an answer says of its failure."""

    type: str | None = None
    code: str | int | None = None
    message: str | None = None
    param: str | None = None


def fault_of(failure: Failure) -> Fault:
    """The fault that a failure inside an answer stands for, as if it had come with an HTTP status of its own."""
    # The type of an event stands where the type of an error does in others' answers.
    type = None if failure.type == "error" else failure.type
    detail = {"message": failure.message, "type": type, "code": failure.code, "param": failure.param}
    return read_fault(_status(failure.code) or _status(type) or 500, {}, msgspec.json.encode({"error": detail}))


def _status(code: str | int | None) -> int | None:
    if isinstance(code, int):
        return code if 400 <= code <= 599 else None
    if code is None:
        return None
    return _STATUS.get(code) or (400 if code.startswith(_REQUESTS) else None)


def error_event(told: Told) -> bytes:
    """The end of a stream that fails: both events that the service sends.

    The SDKs raise at the first, which needs its `error` inside; Codex knows the second alone, and repeats the call
    without it.
    """
    detail = {"type": told.type, "code": told.code, "message": told.message, "param": told.param}
    # The type of an event is its own; only inside the error does the word stand for the error's.
    error: _Json = {**detail, "type": "error", "sequence_number": 0, "error": detail}
    response: _Json = {
        "id": f"resp_{told.call_id}",
        "object": "response",
        "created_at": 0,
        "status": "failed",
        "error": {"code": _code(told.status), "message": told.message},
        "incomplete_details": None,
        "model": "",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
        "metadata": {},
    }
    failed: _Json = {"type": "response.failed", "sequence_number": 1, "response": response}
    return b"event: error\ndata: %b\n\nevent: response.failed\ndata: %b\n\n" % (
        msgspec.json.encode(error),
        msgspec.json.encode(failed),
    )


def _code(status: int) -> str:
    """The nearest of the codes that `response.error` may have."""
    if status == 429:
        return "rate_limit_exceeded"
    return "server_error" if status >= 500 else "invalid_prompt"
