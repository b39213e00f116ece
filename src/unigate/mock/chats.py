"""Chats whose answers are fetched later, as Coze has them."""

from __future__ import annotations

import msgspec

__all__ = ["Chat", "Chats"]

KEPT = 1_000


class Chat(msgspec.Struct):
    """One chat: how often it may still be asked for in vain, what it is in the end, what was said in it."""

    waits: int
    running: bytes
    ended: bytes
    messages: bytes


class Chats:
    """Keeps the last thousand chats by their ids."""

    def __init__(self) -> None:
        self._chats: dict[str, Chat] = {}

    def keep(self, chat_id: str, chat: Chat) -> None:
        """Keep this chat; the oldest one goes if there are too many."""
        if len(self._chats) >= KEPT:
            del self._chats[next(iter(self._chats))]
        self._chats[chat_id] = chat

    def look(self, chat_id: str) -> bytes | None:
        """The state of this chat, which gets on each time somebody looks."""
        chat = self._chats.get(chat_id)
        if chat is None:
            return None
        chat.waits -= 1
        return chat.running if chat.waits >= 0 else chat.ended

    def messages(self, chat_id: str) -> bytes | None:
        """What was said in this chat."""
        chat = self._chats.get(chat_id)
        return chat.messages if chat else None
