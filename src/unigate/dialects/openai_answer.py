"""The parts of an answer in OpenAI's formats, or of one chunk of a stream, that its meter looks at."""

from __future__ import annotations

import msgspec

__all__ = ["NULL", "Answer", "read_answer"]

NULL = msgspec.Raw(b"null")
"""What stands where a part is absent."""


class Answer(msgspec.Struct):
    """Each part as the bytes it came as."""

    error: msgspec.Raw = NULL
    choices: msgspec.Raw = NULL
    usage: msgspec.Raw = NULL
    service_tier: msgspec.Raw = NULL


_answer = msgspec.json.Decoder(Answer)
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_answer(content: bytes) -> Answer | None:
    """The parts; None if this is not a JSON object."""
    try:
        return _answer.decode(content)
    except _FAILURES:
        return None
