"""An answer to a count of tokens where no provider counts them (https://platform.claude.com/docs/en/api/messages-count-tokens)."""

from __future__ import annotations

from unigate.conversation import Ask
from unigate.dialects.estimate import tokens_of_ask

__all__ = ["counted"]


def counted(ask: Ask) -> bytes:
    """The body that tells how many input tokens an ask is likely to have."""
    return b'{"input_tokens":%d}' % tokens_of_ask(ask)
