"""A gateway whose providers speak one format each, all of them the scripted upstream, for judges of every kind."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateways import CLIENT_KEY, PATIENCE_S, UPSTREAM_KEY, Gateway, free_port, kill_group, start_gateway

# The name of the provider that speaks each format; its models are called `name/model`.
NAMES = {
    "openai.chat": "chat",
    "openai.responses": "responses",
    "anthropic.messages": "anthropic",
    "gemini.generate": "gemini",
    "bedrock.converse": "bedrock",
    "cohere.chat": "cohere",
    "ollama.chat": "ollama",
    "coze.chat": "coze",
    "dify.chat": "dify",
}
# A name that the providers' rows know as one of a model that thinks; what stands before a script is ignored.
MODELS = {
    "openai.chat": "gpt-5/",
    "openai.responses": "gpt-5/",
    "bedrock.converse": "anthropic.claude-sonnet-4-5/",
}
CONFIG = """
server: {{port: {port}, drain: 2}}
providers:
  chat: {{kind: openai, base_url: "{upstream}/v1", api_key: "${{UPSTREAM_KEY}}", speaks: [openai.chat, openai.models]}}
  responses: {{kind: openai, base_url: "{upstream}/v1", api_key: "${{UPSTREAM_KEY}}", speaks: [openai.responses]}}
  anthropic: {{base_url: "{upstream}/v1", api_key: "${{UPSTREAM_KEY}}",
               speaks: [anthropic.messages, anthropic.count_tokens]}}
  gemini: {{base_url: "{upstream}/v1beta", api_key: "${{UPSTREAM_KEY}}",
            speaks: [gemini.generate, gemini.count_tokens]}}
  bedrock: {{base_url: "{upstream}", api_key: "${{UPSTREAM_KEY}}", region: us-east-1, speaks: [bedrock.converse]}}
  cohere: {{base_url: "{upstream}/v2", api_key: "${{UPSTREAM_KEY}}", speaks: [cohere.chat]}}
  ollama: {{base_url: "{upstream}", api_key: "${{UPSTREAM_KEY}}", speaks: [ollama.chat]}}
  coze: {{base_url: "{upstream}", api_key: "${{UPSTREAM_KEY}}", speaks: [coze.chat]}}
  dify: {{base_url: "{upstream}/v1", api_key: "${{UPSTREAM_KEY}}", speaks: [dify.chat]}}
models:
  gpt-4o-mini: chat/mock-chat
keys:
  - {{name: judge, key: "${{CLIENT_KEY}}"}}
"""


def prefix_of(dialect: str) -> str:
    """What comes before a script in the name of a model at the provider that speaks this format."""
    return f"{NAMES[dialect]}/{MODELS.get(dialect, '')}"


@contextmanager
def running_formats(folder: Path, upstream: str) -> Iterator[Gateway]:
    """The gateway, from when it knows its models until the end."""
    port = free_port()
    (folder / "unigate.yaml").write_text(CONFIG.format(port=port, upstream=upstream))
    environment = {"UPSTREAM_KEY": UPSTREAM_KEY, "CLIENT_KEY": CLIENT_KEY}
    gateway = start_gateway(folder, port=port, environment=environment)
    try:
        until_listed(gateway, "mock-chat")
        yield gateway
    finally:
        kill_group(gateway.process)


def until_listed(gateway: Gateway, model: str) -> None:
    """Waits for a provider's list of models, which is fetched in the background."""
    request = urllib.request.Request(f"{gateway.url}/v1/models", headers={"authorization": f"Bearer {CLIENT_KEY}"})
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with urllib.request.urlopen(request, timeout=60) as answer:
            if any(listed["id"].endswith(model) for listed in json.load(answer)["data"]):
                return
        time.sleep(0.02)
    raise AssertionError(f"{model} was never listed.")
