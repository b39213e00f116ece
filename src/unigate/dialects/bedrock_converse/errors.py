"""Errors as Bedrock tells them: by a name in a header or in a frame, and a message.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from unigate.dialects.faults import ACCOUNT, BROKEN, KEPT, LONGEST_WORD, moment, scrub
from unigate.errors import Fault, Kind

__all__ = ["fault_named", "read_fault"]

# By name, since a frame has no status and some statuses mislead: 424 is the model's own failure, 408 its slowness.
_STATUSES: Mapping[str, int] = {
    "accessdeniedexception": 403,
    "expiredtokenexception": 403,
    "internalserverexception": 500,
    "modelerrorexception": 500,
    "modelnotreadyexception": 503,
    "modelstreamerrorexception": 500,
    "modeltimeoutexception": 504,
    "resourcenotfoundexception": 404,
    "servicequotaexceededexception": 429,
    "serviceunavailableexception": 503,
    "throttlingexception": 429,
    "validationexception": 400,
}


class _Body(msgspec.Struct):
    message: str | None = None


class _OldBody(msgspec.Struct, rename="pascal"):
    message: str | None = None


_decoder = msgspec.json.Decoder(_Body)
_old_decoder = msgspec.json.Decoder(_OldBody)


def read_fault(status: int, headers: dict[bytes, bytes], content: bytes) -> Fault:
    """The fault behind an error answer, rebuilt from its name and message alone."""
    # `ValidationException:http://internal.amazon.com/coral/…`
    name = headers.get(b"x-amzn-errortype", b"").decode("latin-1").partition(":")[0]
    return fault_named(name, content, status, moment(headers.get(b"retry-after", b"")))


def fault_named(name: str, content: bytes, status: int = 500, retry_after: str | None = None) -> Fault:
    """The fault behind an error of this name, in an answer or in a frame of one."""
    status = _STATUSES.get(name.lower(), status)
    code = name[:LONGEST_WORD] or None
    if status in ACCOUNT:
        return Fault(Kind.ACCOUNT, f"The upstream refused the gateway's own account (HTTP {status}).")
    message = scrub(_message_of(content)) or f"The upstream answered HTTP {status}."
    if status == 429:
        return Fault(Kind.LIMITED, message, code=code, retry_after=retry_after)
    if status < 500:
        return Fault(Kind.REJECTED, message, status=status if status in KEPT else 400, code=code)
    told = f"The upstream failed (HTTP {status}): {message}"
    return Fault(BROKEN.get(status, Kind.FAILED), told, retry_after=retry_after)


def _message_of(content: bytes) -> str | None:
    """Some of AWS's own services write `Message`."""
    try:
        return _decoder.decode(content).message or _old_decoder.decode(content).message
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
