"""A Messages request of a conversation that comes from another format's model, as Anthropic's own service takes it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from unigate.dialects.signatures import each_foreign, field_without_foreign, is_foreign
from unigate.target import Target
from unigate.wire.body import Body

__all__ = ["without_foreign"]

_DISABLED = msgspec.Raw(b'{"type":"disabled"}')
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})


class _Kind(msgspec.Struct):
    type: str = ""


class _Message(msgspec.Struct):
    role: str = ""
    content: str | list[_Kind] = ""


class _Block(_Kind):
    signature: str | None = None
    data: str | None = None


_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_kind = msgspec.json.Decoder(_Kind)
_block = msgspec.json.Decoder(_Block)
_messages = msgspec.json.Decoder(list[_Message])
_encode = msgspec.json.Encoder().encode


def without_foreign(body: Body, _target: Target) -> tuple[Body, Sequence[str]]:
    """The request without thoughts that others signed, and what was left out, by name."""
    edited = field_without_foreign(body, "messages", _message)
    if edited is None:
        return body, ()
    names = ["messages[].content[].thinking"]
    if _must_not_think(edited):
        edited["thinking"] = _DISABLED
        names.append("thinking")
        if b"clear_thinking" in bytes(edited.get("context_management", b"")):
            del edited["context_management"]  # it is refused where nobody thinks
            names.append("context_management")
    return edited, names


def _message(raw: msgspec.Raw) -> msgspec.Raw | None:
    """The message; None for one that said nothing else, since an empty one is refused."""
    fields = _object.decode(raw)
    content = each_foreign(fields["content"], _kept)
    if content is fields["content"]:
        return raw
    return None if bytes(content) == b"[]" else msgspec.Raw(_encode({**fields, "content": content}))


def _kept(raw: msgspec.Raw) -> msgspec.Raw | None:
    block = _block.decode(raw)
    is_left_out = block.type in _THOUGHTS and (is_foreign(block.signature) or is_foreign(block.data))
    return None if is_left_out else raw


def _must_not_think(body: Body) -> bool:
    """Whether a budget for thinking would be refused: in a round of tools that now begins without thoughts.

    https://platform.claude.com/docs/en/build-with-claude/extended-thinking#preserving-thinking-blocks
    """
    try:
        is_wanted = "thinking" in body and _kind.decode(body["thinking"]).type == "enabled"
        messages = _messages.decode(body["messages"]) if is_wanted else []
    except msgspec.DecodeError:
        return False  # the service will say what is wrong with it
    answers = [message.content for message in messages if message.role == "assistant"]
    if not answers or isinstance(answers[-1], str):
        return False
    kinds = [block.type for block in answers[-1]]
    return "tool_use" in kinds and kinds[0] not in _THOUGHTS
