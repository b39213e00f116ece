"""What asks have in common that go to a finished bot: its own settings decide nearly everything but the words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from unigate.conversation import (
    Ask,
    Block,
    Message,
    Part,
    Refused,
    Role,
    Source,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    Video,
)
from unigate.conversation import Audio as Sound
from unigate.conversation import Document as File
from unigate.conversation import Image as Picture
from unigate.dialects.losses import Losses
from unigate.dialects.media import plain_text
from unigate.errors import Refusal

__all__ = ["Attached", "Kept", "Media", "Words", "after_last_answer", "kept_of", "leave_out", "words_of"]

Media = Literal["image", "file", "audio", "video"]

_CONVERSATION = "conversation_id"
_strings = msgspec.json.Decoder(dict[str, str])

_LOST: dict[Media, tuple[Part, Part]] = {
    "image": (Part.IMAGES, Part.IMAGE_URLS),
    "file": (Part.DOCUMENTS, Part.DOCUMENT_URLS),
    "audio": (Part.AUDIO, Part.AUDIO),
    "video": (Part.VIDEO, Part.VIDEO),
}


class Attached(msgspec.Struct, frozen=True):
    """Something that goes along with the words."""

    media: Media
    source: Source

    def lose(self, losses: Losses) -> None:
        """Notes that it cannot go along."""
        losses.cannot(_LOST[self.media][0])


class Words(msgspec.Struct, frozen=True):
    """The words of one turn, and what goes along with them."""

    text: str
    attached: tuple[Attached, ...] = ()


class Kept(msgspec.Struct, frozen=True):
    """What an ask's metadata say: the conversation at the service that it goes on with, if any, and the rest."""

    conversation: str = ""
    rest: dict[str, str] = {}


def kept_of(ask: Ask) -> Kept | None:
    """The metadata of an ask, of which one names a conversation; None if they are no strings by name."""
    raw = ask.settings.get(Part.METADATA)
    if raw is None:
        return Kept()
    try:
        rest = _strings.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    # The id of an answer ends with that of its conversation.
    conversation = rest.pop(_CONVERSATION, "").rpartition(".")[2]
    return Kept(conversation, rest)


def after_last_answer(messages: Sequence[Message]) -> int:
    """Where what is new in a conversation begins."""
    answers = [number for number, message in enumerate(messages) if message.role is Role.ASSISTANT]
    return answers[-1] + 1 if answers else 0


def leave_out(ask: Ask, losses: Losses, said: Iterable[Part]) -> None:
    """Notes what of an ask a bot cannot be told. Raises Refusal (422) for what carries meaning."""
    for part in ask.settings:
        if part not in said:
            losses.cannot(part)
    is_forbidden = ask.tool_choice is not None and ask.tool_choice.mode == "none"
    given: tuple[tuple[Part, object], ...] = (
        # Tools that must not be called are no loss.
        (Part.TOOLS, () if is_forbidden else ask.tools),
        (Part.STOP, ask.stop),
        (Part.EFFORT, ask.effort),
        (Part.THINKING_BUDGET, ask.thinking_budget),
        (Part.FORMAT if ask.format is None or ask.format.schema is None else Part.FORMAT_SCHEMA, ask.format),
    )
    for part, value in given:
        if value is not None and value != ():
            losses.cannot(part)
    for hosted in ask.hosted_tools:
        losses.cannot(Part.HOSTED_TOOLS, hosted.kind)
    if ask.max_tokens is not None:
        _leave_limit(losses)


def _leave_limit(losses: Losses) -> None:
    """A bot has a limit of its own, and Anthropic's clients must always name one: theirs is told, not refused."""
    try:
        losses.cannot(Part.MAX_TOKENS)
    except Refusal as refusal:
        losses.drop((refusal.told.param or Part.MAX_TOKENS.value,))


def words_of(blocks: Iterable[Block], losses: Losses) -> Words:
    """What a turn says. Raises Refusal (422) through the losses for tools, which are the bot's own business."""
    texts: list[str] = []
    attached: list[Attached] = []
    for block in blocks:
        match block:
            case Text(text) | Refused(text):
                texts.append(text)
            case File(source, name):
                words = plain_text(source)
                if words is None:
                    attached.append(Attached("file", source))
                else:
                    texts.append(f"{name}\n\n{words}" if name else words)
            case Picture() | Sound() | Video():
                attached.append(Attached(_media_of(block), block.source))
            case ToolUse() | ToolResult():
                losses.cannot(Part.TOOLS)
            case Thinking():
                losses.cannot(Part.THINKING)
            case _:
                losses.cannot(Part.FOREIGN)
        _leave_marks(block, losses)
    return Words("\n\n".join(text for text in texts if text), tuple(attached))


def _media_of(block: Picture | Sound | Video) -> Media:
    match block:
        case Picture():
            return "image"
        case Sound():
            return "audio"
        case Video():
            return "video"


def _leave_marks(block: Block, losses: Losses) -> None:
    if isinstance(block, Text | Picture | File | Sound | Video) and block.cache is not None:
        losses.cannot(Part.CACHE)
    if isinstance(block, File) and block.cited:
        losses.cannot(Part.DOCUMENT_CITATIONS)
    if isinstance(block, Picture) and block.detail not in (None, "auto"):
        losses.cannot(Part.IMAGE_DETAIL)
