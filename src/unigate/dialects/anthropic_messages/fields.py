"""What the Messages API can ask for, and what each field weighs where a target cannot say it.

https://platform.claude.com/docs/en/api/messages; what Claude Code sends with every request is a hint.
"""

from __future__ import annotations

from collections.abc import Mapping

from unigate.dialects.losses import Fields, hint, meaning
from unigate.parts import Part

__all__ = ["FIELDS", "HANDLED", "OWN", "SETTINGS"]

OWN = "anthropic.messages"

SETTINGS: Mapping[str, Part] = {
    "temperature": Part.TEMPERATURE,
    "top_p": Part.TOP_P,
    "top_k": Part.TOP_K,
}
"""Fields that travel as the JSON they came as."""

FIELDS: Fields = {
    "temperature": hint(Part.TEMPERATURE),
    "top_p": hint(Part.TOP_P),
    "top_k": hint(Part.TOP_K),
    "service_tier": hint(Part.SERVICE_TIER),
    "max_tokens": meaning(Part.MAX_TOKENS),
    "stop_sequences": meaning(Part.STOP),
    "metadata.user_id": hint(Part.USER),
    "output_config.effort": hint(Part.EFFORT),
    "thinking": hint(Part.EFFORT),
    "thinking.budget_tokens": hint(Part.THINKING_BUDGET),
    "output_config.format": meaning(Part.FORMAT_SCHEMA),
    "output_format": meaning(Part.FORMAT_SCHEMA),
    "tools": meaning(Part.TOOLS),
    "tools[].strict": hint(Part.STRICT_TOOLS),
    "tools[].type": hint(Part.HOSTED_TOOLS),
    "tool_choice": meaning(Part.TOOL_CHOICE),
    "tool_choice.disable_parallel_tool_use": hint(Part.PARALLEL),
    "cache_control": hint(Part.CACHE),
    "messages[].content[].image": meaning(Part.IMAGES),
    "messages[].content[].image.source.url": meaning(Part.IMAGE_URLS),
    "messages[].content[].document": meaning(Part.DOCUMENTS),
    "messages[].content[].document.source.url": meaning(Part.DOCUMENT_URLS),
    "messages[].content[].document.citations": hint(Part.DOCUMENT_CITATIONS),
    "messages[].content[].source.file_id": meaning(Part.FILE_IDS),
    "messages[].content[].is_error": hint(Part.TOOL_ERRORS),
    "messages[].content[].tool_result.content[]": meaning(Part.TOOL_IMAGES),
    "messages[].content[].thinking": hint(Part.THINKING),
    "messages[].content[].type": hint(Part.FOREIGN),
    # Only this format's own services know these.
    "compaction": meaning(Part.OTHER),
    "inference_geo": meaning(Part.OTHER),
    "thread": meaning(Part.STATE),
    "anthropic_beta": hint(Part.OTHER),
    "anthropic_version": hint(Part.OTHER),
    "betas": hint(Part.OTHER),
    "billing_policy": hint(Part.OTHER),
    "container": hint(Part.OTHER),
    "context_management": hint(Part.OTHER),
    "diagnostics": hint(Part.OTHER),
    "fallback_credit_token": hint(Part.OTHER),
    "fallbacks": hint(Part.OTHER),
    "mcp_servers": hint(Part.OTHER),
    "speed": hint(Part.OTHER),
    "user_profile_id": hint(Part.OTHER),
    "workspace_id": hint(Part.OTHER),
    "output_config.task_budget": hint(Part.OTHER),
    "thinking.block_binding": hint(Part.OTHER),
    "tools[].allowed_callers": hint(Part.OTHER),
    "tools[].defer_loading": hint(Part.OTHER),
    "tools[].eager_input_streaming": hint(Part.OTHER),
    "tools[].input_examples": hint(Part.OTHER),
    "messages[].content[].caller": hint(Part.OTHER),
}

HANDLED = frozenset({"model", "messages", "system", "stream"})
"""Fields that are carried in some form by every crossing."""
