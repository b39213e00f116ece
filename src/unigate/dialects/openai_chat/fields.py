"""What Chat Completions can ask for, and what each field weighs where a target cannot say it.

https://platform.openai.com/docs/api-reference/chat/create, and what other services and clients add to it.
"""

from __future__ import annotations

from collections.abc import Mapping

from unigate.dialects.losses import Fields, hint, meaning
from unigate.parts import Part

__all__ = ["FIELDS", "HANDLED", "SETTINGS"]

SETTINGS: Mapping[str, Part] = {
    "temperature": Part.TEMPERATURE,
    "top_p": Part.TOP_P,
    "top_k": Part.TOP_K,
    "seed": Part.SEED,
    "frequency_penalty": Part.FREQUENCY_PENALTY,
    "presence_penalty": Part.PRESENCE_PENALTY,
    "logit_bias": Part.LOGIT_BIAS,
    "logprobs": Part.LOGPROBS,
    "top_logprobs": Part.TOP_LOGPROBS,
    "n": Part.N,
    "metadata": Part.METADATA,
    "store": Part.STORE,
    "service_tier": Part.SERVICE_TIER,
    "prompt_cache_key": Part.CACHE_KEY,
    "verbosity": Part.VERBOSITY,
    "prediction": Part.PREDICTION,
}
"""Fields that travel as the JSON they came as."""

FIELDS: Fields = {
    "temperature": hint(Part.TEMPERATURE),
    "top_p": hint(Part.TOP_P),
    "top_k": hint(Part.TOP_K),
    "seed": hint(Part.SEED),
    "frequency_penalty": hint(Part.FREQUENCY_PENALTY),
    "presence_penalty": hint(Part.PRESENCE_PENALTY),
    "logit_bias": meaning(Part.LOGIT_BIAS),
    "logprobs": meaning(Part.LOGPROBS),
    "top_logprobs": meaning(Part.TOP_LOGPROBS),
    "n": meaning(Part.N),
    "metadata": hint(Part.METADATA),
    "store": hint(Part.STORE),
    "service_tier": hint(Part.SERVICE_TIER),
    "prompt_cache_key": hint(Part.CACHE_KEY),
    "verbosity": hint(Part.VERBOSITY),
    "prediction": hint(Part.PREDICTION),
    "max_completion_tokens": meaning(Part.MAX_TOKENS),
    "max_tokens": meaning(Part.MAX_TOKENS),
    "stop": meaning(Part.STOP),
    "user": hint(Part.USER),
    "safety_identifier": hint(Part.USER),
    "reasoning_effort": hint(Part.EFFORT),
    "thinking": hint(Part.THINKING_BUDGET),
    "response_format": meaning(Part.FORMAT),
    "response_format.json_schema": meaning(Part.FORMAT_SCHEMA),
    "parallel_tool_calls": hint(Part.PARALLEL),
    "tools": meaning(Part.TOOLS),
    "tools[].custom": meaning(Part.CUSTOM_TOOLS),
    "tools[].type": hint(Part.HOSTED_TOOLS),
    "web_search_options": hint(Part.HOSTED_TOOLS),
    "tools[].function.strict": hint(Part.STRICT_TOOLS),
    "tool_choice": meaning(Part.TOOL_CHOICE),
    "cache_control": hint(Part.CACHE),
    "messages[].content[].image_url": meaning(Part.IMAGES),
    "messages[].content[].image_url.url": meaning(Part.IMAGE_URLS),
    "messages[].content[].image_url.detail": hint(Part.IMAGE_DETAIL),
    "messages[].content[].file": meaning(Part.DOCUMENTS),
    "messages[].content[].file.url": meaning(Part.DOCUMENT_URLS),
    "messages[].content[].file.citations": hint(Part.DOCUMENT_CITATIONS),
    "messages[].content[].input_audio": meaning(Part.AUDIO),
    "messages[].content[].video_url": meaning(Part.VIDEO),
    "messages[].content[].file.file_id": meaning(Part.FILE_IDS),
    "messages[].tool_errors": hint(Part.TOOL_ERRORS),
    "messages[].content[].tool_images": meaning(Part.TOOL_IMAGES),
    "messages[].reasoning_content": hint(Part.THINKING),
    "messages[].refusal": hint(Part.REFUSALS),
    "messages[].content[].foreign": hint(Part.FOREIGN),
    "messages[].name": hint(Part.NAMES),
    "modalities": meaning(Part.AUDIO_OUTPUT),
    "conversation": meaning(Part.STATE),
    # Only this format's own services know these.
    "functions": meaning(Part.OTHER),
    "function_call": meaning(Part.OTHER),
    "audio": meaning(Part.OTHER),
    "messages[].audio": meaning(Part.OTHER),
    "messages[].prefix": hint(Part.OTHER),
    "prompt_cache_retention": hint(Part.OTHER),
    "moderation": hint(Part.OTHER),
    "stream_options.include_obfuscation": hint(Part.OTHER),
}

HANDLED = frozenset({"model", "messages", "stream", "stream_options"})
"""Fields that are carried in some form by every crossing."""
