"""Writes an ask as a message to a chat app of Dify's (https://docs.dify.ai/api-reference/chat/send-chat-message).

An app takes one message at a time. Earlier turns go along inside it, unless the client names the conversation that
Dify keeps, as the id of an earlier answer in `metadata.conversation_id`: then only what is new is sent. The rest of
the metadata are the app's own variables, with the model's name as `model`.
"""

from __future__ import annotations

import msgspec

from unigate.conversation import Ask, FileRef, Message, Part, Role, Url
from unigate.dialects.bots import Attached, Kept, Words, after_last_answer, kept_of, leave_out, words_of
from unigate.dialects.losses import Losses
from unigate.target import Target

__all__ = ["OWN", "write_ask"]

OWN = "dify.chat"
"""The name of this dialect."""

_NOBODY = "unigate"
_MEDIA = {"file": "document", "image": "image", "audio": "audio", "video": "video"}
_SPEAKERS = {Role.USER: "User", Role.ASSISTANT: "Assistant"}
_encode = msgspec.json.Encoder().encode

_Json = dict[str, object]


def write_ask(ask: Ask, target: Target, losses: Losses) -> bytes:
    """The request body. Raises Refusal (422) naming what this format cannot say."""
    losses.begin(ask)
    leave_out(ask, losses, (Part.METADATA,))
    kept = kept_of(ask)
    if kept is None:
        losses.cannot(Part.METADATA)
        kept = Kept()
    turns = [(message.role, _words(message, losses)) for message in ask.messages]
    new = turns if not kept.conversation else turns[after_last_answer(ask.messages) :]
    attached = [one for role, words in new if role is Role.USER for one in words.attached]
    body: _Json = {
        "inputs": {"model": target.model, **kept.rest},
        "query": _query(new),
        "response_mode": "streaming",
        "conversation_id": kept.conversation,
        "user": ask.user or _NOBODY,
        "files": [file for one in attached if (file := _file(one, losses)) is not None],
        "auto_generate_name": False,
    }
    return _encode(body)


def _words(message: Message, losses: Losses) -> Words:
    if message.name is not None:
        losses.cannot(Part.NAMES)
    return words_of(message.blocks, losses)


def _query(turns: list[tuple[Role, Words]]) -> str:
    """The words of all turns as one message; a single turn's as they are."""
    spoken = [role for role, _ in turns if role in _SPEAKERS]
    if len(spoken) <= 1:
        return "\n\n".join(words.text for _, words in turns if words.text)
    said = (f"{_SPEAKERS[role]}: {words.text}" if role in _SPEAKERS else words.text for role, words in turns)
    return "\n\n".join(said)


def _file(one: Attached, losses: Losses) -> _Json | None:
    """A file by its address, or by the id that it has at Dify."""
    kind = _MEDIA[one.media]
    if isinstance(one.source, Url):
        return {"type": kind, "transfer_method": "remote_url", "url": one.source.url}
    if isinstance(one.source, FileRef) and one.source.origin == OWN:
        return {"type": kind, "transfer_method": "local_file", "upload_file_id": one.source.id}
    if isinstance(one.source, FileRef):
        losses.cannot(Part.FILE_IDS)
    else:
        one.lose(losses)
    return None
