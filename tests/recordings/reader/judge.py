"""Says of one recording what it holds: the right reader for its format is found in a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from recordings.reader import (
    anthropic,
    bedrock,
    cohere,
    coze,
    dashscope,
    gemini,
    ollama,
    openai_chat,
    responses,
    vectors,
)
from recordings.reader.errors import error_fact
from recordings.reader.found import Asked
from recordings.reader.look import arr, count, obj, text
from recordings.replay import Object, Recording

__all__ = ["FORMATS", "Format", "Found", "format_of", "judge"]


class Found(Protocol):
    """What a reader found in an answer."""

    odd: list[str]

    def facts(self, *, streamed: bool, status: int) -> Object:
        """The facts of it."""
        ...


@dataclass(frozen=True)
class Format:
    """A wire format's name and its two readers."""

    name: str
    answer: Callable[[Recording], Found]
    asked: Callable[[Recording], Asked]


def _model_only(recording: Recording) -> Asked:
    body = obj(recording.request)
    return Asked(model=text(body.get("model")) or None, odd=["the request's format is not read"])


CHAT = Format("openai.chat", openai_chat.answer, openai_chat.asked)
RESPONSES = Format("openai.responses", responses.answer, responses.asked)
ANTHROPIC = Format("anthropic.messages", anthropic.answer, anthropic.asked)
GEMINI = Format("gemini.generate", gemini.answer, gemini.asked)
CONVERSE = Format("bedrock.converse", bedrock.answer, bedrock.asked)
TITAN = Format("bedrock.titan", bedrock.titan_answer, bedrock.titan_asked)
COHERE = Format("cohere.chat", cohere.answer, cohere.asked)
OLLAMA = Format("ollama.chat", ollama.answer, ollama.asked)
DASHSCOPE = Format("dashscope.generation", dashscope.answer, dashscope.asked)
COZE = Format("coze.chat", coze.answer, coze.asked)
WORKFLOW = Format("coze.workflow", coze.workflow_answer, coze.asked)
VECTORS = Format("embeddings", vectors.embedded, vectors.asked)
RANKING = Format("rerank", vectors.ranked, vectors.asked)
MODELS = Format("models", vectors.models, _model_only)
# Only errors of these were recorded.
OTHER = Format("other", openai_chat.answer, _model_only)

# The longest beginning of an `api`, and of the models of it, decides: "bedrock.invoke amazon.nova" is Nova's.
FORMATS: Mapping[str, Format] = {
    "anthropic.": ANTHROPIC,
    "azure.foundry.chat": CHAT,
    "azure.openai.chat": CHAT,
    "azure.openai.embeddings": VECTORS,
    "azure.openai.responses": RESPONSES,
    "bedrock.converse": CONVERSE,
    "bedrock.invoke": ANTHROPIC,
    "bedrock.invoke amazon.nova": CONVERSE,
    "bedrock.invoke_stream amazon.titan": TITAN,
    "bedrock.mantle.responses": RESPONSES,
    "cohere.v1.chat": OTHER,
    "cohere.v2.chat": COHERE,
    "cohere.v2.embed": VECTORS,
    "coze.": COZE,
    "coze.v1.workflow": WORKFLOW,
    "dashscope.generation": DASHSCOPE,
    "dashscope.multimodal": DASHSCOPE,
    "dashscope.rerank": RANKING,
    "deepseek.chat": CHAT,
    "deepseek.models": MODELS,
    "deepseek.responses": RESPONSES,
    "gemini.": GEMINI,
    "gemini.batchEmbedContents": VECTORS,
    "gemini.openai": CHAT,
    "groq.chat": CHAT,
    "huggingface.chat": CHAT,
    "mistral.chat": CHAT,
    "mistral.embeddings": VECTORS,
    "ollama.": OLLAMA,
    "ollama.embed": VECTORS,
    "ollama.openai": CHAT,
    "openai.chat": CHAT,
    "openai.completions": OTHER,
    "openai.embeddings": VECTORS,
    "openai.models": MODELS,
    "openai.responses": RESPONSES,
    "openrouter.chat": CHAT,
    "openrouter.models": MODELS,
    "openrouter.responses": RESPONSES,
    "perplexity.chat": CHAT,
    "qwen.compatible.chat": CHAT,
    "qwen.compatible.embeddings": VECTORS,
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
    named = f"{recording.api} {recording.path.removeprefix('/model/')}"
    return FORMATS[max((name for name in FORMATS if named.startswith(name)), key=len)]


def judge(recording: Recording) -> Object:
    """The facts of one recording: its id, api, format and kind, its answer, its request if kept, and what is odd."""
    form = format_of(recording)
    odd: list[str] = []
    facts: Object = {"id": recording.id, "api": recording.api, "format": form.name, "kind": recording.kind}
    if recording.kind == "error":
        facts["answer"] = _refused(recording)
    else:
        found = form.answer(recording)
        told = found.facts(streamed=recording.streamed, status=recording.status)
        facts["answer"] = told
        odd += [*found.odd, *_doubts(told)]
    if recording.request is not None:
        asked = form.asked(recording)
        facts["request"] = asked.facts()
        odd += asked.odd
    notes = [note for note in recording.note.split("; ") if note and not note.startswith(DULL)]
    odd += [note for note in notes if note not in WRONG_NOTES]
    if odd:
        facts["odd"] = "; ".join(dict.fromkeys(odd))
    return facts


def _doubts(answer: Object) -> list[str]:
    usage = obj(answer.get("usage"))
    read, cached = count(usage.get("input_total")), count(usage.get("cached"))
    written = bool(answer.get("text") or answer.get("thinking") or answer.get("tools"))
    doubts: list[str] = []
    if read is not None and cached is not None and cached > read:
        doubts.append("more tokens were cached than read")
    if written and usage and not usage.get("output_total"):
        doubts.append("something was written and no output is counted")
    if any(not obj(call).get("id_present") for call in arr(answer.get("tools"))):
        doubts.append("a tool call has no id")
    return doubts


def _refused(recording: Recording) -> Object:
    error = error_fact(recording.status, recording.headers, recording.body)
    return {"status": recording.status, "stream": False, "finish": "error", "error": error}
