"""The OpenAPI document."""

from __future__ import annotations

import msgspec

__all__ = ["build_document"]


def build_document(admin: dict[str, object]) -> bytes:
    """The whole document as JSON."""
    return msgspec.json.encode(admin)
