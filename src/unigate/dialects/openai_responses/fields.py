"""What the Responses API can ask for, and what each field weighs where a target cannot say it.

https://platform.openai.com/docs/api-reference/responses/create, and what Codex adds to it.
"""

from __future__ import annotations

from collections.abc import Mapping

from unigate.dialects.losses import Fields, hint, meaning
from unigate.parts import Part

__all__ = ["ECHOED", "EXTRA_SETTINGS", "FIELDS", "HANDLED", "OWN", "SETTINGS"]

OWN = "openai.responses"
"""The name of this dialect."""

SETTINGS: Mapping[str, Part] = {
    "temperature": Part.TEMPERATURE,
    "top_p": Part.TOP_P,
    "top_logprobs": Part.TOP_LOGPROBS,
    "metadata": Part.METADATA,
    "store": Part.STORE,
    "service_tier": Part.SERVICE_TIER,
    "prompt_cache_key": Part.CACHE_KEY,
}
"""Fields that travel as the JSON they came as."""

EXTRA_SETTINGS: Mapping[str, Part] = {
    "top_k": Part.TOP_K,
    "seed": Part.SEED,
    "frequency_penalty": Part.FREQUENCY_PENALTY,
    "presence_penalty": Part.PRESENCE_PENALTY,
}
"""What clients of other services that speak this format may say; OpenAI's own refuses them."""

FIELDS: Fields = {
    "temperature": hint(Part.TEMPERATURE),
    "top_p": hint(Part.TOP_P),
    "top_k": hint(Part.TOP_K),
    "seed": hint(Part.SEED),
    "frequency_penalty": hint(Part.FREQUENCY_PENALTY),
    "presence_penalty": hint(Part.PRESENCE_PENALTY),
    "top_logprobs": meaning(Part.TOP_LOGPROBS),
    "include[].message.output_text.logprobs": meaning(Part.LOGPROBS),
    "metadata": hint(Part.METADATA),
    "store": hint(Part.STORE),
    "service_tier": hint(Part.SERVICE_TIER),
    "prompt_cache_key": hint(Part.CACHE_KEY),
    "text.verbosity": hint(Part.VERBOSITY),
    "max_output_tokens": meaning(Part.MAX_TOKENS),
    "user": hint(Part.USER),
    "safety_identifier": hint(Part.USER),
    "reasoning.effort": hint(Part.EFFORT),
    "text.format": meaning(Part.FORMAT),
    "text.format.schema": meaning(Part.FORMAT_SCHEMA),
    "parallel_tool_calls": hint(Part.PARALLEL),
    "tools": meaning(Part.TOOLS),
    "tools[].custom": meaning(Part.CUSTOM_TOOLS),
    "tools[].type": hint(Part.HOSTED_TOOLS),
    "tools[].strict": hint(Part.STRICT_TOOLS),
    "tool_choice": meaning(Part.TOOL_CHOICE),
    "input[].content[].prompt_cache_breakpoint": hint(Part.CACHE),
    "input[].content[].input_image": meaning(Part.IMAGES),
    "input[].content[].image_url": meaning(Part.IMAGE_URLS),
    "input[].content[].detail": hint(Part.IMAGE_DETAIL),
    "input[].content[].input_file": meaning(Part.DOCUMENTS),
    "input[].content[].file_url": meaning(Part.DOCUMENT_URLS),
    "input[].content[].file_id": meaning(Part.FILE_IDS),
    "input[].content[].input_audio": meaning(Part.AUDIO),
    "input[].output[]": meaning(Part.TOOL_IMAGES),
    "input[].reasoning": hint(Part.THINKING),
    "input[].content[].refusal": hint(Part.REFUSALS),
    # What a hosted tool did in an earlier turn; the answer that was made of it follows.
    "input[].type": hint(Part.FOREIGN),
    # Conversations, prompts and runs that are kept at the provider.
    "previous_response_id": meaning(Part.STATE),
    "conversation": meaning(Part.STATE),
    "input[].item_reference": meaning(Part.STATE),
    "prompt": meaning(Part.OTHER),
    "background": meaning(Part.OTHER),
    "moderation": meaning(Part.OTHER),
    # What only this format's tools do on the client's side: without it the next answer would be another one.
    "input[].compaction": meaning(Part.OTHER),
    "input[].compaction_trigger": meaning(Part.OTHER),
    "input[].local_shell_call": meaning(Part.OTHER),
    "input[].local_shell_call_output": meaning(Part.OTHER),
    "input[].shell_call": meaning(Part.OTHER),
    "input[].shell_call_output": meaning(Part.OTHER),
    "input[].apply_patch_call": meaning(Part.OTHER),
    "input[].apply_patch_call_output": meaning(Part.OTHER),
    "input[].computer_call": meaning(Part.OTHER),
    "input[].computer_call_output": meaning(Part.OTHER),
    "input[].mcp_approval_response": meaning(Part.OTHER),
    # Hints that no other format has words for.
    "access_programs": hint(Part.OTHER),
    "background_options": hint(Part.OTHER),
    "client_metadata": hint(Part.OTHER),
    "context_management": hint(Part.OTHER),
    "image": hint(Part.OTHER),
    "include": hint(Part.OTHER),
    "input[].phase": hint(Part.OTHER),
    "max_tool_calls": hint(Part.OTHER),
    "prompt_cache_options": hint(Part.OTHER),
    "prompt_cache_retention": hint(Part.OTHER),
    "reasoning.context": hint(Part.OTHER),
    "reasoning.mode": hint(Part.OTHER),
    "stream_options": hint(Part.OTHER),
    "tools[].allowed_callers": hint(Part.OTHER),
    "tools[].async": hint(Part.OTHER),
    "tools[].defer_loading": hint(Part.OTHER),
    "tools[].output_schema": hint(Part.OTHER),
    "truncation": hint(Part.OTHER),
}

HANDLED = frozenset({"model", "stream"})
"""Fields that are carried by every crossing."""

ECHOED = frozenset(
    {
        "max_output_tokens",
        "metadata",
        "parallel_tool_calls",
        "prompt_cache_key",
        "reasoning",
        "safety_identifier",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
    }
)
"""Fields that a response repeats from its request."""
