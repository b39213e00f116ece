"""The vendors' own coding agents do a task that needs a tool, whatever format the provider speaks."""

from __future__ import annotations

import itertools
import json
import subprocess
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from formats import prefix_of
from gateways import UPSTREAM_KEY, Gateway, clean_environment
from judge import NODE, installed_before

DIRECT = "direct"
# The pairs that the gateway carries; the others are switched on as its formats land.
SWITCHED_ON: dict[str, tuple[str, ...]] = {
    "codex": ("openai.chat", "openai.responses", "anthropic.messages", "gemini.generate"),
    "claude": ("openai.chat", "openai.responses", "anthropic.messages", "gemini.generate"),
    "gemini": ("openai.chat", "openai.responses", "anthropic.messages", "gemini.generate"),
}
BOUND_S = 60
# The scripted upstream fills a tool's argument with the first known place in the text: this is our program's name.
PROGRAM = "北京"
SECRET = "the hidden number is 7413"
NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Place:
    """Where an agent finds its models."""

    url: str
    key: str
    model: str


@dataclass(frozen=True)
class Agent:
    """An agent: the tool it runs programs with, and how it is started without anybody at the keyboard."""

    tool: str
    arguments: Callable[[Place, str], list[str]]
    environment: Callable[[Place], dict[str, str]]


def codex(place: Place, task: str) -> list[str]:
    provider = f'{{name="gw",base_url="{place.url}/v1",env_key="OPENAI_API_KEY",wire_api="responses"}}'
    flags = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "--model", place.model]
    settings = ["-c", f"model_providers.gw={provider}", "-c", "model_provider=gw"]
    return ["@openai/codex/bin/codex.js", "exec", *flags, *settings, task]


def claude(place: Place, task: str) -> list[str]:
    program = "@anthropic-ai/claude-code/cli-wrapper.cjs"
    return [program, "--print", task, "--model", place.model, "--dangerously-skip-permissions"]


def gemini(place: Place, task: str) -> list[str]:
    return ["@google/gemini-cli/bundle/gemini.js", "--model", place.model, "--yolo", "--prompt", task]


AGENTS = {
    "codex": Agent("exec_command", codex, lambda place: {"OPENAI_API_KEY": place.key}),
    "claude": Agent(
        "Bash",
        claude,
        lambda place: {
            "ANTHROPIC_BASE_URL": place.url,
            "ANTHROPIC_AUTH_TOKEN": place.key,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "IS_SANDBOX": "1",
        },
    ),
    "gemini": Agent(
        "run_shell_command",
        gemini,
        lambda place: {
            "GOOGLE_GEMINI_BASE_URL": place.url,
            "GEMINI_API_KEY": place.key,
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
        },
    ),
}
PAIRS = [(name, target) for name in AGENTS for target in (DIRECT, *SWITCHED_ON[name])]


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """A home and a working folder of the agent's own, and the program it is asked to run."""
    (tmp_path / "work").mkdir()
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".gemini").mkdir()
    chosen = {"security": {"auth": {"selectedType": "gemini-api-key"}}, "privacy": {"usageStatisticsEnabled": False}}
    (tmp_path / ".gemini" / "settings.json").write_text(json.dumps(chosen))
    program = tmp_path / "bin" / PROGRAM
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{SECRET}'\n")
    program.chmod(0o755)
    # A login shell, such as Codex starts, forgets the path it was given.
    (tmp_path / ".bash_profile").write_text(f'PATH="{program.parent}:$PATH"\n')
    return tmp_path


@pytest.fixture
def place(request: pytest.FixtureRequest, upstream: str) -> Callable[[str, str], Place]:
    """Finds where a target's models are."""

    def find(target: str, model: str) -> Place:
        if target == DIRECT:
            return Place(upstream, UPSTREAM_KEY, model)
        gateway: Gateway = request.getfixturevalue("formats")
        return Place(gateway.url, gateway.client_key, prefix_of(target) + model)

    return find


def answered(agent: Agent, place: Place, room: Path) -> str:
    """What the agent says in the end; a second try of its own would be one call too many on the books."""
    modules = installed_before("agents") / "node_modules"
    program, *arguments = agent.arguments(place, f"Use {agent.tool} to run {PROGRAM}")
    environment = clean_environment(
        **agent.environment(place), HOME=str(room), CODEX_HOME=str(room / ".codex"), NO_PROXY="*", TERM="xterm-256color"
    )
    environment["PATH"] = f"{room / 'bin'}:{NODE.parent}:{environment['PATH']}"
    done = subprocess.run(
        [str(NODE), str(modules / program), *arguments],
        cwd=room / "work",
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=BOUND_S,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def calls(upstream: str, mark: str) -> list[int]:
    """The statuses of the calls that reached the upstream for this model."""
    with urllib.request.urlopen(f"{upstream}/mock/calls", timeout=5) as books:
        return [call["status"] for call in json.load(books) if (call["model"] or "").endswith(mark)]


@pytest.mark.parametrize("thinks", ["", ",think=5"], ids=["plain", "thinking"])
@pytest.mark.parametrize(("name", "target"), PAIRS)
def test_an_agent_runs_a_program_and_tells_what_it_said(
    name: str, target: str, thinks: str, room: Path, place: Callable[[str, str], Place], upstream: str
) -> None:
    agent, mark = AGENTS[name], f"message={name}{next(NUMBERS)}"

    said = answered(agent, place(target, f"script:tool={agent.tool}{thinks},first=1,{mark}"), room)

    assert "The tool says: " in said
    assert SECRET in said
    assert calls(upstream, mark) == [200, 200]
