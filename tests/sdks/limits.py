"""What is switched on, and what a provider's format cannot say: there the gateway refuses or tells what it dropped."""

from __future__ import annotations

from fnmatch import fnmatch

from vendors import CLIENTS, Client

from formats import NAMES

DIRECT = "direct"
TRANSLATED = ("openai.chat", "openai.responses", "anthropic.messages", "gemini.generate")
# The pairs that the gateway carries: client formats to provider formats. The rest of the matrix is `untested`.
SWITCHED_ON: dict[str, tuple[str, ...]] = {
    "openai.chat": TRANSLATED,
    "openai.responses": TRANSLATED,
    "anthropic.messages": TRANSLATED,
    "gemini.generate": TRANSLATED,
    "ollama.chat": (),
}
# Formats that the scripted upstream answers in when it is asked by the vendor's own library.
SPOKEN = (
    "openai.chat",
    "openai.responses",
    "anthropic.messages",
    "gemini.generate",
    *("bedrock.converse", "cohere.chat", "ollama.chat"),
)
# Known defects: patterns of client, target and feature, and what is wrong.
KNOWN: tuple[tuple[str, str, str, str], ...] = (
    # Google's libraries ask under /v1, not /v1beta; only their x-goog-api-key tells them from others.
    ("gemini.generate-*", "*", "models", "models under /v1 are listed in OpenAI's shape only"),
    # The library keeps only the last piece of `reasoning_details`, which has the signature but not the text.
    ("openai.chat-javascript", "anthropic.messages", "thinking_loop", "thinking comes back without its text"),
)


def targets(client: Client) -> list[str]:
    """Where this client's questions go: straight to the scripted upstream, or through the gateway to each format."""
    through = SWITCHED_ON.get(client.dialect, ()) if client.served else ()
    return [DIRECT] * (client.dialect in SPOKEN) + [name for name in NAMES if name in through]


def known(client: Client, target: str, feature: str) -> str | None:
    """What is known to be wrong with this case."""
    place = (client.id, target, feature)
    return next((row[3] for row in KNOWN if all(map(fnmatch, place, row[:3]))), None)


PAIRS = [(client, target) for client in CLIENTS for target in targets(client)]
