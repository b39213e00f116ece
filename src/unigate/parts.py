"""What an ask to a model is made of, by name, so that what is lost on the way can be told."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Part"]


class Part(StrEnum):
    """Everything an ask can hold that some format cannot say; each dialect's table gives its own name and weight to it.

    Those of the first group travel in `Ask.settings` as the JSON they came as.
    """

    TEMPERATURE = "temperature"
    TOP_P = "top_p"
    TOP_K = "top_k"
    SEED = "seed"
    FREQUENCY_PENALTY = "frequency_penalty"
    PRESENCE_PENALTY = "presence_penalty"
    LOGIT_BIAS = "logit_bias"
    LOGPROBS = "logprobs"  # true or false
    TOP_LOGPROBS = "top_logprobs"  # how many
    N = "n"  # only if it is not 1
    METADATA = "metadata"  # an object of strings
    STORE = "store"
    SERVICE_TIER = "service_tier"
    CACHE_KEY = "cache_key"
    VERBOSITY = "verbosity"
    PREDICTION = "prediction"

    MAX_TOKENS = "max_tokens"
    STOP = "stop"
    USER = "user"
    EFFORT = "effort"
    THINKING_BUDGET = "thinking_budget"
    FORMAT = "format"
    FORMAT_SCHEMA = "format_schema"
    PARALLEL = "parallel"
    TOOLS = "tools"
    CUSTOM_TOOLS = "custom_tools"
    HOSTED_TOOLS = "hosted_tools"
    STRICT_TOOLS = "strict_tools"
    TOOL_CHOICE = "tool_choice"
    CACHE = "cache"
    IMAGES = "images"
    IMAGE_URLS = "image_urls"
    IMAGE_DETAIL = "image_detail"
    DOCUMENTS = "documents"
    DOCUMENT_URLS = "document_urls"
    DOCUMENT_CITATIONS = "document_citations"
    AUDIO = "audio"
    VIDEO = "video"
    FILE_IDS = "file_ids"
    TOOL_ERRORS = "tool_errors"
    TOOL_IMAGES = "tool_images"  # anything but text in a tool's result
    THINKING = "thinking"  # reasoning of earlier turns
    REFUSALS = "refusals"  # refusals of earlier turns
    FOREIGN = "foreign"
    NAMES = "names"  # of participants
    AUDIO_OUTPUT = "audio_output"
    STATE = "state"  # conversations kept at the provider
    OTHER = "other"  # known to one dialect alone; `Ask.others` has its name
