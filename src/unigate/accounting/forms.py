"""Where a request of each format says what bounds it, and what in it stands for more than its bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["FORMS", "Form"]


class Form:
    """Where requests of a dialect say what bounds them."""

    __slots__ = (
        "choices",
        "content",
        "fields",
        "flat",
        "has_items",
        "is_silent",
        "limits",
        "marks",
        "names",
        "nests",
        "prompts",
    )

    def __init__(  # one parameter for each place
        self,
        marks: re.Pattern[bytes] | None = None,
        *,
        flat: tuple[int, ...] | None = (),
        content: tuple[str, ...] = ("messages",),
        limits: tuple[str, ...] = (),
        choices: tuple[str, ...] = (),
        nests: tuple[str, ...] = (),
        prompts: str = "",
    ) -> None:
        # The fields whose content the model reads; the others are searched for nothing.
        self.content = content
        # Strings in them that stand for more than their bytes. One pattern is searched for faster than each of them.
        self.marks = marks
        # A byte of each of those that can stand where nothing is nested; None: any may.
        self.flat = flat
        self.limits = limits
        self.choices = choices
        # The fields below which limits and choices stand; none: at the top.
        self.nests = nests
        # A field of prompts that are answered one by one.
        self.prompts = prompts
        # Whether the content is a list of items that may be there by their ids alone.
        self.has_items = marks is _ITEMS
        # Nothing is written, so that only the input counts, which may be many inputs of a context window each.
        self.is_silent = not limits
        # All fields that bound a request; and their names as who does not mind capitals reads them.
        self.fields = frozenset({*content, *limits, *choices, *nests, prompts})
        self.names = frozenset(map(str.lower, self.fields))


_DATA: Final = re.compile(rb'"(?:inlineData|inline_data|fileData|file_data)"')
_PICTURE: Final = re.compile(rb'"(?:image_url|image|video_url|video|audio_url|audio|pdf)"\s*:')
# Each service has names of its own for what lies elsewhere: Mistral documents, Qwen videos and `fileid://` in a text,
# GLM and Perplexity files, Moonshot what it keeps (`cache_id=`, `tag=`). Sound is bytes unless it is an address. A
# cache of Gemini's has a place in `extra_body`.
_PARTS: Final = re.compile(
    rb'"(?:(?:image_url|file|file_url|document_url|pdf_url|video|video_url|audio|audio_url|cached_content|cachedContent)"'
    rb'|fileid:|role"\s*:\s*"cache"|input_audio"\s*:\s*"|data"\s*:\s*"\w+:\\?/)'
)
# What was answered before, by its id alone; thoughts may carry their content sealed.
_ITEMS: Final = re.compile(
    rb'"(?:input_image|input_file|input_video|item_reference|file_id|image_url|file_url|video_url|reasoning|compaction'
    rb'|(?:image_generation|code_interpreter|file_search|web_search|computer|mcp|shell)_call)"'
)
_OLLAMA: Final = Form(
    re.compile(rb'"images"', re.IGNORECASE),
    content=("messages", "prompt", "system", "images"),
    limits=("num_predict",),
    nests=("options",),
)
_GENERATE: Final = Form(
    _DATA,
    content=("contents", "systemInstruction", "system_instruction"),
    limits=("maxOutputTokens", "max_output_tokens"),
    choices=("candidateCount", "candidate_count"),
    nests=("generationConfig", "generation_config"),
)
_EMBED: Final = Form(_DATA, content=("content", "requests"))
_INPUT: Final = Form(_PICTURE, flat=None, content=("input", "messages"))

FORMS: Final[Mapping[str, Form]] = {
    "openai.chat": Form(
        _PARTS,
        flat=(ord("/"), ord("=")),
        limits=("max_completion_tokens", "max_tokens"),
        choices=("n",),
    ),
    "openai.completions": Form(
        content=(), limits=("max_tokens", "max_completion_tokens"), choices=("n", "best_of"), prompts="prompt"
    ),
    "openai.responses": Form(
        _ITEMS,
        flat=None,
        content=("input",),
        limits=("max_output_tokens",),
    ),
    "anthropic.messages": Form(
        re.compile(rb'"(?:image|document|file|container_upload)"'),
        content=("messages", "system"),
        limits=("max_tokens",),
    ),
    "gemini.generate": _GENERATE,
    "gemini.generate.array": _GENERATE,
    "bedrock.converse": Form(
        re.compile(rb'"(?:image|document|video|audio|s3Location)"'),
        content=("messages", "system"),
        limits=("maxTokens",),
        nests=("inferenceConfig",),
    ),
    "cohere.chat": Form(re.compile(rb'"(?:image_url|image)"'), limits=("max_tokens",)),
    "ollama.chat": _OLLAMA,
    "ollama.generate": _OLLAMA,
    "openai.embeddings": _INPUT,
    "openai.moderations": _INPUT,
    "ollama.embed": _INPUT,
    "ollama.embeddings": Form(content=()),
    "gemini.embed": _EMBED,
    "gemini.batch_embed": _EMBED,
    "cohere.embed": Form(re.compile(rb'"(?:image_url"|data:)'), content=("inputs",)),
}
