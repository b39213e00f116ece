"""Errors as Ollama tells them: one sentence (https://docs.ollama.com/api/errors)."""

from __future__ import annotations

import msgspec

from unigate.errors import Told

__all__ = ["error_body", "error_event"]


def error_body(told: Told) -> bytes:
    """The JSON body of an error answer."""
    return msgspec.json.encode({"error": told.message})


def error_event(told: Told) -> bytes:
    """An error as the last line of a stream."""
    return error_body(told) + b"\n"
