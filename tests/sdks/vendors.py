"""The clients: each vendor's own library in each language, and what it calls things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

JUDGES = Path(__file__).parent / "judges"


@dataclass(frozen=True)
class Client:
    """One vendor's library in one language."""

    dialect: str
    program: str
    finishes: Mapping[str, str]
    kind: Callable[[int], str]
    broken: str
    cannot: frozenset[str] = field(default=frozenset())
    served: bool = True
    stranger: int = 401
    """How the vendor's own service refuses a wrong key."""

    @property
    def language(self) -> str:
        return "javascript" if self.program.endswith(".mjs") else "python"

    @property
    def id(self) -> str:
        return f"{self.dialect}-{self.language}"


def by_status(kinds: Mapping[int, str], above: str, below: str) -> Callable[[int], str]:
    """The class for a status: its own if it has one, else the one for its hundred."""
    return lambda status: kinds.get(status, above if status >= 500 else below)


OPENAI = by_status(
    {400: "BadRequestError", 401: "AuthenticationError", 404: "NotFoundError", 429: "RateLimitError"},
    "InternalServerError",
    "APIStatusError",
)
ANTHROPIC = by_status(
    {
        400: "BadRequestError",
        401: "AuthenticationError",
        404: "NotFoundError",
        429: "RateLimitError",
        503: "ServiceUnavailableError",
        504: "DeadlineExceededError",
        529: "OverloadedError",
    },
    "InternalServerError",
    "APIStatusError",
)
COHERE = by_status(
    {
        400: "BadRequestError",
        401: "UnauthorizedError",
        404: "NotFoundError",
        429: "TooManyRequestsError",
        500: "InternalServerError",
        503: "ServiceUnavailableError",
        504: "GatewayTimeoutError",
    },
    "ApiError",
    "ApiError",
)
BEDROCK = by_status(
    {
        400: "ValidationException",
        401: "AccessDeniedException",
        404: "ResourceNotFoundException",
        429: "ThrottlingException",
        500: "InternalServerException",
        529: "InternalServerException",
    },
    "ClientError",
    "ClientError",
)

CHAT_ENDS = {"sequence": "stop", "stop": "stop", "length": "length", "tools": "tool_calls", "refusal": "content_filter"}
RESPONSES_ENDS = {"stop": "completed", "length": "max_output_tokens", "tools": "completed", "refusal": "content_filter"}
MESSAGES_ENDS = {
    "sequence": "stop_sequence",
    "stop": "end_turn",
    "length": "max_tokens",
    "tools": "tool_use",
    "refusal": "refusal",
}
GENERATE_ENDS = {"sequence": "STOP", "stop": "STOP", "length": "MAX_TOKENS", "tools": "STOP", "refusal": "SAFETY"}
OLLAMA_ENDS = {"sequence": "stop", "stop": "stop", "length": "length", "tools": "stop", "refusal": "stop"}
COHERE_ENDS = {
    "sequence": "STOP_SEQUENCE",
    "stop": "COMPLETE",
    "length": "MAX_TOKENS",
    "tools": "TOOL_CALL",
    "refusal": "COMPLETE",
}
CONVERSE_ENDS = {
    "sequence": "stop_sequence",
    "stop": "end_turn",
    "length": "max_tokens",
    "tools": "tool_use",
    "refusal": "guardrail_intervened",
}

NO_COUNT = frozenset({"count"})
# What no hint says outside of OpenAI's formats.
NO_NAMES = frozenset({"user", "metadata", "cache_key", "cache_mark"})
RESPONSES_GAPS = NO_COUNT | {"stop", "seed", "n"}
# Anthropic's libraries no longer know a temperature.
MESSAGES_GAPS = frozenset({"audio", "temperature", "logprobs", "n", "seed", "metadata", "cache_key"})
GENERATE_GAPS = NO_NAMES | {"written"}
OLLAMA_GAPS = NO_COUNT | NO_NAMES | {"tool_name", "tool_none", "cached", "written", "refusal", "citations"}
CLIENTS = (
    Client("openai.chat", "openai_chat.py", CHAT_ENDS, OPENAI, "APIError", NO_COUNT),
    Client("openai.chat", "openai_chat.mjs", CHAT_ENDS, OPENAI, "APIError", NO_COUNT),
    Client("openai.responses", "openai_responses.py", RESPONSES_ENDS, OPENAI, "APIError", RESPONSES_GAPS),
    Client("openai.responses", "openai_responses.mjs", RESPONSES_ENDS, OPENAI, "APIError", RESPONSES_GAPS),
    Client("anthropic.messages", "anthropic_messages.py", MESSAGES_ENDS, ANTHROPIC, "APIStatusError", MESSAGES_GAPS),
    Client("anthropic.messages", "anthropic_messages.mjs", MESSAGES_ENDS, ANTHROPIC, "APIError", MESSAGES_GAPS),
    Client(
        "gemini.generate",
        "gemini_generate.py",
        GENERATE_ENDS,
        by_status({}, "ServerError", "ClientError"),
        "ServerError",
        GENERATE_GAPS,
        stranger=400,
    ),
    Client(
        "gemini.generate",
        "gemini_generate.mjs",
        GENERATE_ENDS,
        by_status({}, "ApiError", "ApiError"),
        "ApiError",
        GENERATE_GAPS,
        stranger=400,
    ),
    Client(
        "ollama.chat",
        "ollama_chat.py",
        OLLAMA_ENDS,
        by_status({}, "ResponseError", "ResponseError"),
        "ResponseError",
        OLLAMA_GAPS | {"file", "audio", "n"},
    ),
    # The gateway does not speak these to clients: the libraries judge that the scripted upstream is true to them.
    Client(
        "cohere.chat",
        "cohere_chat.py",
        COHERE_ENDS,
        COHERE,
        "RuntimeError",
        NO_COUNT | NO_NAMES | {"models", "tool_name", "cached", "written", "refusal", "file", "audio", "n", "logprobs"},
        served=False,
    ),
    Client(
        "bedrock.converse",
        "bedrock_converse.py",
        CONVERSE_ENDS,
        BEDROCK,
        "EventStreamError",
        NO_COUNT | {"models", "schema", "tool_none", "user", "cache_key", "seed", "n", "logprobs"},
        stranger=403,
        served=False,
    ),
)
