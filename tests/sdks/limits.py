"""What is switched on, and what a provider's format cannot say: there the gateway refuses or tells what it dropped."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TypeVar

from features import tokens, words
from vendors import CLIENTS, Client

from formats import NAMES

T = TypeVar("T")
DIRECT = "direct"
TRANSLATED = (
    *("openai.chat", "openai.responses", "anthropic.messages", "gemini.generate"),
    *("bedrock.converse", "cohere.chat", "ollama.chat", "coze.chat", "dify.chat"),
)
# Finished bots: their makers have settled everything but the words that they are sent.
BOTS = ("coze.chat", "dify.chat")
# Formats without probabilities; Cohere's has some, but no others that could stand in a word's place.
UNLIKELY = ("anthropic.messages", "bedrock.converse", "cohere.chat", *BOTS)
# The pairs that the gateway carries: client formats to provider formats. The rest of the matrix is `untested`.
SWITCHED_ON: dict[str, tuple[str, ...]] = {
    "openai.chat": TRANSLATED,
    "openai.responses": TRANSLATED,
    "anthropic.messages": TRANSLATED,
    "gemini.generate": TRANSLATED,
    "ollama.chat": TRANSLATED,
}
# Formats that the scripted upstream answers in when it is asked by the vendor's own library.
SPOKEN = (
    "openai.chat",
    "openai.responses",
    "anthropic.messages",
    "gemini.generate",
    *("bedrock.converse", "cohere.chat", "ollama.chat"),
)
# Known defects: patterns of client, target and case, and what is wrong.
KNOWN: tuple[tuple[str, str, str, str], ...] = ()
# What a provider's format cannot say: patterns of client, target and case, and a word of the refusal.
REFUSED: tuple[tuple[str, str, str, str], ...] = (
    ("*", "openai.responses", "stop-*", "stop"),
    ("*", "ollama.chat", "tool_choice_name-*", "tool"),
    *(("*", other, "pdf-*", "to this model") for other in ("cohere.chat", "ollama.chat")),
    *(("*", other, "audio-*", "to this model") for other in ("anthropic.messages", "cohere.chat", "ollama.chat")),
    *(("*", other, "logprobs-*", "logprobs") for other in UNLIKELY),
    # Several answers to one question go from a format to itself alone.
    *(
        (f"{dialect}-*", other, "n-*", word)
        for dialect, word in (("openai.chat", "'n'"), ("gemini.generate", "candidatecount"))
        for other in TRANSLATED
        if other != dialect
    ),
    *(
        ("*", bot, f"{feature}-*", word)
        for bot in BOTS
        for feature, word in (
            *((media, "to this model") for media in ("image", "pdf", "audio")),
            ("schema", "to this model"),
            ("stop", "stop"),
            *((f"{name}_loop", "tool") for name in ("tool", "thinking", "redacted")),
            *((name, "tool") for name in ("tool_call", "parallel_tools", "interleaved_tools", "tool_choice_name")),
        )
    ),
)
# What a provider's format does not tell, so that nobody asks for it.
UNTOLD: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("gemini.generate", "cohere.chat"), ("written",)),
    "dify.chat": ("cached", "written"),
    **dict.fromkeys(("ollama.chat", "coze.chat"), ("cached", "written", "citations")),
}
# What a provider's status means to the gateway where it is not what it means elsewhere: these two know no 529.
STATUS_THERE = {("bedrock.converse", 529): 502, ("coze.chat", 529): 502}
THINKING_CONFIG = "generationConfig.thinkingConfig"
# Where each provider's format puts a setting; what is in no such place must be listed as dropped.
HEARD: dict[str, dict[str, str]] = {
    "effort": {
        "openai.chat": "reasoning_effort",
        "openai.responses": "reasoning.effort",
        "anthropic.messages": "thinking.budget_tokens",
        "gemini.generate": "|".join(
            f"{THINKING_CONFIG}.{name}" for name in ("thinkingBudget", "thinkingLevel", "thinking_budget")
        ),
        "bedrock.converse": "additionalModelRequestFields.thinking.budget_tokens",
        "cohere.chat": "thinking.token_budget",
        "ollama.chat": "think",
    },
    "temperature": {
        **dict.fromkeys(("openai.chat", "openai.responses", "anthropic.messages", "cohere.chat"), "temperature"),
        "gemini.generate": "generationConfig.temperature",
        "bedrock.converse": "inferenceConfig.temperature",
        "ollama.chat": "options.temperature",
    },
    "seed": {
        **dict.fromkeys(("openai.chat", "cohere.chat"), "seed"),
        "gemini.generate": "generationConfig.seed",
        "ollama.chat": "options.seed",
    },
    "user": {
        **dict.fromkeys(("openai.chat", "openai.responses", "dify.chat"), "user"),
        "anthropic.messages": "metadata.user_id",
        "coze.chat": "user_id",
    },
    "metadata": {
        **dict.fromkeys(("openai.chat", "openai.responses"), "metadata"),
        "bedrock.converse": "requestMetadata",
        "coze.chat": "meta_data",
        "dify.chat": "inputs",
    },
    "cache_key": dict.fromkeys(("openai.chat", "openai.responses"), "prompt_cache_key"),
    "cache_mark": {
        "openai.chat": "messages.0.content.0.prompt_cache_breakpoint",
        "openai.responses": "input.0.content.0.prompt_cache_breakpoint",
        "anthropic.messages": "messages.0.content.0.cache_control",
        "bedrock.converse": "messages.0.content.1.cachePoint",
    },
}
# Other words for a setting that was dropped.
SPELT: dict[str, tuple[str, ...]] = {"effort": ("effort", "think"), "cache_mark": ("cache",)}
# What is in a request that brings thoughts back, if not their words: Claude's are checked by the upstream itself, and
# Gemini's signature has a stand-in for those who lost it.
CARRIED = {
    **dict.fromkeys(("anthropic.messages", "bedrock.converse"), ""),
    "openai.responses": '"encrypted_content"',
    "gemini.generate": r'"thoughtSignature": ?"(?!skip_thought_signature|context_engineering)',
}
# What comes instead where a provider's format has fewer places than the conversation has things to say.
TURNS = "User: First.\n\nAssistant: Second.\n\nUser: Third."
INSTRUCTED = {"usage": {"input": tokens("Be brief, calm and exact.\n\nSay hello."), "output": 1, "cached": 0}}
ONE_THOUGHT = {"thinking": words(5), "dropped": True}
INSTEAD: tuple[tuple[str, str, str, dict], ...] = (
    *(("*", bot, "system-*", INSTRUCTED) for bot in BOTS),
    # A bot's limit is its own; the client's is listed as dropped.
    *(("*", bot, "length-*", {"text": words(18), "finish": "stop", "dropped": True}) for bot in BOTS),
    ("*", "dify.chat", "history-*", {"text": TURNS, "usage": {"input": tokens(TURNS), "output": 6, "cached": 0}}),
    # Claude's citations belong to all of the text that they hang on.
    *(
        ("*", claude, "citations-*", {"quoted": [words(6)] * 2})
        for claude in ("anthropic.messages", "bedrock.converse")
    ),
    # A document of the app's own has a name and no address.
    ("*", "dify.chat", "citations-*", {"citations": [[None, f"Source {n}"] for n in range(2)]}),
    # openai-node's `stream()` keeps only the last piece of a field that it does not know: that is what it sends back.
    *(
        ("openai.chat-javascript", same, f"{loop}_loop-stream", {"carried": "scripted"})
        for same in (DIRECT, "openai.chat", "cohere.chat", "ollama.chat")
        for loop in ("thinking", "redacted")
    ),
    # Claude wants its thoughts back word for word before it goes on thinking, and so it does not. Ollama's format has
    # no place for their signature; openai-node's helper has lost their words.
    *(
        (client, claude, f"{loop}_loop-{way}", {"dropped": True} | (ONE_THOUGHT if loop == "thinking" else {}))
        for client, way in (("ollama.chat-*", "*"), ("openai.chat-javascript", "stream"))
        for claude in ("anthropic.messages", "bedrock.converse")
        for loop in ("thinking", "redacted")
    ),
)


def targets(client: Client) -> list[str]:
    """Where this client's questions go: straight to the scripted upstream, or through the gateway to each format."""
    through = SWITCHED_ON.get(client.dialect, ()) if client.served else ()
    return [DIRECT] * (client.dialect in SPOKEN) + [name for name in NAMES if name in through]


def known(client: Client, target: str, case: str) -> str | None:
    """What is known to be wrong with this case."""
    return found(KNOWN, client, target, case)


def refused(client: Client, target: str, case: str) -> str | None:
    """The word that must stand in the refusal of this case."""
    return found(REFUSED, client, target, case)


def instead(client: Client, target: str, case: str) -> dict:
    """What of the promise is another one for this case."""
    return found(INSTEAD, client, target, case) or {}


def dropped_as(feature: str, dropped: str) -> bool:
    """Whether a setting is among the names that were dropped, in the words of some client's format."""
    return any(word in dropped for word in SPELT.get(feature, (feature,)))


def found(rows: tuple[tuple[str, str, str, T], ...], client: Client, target: str, case: str) -> T | None:
    """The last part of the row that this case matches."""
    place = (client.id, target, case)
    return next((row[3] for row in rows if all(map(fnmatch, place, row[:3]))), None)


PAIRS = [(client, target) for client in CLIENTS for target in targets(client)]
