"""Says of one recording what it holds: the right reader for its format is found in a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from recordings.reader import anthropic, gemini, openai_chat, responses
from recordings.reader.errors import error_fact
from recordings.reader.found import Answer, Asked
from recordings.replay import Object, Recording

__all__ = ["FORMATS", "Format", "format_of", "judge"]


@dataclass(frozen=True)
class Format:
    """A wire format's name and its two readers."""

    name: str
    answer: Callable[[Recording], Answer]
    asked: Callable[[Recording], Asked]


CHAT = Format("openai.chat", openai_chat.answer, openai_chat.asked)
RESPONSES = Format("openai.responses", responses.answer, responses.asked)
ANTHROPIC = Format("anthropic.messages", anthropic.answer, anthropic.asked)
GEMINI = Format("gemini.generate", gemini.answer, gemini.asked)

# The longest beginning of an `api` decides.
FORMATS: Mapping[str, Format] = {
    "anthropic.": ANTHROPIC,
    "azure.foundry.chat": CHAT,
    "azure.openai.chat": CHAT,
    "azure.openai.responses": RESPONSES,
    "bedrock.invoke": ANTHROPIC,
    "bedrock.mantle.responses": RESPONSES,
    "deepseek.chat": CHAT,
    "deepseek.responses": RESPONSES,
    "gemini.": GEMINI,
    "gemini.openai": CHAT,
    "groq.chat": CHAT,
    "huggingface.chat": CHAT,
    "mistral.chat": CHAT,
    "ollama.openai": CHAT,
    "openai.chat": CHAT,
    "openai.responses": RESPONSES,
    "openrouter.chat": CHAT,
    "openrouter.responses": RESPONSES,
    "perplexity.chat": CHAT,
    "qwen.compatible.chat": CHAT,
    "together.chat": CHAT,
    "vertex.": GEMINI,
    "vertex.anthropic": ANTHROPIC,
    "xai.chat": CHAT,
    "xai.responses": RESPONSES,
    "zai.chat": CHAT,
}
# A note about white space changes nothing for a reader; one note is wrong, as the recording shows.
DULL = "the recorder stored this JSON body parsed"
WRONG_NOTES = {"the thinking text is empty and only the signature is sent"}


def format_of(recording: Recording) -> Format:
    """The format of this recording's answer."""
    return FORMATS[max((name for name in FORMATS if recording.api.startswith(name)), key=len)]


def judge(recording: Recording) -> Object:
    """The facts of one recording: its id, api, format and kind, its answer, its request if kept, and what is odd."""
    form = format_of(recording)
    odd: list[str] = []
    facts: Object = {"id": recording.id, "api": recording.api, "format": form.name, "kind": recording.kind}
    if recording.kind == "error":
        facts["answer"] = _refused(recording)
    else:
        found = form.answer(recording)
        facts["answer"] = found.facts(streamed=recording.streamed, status=recording.status)
        odd += found.odd
    if recording.request is not None:
        asked = form.asked(recording)
        facts["request"] = asked.facts()
        odd += asked.odd
    notes = [note for note in recording.note.split("; ") if note and not note.startswith(DULL)]
    odd += [note for note in notes if note not in WRONG_NOTES]
    if odd:
        facts["odd"] = "; ".join(dict.fromkeys(odd))
    return facts


def _refused(recording: Recording) -> Object:
    error = error_fact(recording.status, recording.headers, recording.body)
    return {"status": recording.status, "stream": False, "finish": "error", "error": error}
