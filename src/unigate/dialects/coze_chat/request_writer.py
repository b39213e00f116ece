"""Writes an ask as a chat with a bot of Coze's (https://www.coze.cn/open/docs/developer_guides/chat_v3).

The bot is named by the model, `bot-7374…` or its bare id. A call brings its whole conversation along and begins a new
one at Coze, unless the client names the one that Coze keeps, as the id of an earlier answer in
`metadata.conversation_id`: then only what is new is sent. It stands in the query of the address.
"""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from unigate.conversation import Ask, FileRef, Message, Part, Role, Url
from unigate.dialects.bots import Attached, Kept, after_last_answer, kept_of, leave_out, words_of
from unigate.dialects.losses import Losses
from unigate.target import Target

__all__ = ["OWN", "query_of", "write_ask"]

OWN = "coze.chat"
"""The name of this dialect."""

_NOBODY = "unigate"
_SAID = (Part.METADATA, Part.STORE)
_encode = msgspec.json.Encoder().encode

_Json = dict[str, object]


def write_ask(ask: Ask, target: Target, losses: Losses) -> bytes:
    """The request body. Raises Refusal (422) naming what this format cannot say."""
    losses.begin(ask)
    leave_out(ask, losses, _SAID)
    kept = kept_of(ask)
    if kept is None:
        losses.cannot(Part.METADATA)
        kept = Kept()
    new = ask.messages[after_last_answer(ask.messages) :] if kept.conversation else ask.messages
    body: _Json = {
        "bot_id": target.model.removeprefix("bot-"),
        # Whoever it is keeps the bot's memory apart from that of others.
        "user_id": ask.user or _NOBODY,
        "stream": True,
        "additional_messages": _messages(new, losses),
    }
    if kept.rest:
        body["meta_data"] = kept.rest
    if Part.STORE in ask.settings:
        body["auto_save_history"] = ask.settings[Part.STORE]
    return _encode(body)


def query_of(ask: Ask) -> str:
    """The query that names the conversation to go on with; empty for a new one."""
    kept = kept_of(ask)
    return f"conversation_id={quote(kept.conversation, safe='')}" if kept is not None and kept.conversation else ""


def _messages(messages: tuple[Message, ...], losses: Losses) -> list[_Json]:
    written: list[_Json] = []
    instructions: list[str] = []
    for message in messages:
        if message.name is not None:
            losses.cannot(Part.NAMES)
        words = words_of(message.blocks, losses)
        parts = [part for one in words.attached if (part := _attached(one, losses)) is not None]
        if message.role in (Role.SYSTEM, Role.DEVELOPER):
            # A bot has its own instructions; the client's stand before what the user says next.
            instructions.append(words.text)
            continue
        if message.role is Role.ASSISTANT:
            written.append({"role": "assistant", "type": "answer", "content": words.text, "content_type": "text"})
            continue
        text = "\n\n".join([*instructions, words.text])
        instructions = []
        written.append({"role": "user", "type": "question", **_content(text, parts)})
    if instructions:
        written.append({"role": "user", "type": "question", **_content("\n\n".join(instructions), [])})
    return written


def _content(text: str, parts: list[_Json]) -> _Json:
    if not parts:
        return {"content": text, "content_type": "text"}
    objects = [*([{"type": "text", "text": text}] if text else []), *parts]
    return {"content": _encode(objects).decode(), "content_type": "object_string"}


def _attached(one: Attached, losses: Losses) -> _Json | None:
    """A file by its address, or by the id that it has at Coze."""
    kind = "file" if one.media == "video" else one.media
    if isinstance(one.source, Url):
        return {"type": kind, "file_url": one.source.url}
    if isinstance(one.source, FileRef) and one.source.origin == OWN:
        return {"type": kind, "file_id": one.source.id}
    if isinstance(one.source, FileRef):
        losses.cannot(Part.FILE_IDS)
    else:
        one.lose(losses)
    return None
