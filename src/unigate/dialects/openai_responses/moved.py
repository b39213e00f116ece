"""A Responses request of a conversation that comes from another format's model, as OpenAI's own service takes it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from unigate.dialects.signatures import field_without_foreign, is_foreign
from unigate.target import Target
from unigate.wire.body import Body

__all__ = ["without_foreign"]


class _Item(msgspec.Struct):
    type: str = ""
    encrypted_content: str | None = None


_item = msgspec.json.Decoder(_Item)


def without_foreign(body: Body, _target: Target) -> tuple[Body, Sequence[str]]:
    """The request without reasoning that others sealed, and what was left out, by name."""
    edited = field_without_foreign(body, "input", _kept)
    return (body, ()) if edited is None else (edited, ["input[].reasoning"])


def _kept(raw: msgspec.Raw) -> msgspec.Raw | None:
    item = _item.decode(raw)
    return None if item.type == "reasoning" and is_foreign(item.encrypted_content) else raw
