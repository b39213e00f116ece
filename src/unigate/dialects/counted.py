"""What a stream is taken to have consumed."""

from __future__ import annotations

from unigate.usage import Usage

__all__ = ["told_or_counted"]


def told_or_counted(told: Usage | None, pieces: int) -> Usage:
    """A stream's usage as its provider told it; else an estimate, one token for each piece that came."""
    if told is None:
        return Usage(output_tokens=pieces, estimated=True)
    return Usage(output_tokens=pieces or None, estimated=True, rejected=True) if told.rejected else told
