"""Strict structs of requests: what is unknown is set aside by name, also among siblings of another kind."""

from __future__ import annotations

import msgspec

from unigate.wire.typed import TypedDecoder


class Leaf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str


class Holder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    parts: Leaf | tuple[Leaf, ...]


def test_one_sibling_may_hold_a_list_where_another_holds_an_object() -> None:
    decoder: TypedDecoder[tuple[Holder, ...]] = TypedDecoder(tuple[Holder, ...], "items")
    told = msgspec.Raw(b'[{"parts":[{"text":"a","odd":1}]},{"parts":{"text":"b","strange":2}}]')

    found, unknown = decoder.decode(told)

    assert found == (Holder((Leaf("a"),)), Holder(Leaf("b")))
    assert unknown == ("items[].parts[].odd", "items[].parts.strange")
