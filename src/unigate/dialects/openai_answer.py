"""The parts of an answer in OpenAI's formats, or of one chunk of a stream, that its meter looks at."""

from __future__ import annotations

import msgspec

__all__ = ["NULL", "Answer"]

NULL = msgspec.Raw(b"null")
"""What stands where a part is absent."""


class Answer(msgspec.Struct):
    """Each part as the bytes it came as."""

    error: msgspec.Raw = NULL
    choices: msgspec.Raw = NULL
    usage: msgspec.Raw = NULL
    service_tier: msgspec.Raw = NULL
