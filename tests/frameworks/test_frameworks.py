"""Frameworks answer a question with a tool, streamed, over each API they can speak."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from formats import prefix_of
from gateways import UPSTREAM_KEY
from judge import Judge

DIRECT = "direct"
# Where each client format goes through the gateway: to its own, and to the one that is most unlike it.
TARGETS: dict[str, tuple[str, ...]] = {
    "openai.chat": ("openai.chat", "anthropic.messages"),
    "openai.responses": ("openai.responses", "openai.chat"),
    "anthropic.messages": ("anthropic.messages", "openai.chat"),
    "gemini.generate": ("gemini.generate", "anthropic.messages"),
}
FLAVOURS = {
    "langchain.py": ("openai.chat", "openai.responses", "anthropic.messages"),
    # Pydantic AI 2.31 breaks with anthropic 2.12: it calls one of its types that is a union there.
    "pydantic_agent.py": ("openai.chat", "openai.responses", "gemini.generate"),
    "openai_agents.py": ("openai.chat", "openai.responses"),
    "llama_agent.py": ("openai.chat",),
    "vercel.mjs": ("openai.chat", "openai.responses", "anthropic.messages", "gemini.generate"),
}
# LlamaIndex knows the models it talks to by name and takes no other; the gateway has a route of that name.
MODELS = {"llama_agent.py": "gpt-4o-mini"}
CASES = [
    (program, flavour, target)
    for program, flavours in FLAVOURS.items()
    for flavour in flavours
    for target in (DIRECT, *TARGETS[flavour])
    if target in (DIRECT, "openai.chat") or program not in MODELS
]


def place(program: str, target: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """Where the program finds its model."""
    model = MODELS.get(program, "mock-chat")
    if target == DIRECT:
        return {"url": request.getfixturevalue("upstream"), "key": UPSTREAM_KEY, "model": model}
    gateway = request.getfixturevalue("formats")
    named = model if program in MODELS else prefix_of(target) + model
    return {"url": gateway.url, "key": gateway.client_key, "model": named}


@pytest.mark.parametrize(("program", "flavour", "target"), CASES)
def test_a_framework_uses_its_tool(
    program: str, flavour: str, target: str, framework: Callable[[str], Judge], request: pytest.FixtureRequest
) -> None:
    told = framework(program).ask(flavour=flavour, **place(program, target, request))

    assert told["text"].startswith("The tool says: "), told
    assert "21 degrees" in told["text"]
    assert (told["error"], told["cities"], told["counted"]) == (None, ["Paris"], True)
