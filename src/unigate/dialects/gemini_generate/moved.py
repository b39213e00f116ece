"""A request of a conversation that comes from another format's model, as Gemini's own service takes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from unigate.dialects.gemini_generate.generations import Generation, generation_of
from unigate.dialects.gemini_generate.slots import PLACEHOLDER
from unigate.dialects.gemini_generate.spelling import camel_name
from unigate.dialects.signatures import each_foreign, is_foreign
from unigate.target import Target
from unigate.wire.body import Body

__all__ = ["without_foreign"]

_Change = Callable[[msgspec.Raw], msgspec.Raw | None]

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode


def without_foreign(body: Body, target: Target) -> tuple[Body, Sequence[str]]:
    """The request without signatures that others made, and what was left out, by name."""
    content = partial(_content, part=partial(_part, is_newest=generation_of(target.model) is Generation.LEVELS))
    changes: dict[str, _Change] = {"contents": content, "generateContentRequest": partial(_counted, content=content)}
    edited = dict(body)
    for name, raw in body.items():
        change = changes.get(camel_name(name))
        if change is not None:
            edited[name] = each_foreign(raw, change)
    is_same = all(edited[name] is raw for name, raw in body.items())
    return edited, () if is_same else ("contents[].parts[].thoughtSignature",)


def _counted(raw: msgspec.Raw, content: _Change) -> msgspec.Raw:
    """The request that a count of tokens may have inside it."""
    fields = _object.decode(raw)
    contents = each_foreign(fields["contents"], content)
    return raw if contents is fields["contents"] else msgspec.Raw(_encode({**fields, "contents": contents}))


def _content(raw: msgspec.Raw, part: _Change) -> msgspec.Raw | None:
    fields = _object.decode(raw)
    parts = each_foreign(fields["parts"], part)
    if parts is fields["parts"]:
        return raw
    return None if bytes(parts) == b"[]" else msgspec.Raw(_encode({**fields, "parts": parts}))


def _part(raw: msgspec.Raw, is_newest: bool) -> msgspec.Raw | None:
    """The part without its signature; None for a thought, and for one that was there for the signature alone."""
    fields = {camel_name(name): value for name, value in _object.decode(raw).items()}
    slot = fields.pop("thoughtSignature", None)
    if slot is None or not is_foreign(_text.decode(slot)):
        return raw
    if bytes(fields.get("thought", b"")) == b"true" or (fields.keys() == {"text"} and bytes(fields["text"]) == b'""'):
        return None
    if "functionCall" in fields and is_newest:
        fields["thoughtSignature"] = msgspec.Raw(_encode(PLACEHOLDER))
    return msgspec.Raw(_encode(fields))
