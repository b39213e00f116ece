"""Thoughts that nobody signed go back to every provider that asks for no signature, whatever the client speaks."""

from __future__ import annotations

import json

import msgspec
import pytest

from unigate.conversation import Answer, Asked, Reason, Text, Thinking
from unigate.dialects.losses import Losses
from unigate.dialects.table import DIALECTS
from unigate.secret import Secret
from unigate.target import Provider, Target
from unigate.usage import Usage

TARGET = Target(Provider(name="p", endpoints=(), key=Secret("k")), "m")
QUESTION = {"role": "user", "content": "Why?"}
TAKERS = ("openai.chat", "gemini.generate", "ollama.chat", "cohere.chat")


def went_on(client: str, told: dict) -> dict:
    """The client's next request, with the answer it was told."""
    match client:
        case "openai.chat":
            return {"messages": [QUESTION, told["choices"][0]["message"], QUESTION]}
        case "openai.responses":
            return {"input": [QUESTION, *told["output"], QUESTION]}
        case "anthropic.messages":
            return {
                "max_tokens": 9,
                "messages": [QUESTION, {"role": "assistant", "content": told["content"]}, QUESTION],
            }
        case "gemini.generate":
            question = {"role": "user", "parts": [{"text": "Why?"}]}
            return {"contents": [question, told["candidates"][0]["content"], question]}
        case _:
            return {"messages": [QUESTION, told["message"], QUESTION]}


@pytest.mark.parametrize("provider", TAKERS)
@pytest.mark.parametrize(
    "client", ["openai.chat", "openai.responses", "anthropic.messages", "gemini.generate", "ollama.chat"]
)
def test_they_survive_a_round_through_the_client(client: str, provider: str) -> None:
    asked, spoken = DIALECTS[client].client, DIALECTS[provider].provider
    assert asked is not None and spoken is not None
    answer = Answer("id", "m", (Thinking("Because.", None, provider), Text("So.")), Reason.STOP, None, Usage(1, 1))
    told = json.loads(asked.new_writer(Asked("id", "m", 1)).whole(answer))
    body = {name: msgspec.Raw(json.dumps(value).encode()) for name, value in went_on(client, told).items()}

    sent = spoken.write_ask(asked.read_ask(body, "m", False), TARGET, Losses(asked.fields, provider))

    assert b"Because." in sent
