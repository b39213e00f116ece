"""A Chat Completions request of a conversation that comes from another format's model, as its own services take it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from unigate.dialects.signatures import each_foreign, field_without_foreign, is_foreign
from unigate.target import Target
from unigate.wire.body import Body

__all__ = ["without_foreign"]

_DETAILS = "reasoning_details"


class _Detail(msgspec.Struct):
    signature: str | None = None
    data: str | None = None


_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_detail = msgspec.json.Decoder(_Detail)
_encode = msgspec.json.Encoder().encode


def without_foreign(body: Body, _target: Target) -> tuple[Body, Sequence[str]]:
    """The request without reasoning that others signed, and what was left out, by name."""
    edited = field_without_foreign(body, "messages", _message)
    return (body, ()) if edited is None else (edited, [f"messages[].{_DETAILS}"])


def _message(raw: msgspec.Raw) -> msgspec.Raw:
    fields = _object.decode(raw)
    details = each_foreign(fields[_DETAILS], _kept)
    if details is fields[_DETAILS]:
        return raw
    if bytes(details) == b"[]":
        del fields[_DETAILS]
    else:
        fields[_DETAILS] = details
    return msgspec.Raw(_encode(fields))


def _kept(raw: msgspec.Raw) -> msgspec.Raw | None:
    detail = _detail.decode(raw)
    return None if is_foreign(detail.signature) or is_foreign(detail.data) else raw
