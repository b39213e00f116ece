"""What Ollama's chat and generate can ask for, and what each field weighs where a target cannot say it.

https://docs.ollama.com/api/chat, https://docs.ollama.com/api/generate and, for the options,
https://docs.ollama.com/modelfile#valid-parameters-and-values
"""

from __future__ import annotations

from collections.abc import Mapping

from unigate.dialects.losses import Fields, hint, meaning
from unigate.parts import Part

__all__ = ["FIELDS", "GENERATE_FIELDS", "OPTIONS", "SETTINGS"]

OPTIONS: Mapping[str, Part] = {
    "temperature": Part.TEMPERATURE,
    "top_p": Part.TOP_P,
    "top_k": Part.TOP_K,
    "seed": Part.SEED,
    "frequency_penalty": Part.FREQUENCY_PENALTY,
    "presence_penalty": Part.PRESENCE_PENALTY,
}
"""Options that travel as the JSON they came as."""

SETTINGS: Mapping[str, Part] = {
    "logprobs": Part.LOGPROBS,
    "top_logprobs": Part.TOP_LOGPROBS,
}
"""Fields beside the options that travel so."""

# How a model is sampled or run where it stands; no other format speaks of these.
_OWN_OPTIONS = (
    "num_ctx",
    "num_batch",
    "num_gpu",
    "num_keep",
    "num_thread",
    "main_gpu",
    "use_mmap",
    "use_mlock",
    "low_vram",
    "vocab_only",
    "numa",
    "min_p",
    "typical_p",
    "tfs_z",
    "repeat_last_n",
    "repeat_penalty",
    "penalize_newline",
    "mirostat",
    "mirostat_eta",
    "mirostat_tau",
    "draft_num_predict",
)

_COMMON: Fields = {
    "options.temperature": hint(Part.TEMPERATURE),
    "options.top_p": hint(Part.TOP_P),
    "options.top_k": hint(Part.TOP_K),
    "options.seed": hint(Part.SEED),
    "options.frequency_penalty": hint(Part.FREQUENCY_PENALTY),
    "options.presence_penalty": hint(Part.PRESENCE_PENALTY),
    "options.num_predict": meaning(Part.MAX_TOKENS),
    "options.stop": meaning(Part.STOP),
    "logprobs": meaning(Part.LOGPROBS),
    "top_logprobs": meaning(Part.TOP_LOGPROBS),
    "format": meaning(Part.FORMAT),
    "format (schema)": meaning(Part.FORMAT_SCHEMA),
    "think": hint(Part.EFFORT),
    # Only this format's own services know these.
    **{f"options.{name}": hint(Part.OTHER) for name in _OWN_OPTIONS},
    "keep_alive": hint(Part.OTHER),
    "truncate": hint(Part.OTHER),
    "shift": hint(Part.OTHER),
}

FIELDS: Fields = {
    **_COMMON,
    "tools": meaning(Part.TOOLS),
    "tools[].type": hint(Part.HOSTED_TOOLS),
    "messages[].images": meaning(Part.IMAGES),
    "messages[].images (of a tool)": meaning(Part.TOOL_IMAGES),
    "messages[].thinking": hint(Part.THINKING),
}
"""The table of /api/chat."""

GENERATE_FIELDS: Fields = {
    **_COMMON,
    "images": meaning(Part.IMAGES),
    "context": meaning(Part.STATE),
    "suffix": meaning(Part.OTHER),
    "template": meaning(Part.OTHER),
    "raw": meaning(Part.OTHER),
    "width": hint(Part.OTHER),
    "height": hint(Part.OTHER),
    "steps": hint(Part.OTHER),
}
"""The table of /api/generate."""
