"""Frameworks answer a question with a tool, streamed, over each API they can speak."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from formats import NAMES, NODE, installed
from gateways import UPSTREAM_KEY, clean_environment

PROGRAMS = Path(__file__).parent / "programs"
BOUND_S = 60
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
# LlamaIndex knows the models it talks to by name and takes no other.
MODELS = {"llama_agent.py": "gpt-4o-mini"}
CASES = [
    (program, flavour, target)
    for program, flavours in FLAVOURS.items()
    for flavour in flavours
    for target in (DIRECT, *TARGETS[flavour])
    if target in (DIRECT, "openai.chat") or program not in MODELS
]


def command(program: str, flavour: str, scratch: Path) -> list[str]:
    """What runs this program with the framework in its reach."""
    folder = installed("frameworks")
    if program.endswith(".py"):
        return [str(folder / "bin" / "python"), str(PROGRAMS / program), flavour]
    shutil.copy(PROGRAMS / program, scratch)
    (scratch / "node_modules").symlink_to(folder / "node_modules")
    return [str(NODE), str(scratch / program), flavour]


def settings(program: str, target: str, request: pytest.FixtureRequest) -> dict[str, str]:
    """Where the program finds its model."""
    model = MODELS.get(program, "mock-chat")
    if target == DIRECT:
        return {"JUDGE_URL": request.getfixturevalue("upstream"), "JUDGE_KEY": UPSTREAM_KEY, "JUDGE_MODEL": model}
    gateway = request.getfixturevalue("formats")
    named = model if program in MODELS else f"{NAMES[target]}/{model}"
    return {"JUDGE_URL": gateway.url, "JUDGE_KEY": gateway.client_key, "JUDGE_MODEL": named}


@pytest.mark.parametrize(("program", "flavour", "target"), CASES)
def test_a_framework_uses_its_tool(
    program: str, flavour: str, target: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    done = subprocess.run(
        command(program, flavour, tmp_path),
        cwd=tmp_path,
        env=clean_environment(NO_PROXY="*", PYTHONUTF8="1", HOME=str(tmp_path), **settings(program, target, request)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=BOUND_S,
        encoding="utf-8",
    )

    assert done.returncode == 0, done.stderr[-4000:]
    tool, text, tokens = done.stdout.splitlines()
    assert (tool, tokens.lower()) == ("tool: Paris", "tokens: true")
    assert text.startswith("text: The tool says: ")
    assert "21 degrees" in text
