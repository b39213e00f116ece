"""Errors of Coze, which come with HTTP 200 and a number (https://www.coze.cn/open/docs/developer_guides/coze_error_codes)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from unigate.dialects import openai_errors
from unigate.errors import Fault

__all__ = ["Failure", "fault_of", "read_fault"]

_STATUS: Mapping[int, int] = {
    4008: 402,
    4009: 402,
    4010: 402,
    4011: 402,
    4013: 429,
    4014: 504,
    4027: 402,
    4028: 402,
    4100: 401,
    4101: 403,
    4200: 404,
}
# Numbers of nine digits belong to services behind the API; those that begin so judge the key.
_KEYS = 700_012


class Failure(msgspec.Struct, frozen=True):
    """A number and a sentence; zero is no failure."""

    code: int = 0
    msg: str = ""


_failure = msgspec.json.Decoder(Failure)


def fault_of(failure: Failure) -> Fault:
    """The fault that a failure stands for, as if it had come with an HTTP status of its own."""
    return _fault(_status(failure.code), {}, failure)


def read_fault(status: int, headers: dict[bytes, bytes], content: bytes) -> Fault:
    """The fault behind an error answer that has an HTTP status."""
    try:
        failure = _failure.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        failure = Failure()
    return _fault(status, headers, failure)


def _fault(status: int, headers: dict[bytes, bytes], failure: Failure) -> Fault:
    detail = {"message": failure.msg or None, "code": failure.code or None}
    return openai_errors.read_fault(status, headers, msgspec.json.encode({"error": detail}))


def _status(code: int) -> int:
    if code // 1000 == _KEYS:
        return 401
    return _STATUS.get(code, 400 if 4000 <= code < 5000 else 500)
