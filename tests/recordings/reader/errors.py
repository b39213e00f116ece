"""Reads the errors: those of HTTP, and those told within a stream that began well."""

from __future__ import annotations

from collections.abc import Mapping

from recordings.reader.look import arr, obj, objs, text, text_fact
from recordings.replay import Json, Object

__all__ = ["error_fact"]


def error_fact(status: int, headers: Mapping[str, str], body: Json) -> Object:
    """Status, hash of the message, type, code, and seconds to wait.

    The message is `error.message`, `message` (Bedrock, Cohere, DashScope), `detail` (Mistral's 401) or `error` itself
    (xAI). The type is `error.type`, Google's `error.status`, or Bedrock's `x-amzn-errortype` before its colon; the
    code is as written, a string or a number. `retry_after` is the header's, else that of Google's RetryInfo.
    """
    outer = obj(body)
    inner = obj(outer.get("error")) or outer
    lower = {name.lower(): value for name, value in headers.items()}
    named = [
        inner.get("message"),
        inner.get("msg"),
        outer.get("error_message"),
        outer.get("detail"),
        outer.get("error"),
    ]
    message = next((text(candidate) for candidate in named if text(candidate)), "")
    kind = text(inner.get("type")) or text(inner.get("status")) or lower.get("x-amzn-errortype", "").partition(":")[0]
    return {
        "status": status,
        "message": text_fact(message),
        "type": kind or None,
        "code": inner.get("code", inner.get("error_code")),
        "retry_after": _wait(lower, inner),
    }


def _wait(headers: Mapping[str, str], error: Object) -> str | None:
    delays = [text(detail.get("retryDelay")).removesuffix("s") for detail in objs(arr(error.get("details")))]
    return headers.get("retry-after") or next((delay for delay in delays if delay), None)
