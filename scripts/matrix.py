"""Writes what tests/sdks found into docs/matrix.md and its Chinese sister; --check tells if they are out of step."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).resolve().parent.parent
FOUND = ROOT / ".cache" / "matrix"
PAGES = ("matrix.md", "matrix.zh.md")
BEGIN, END = "<!-- matrix:begin (scripts/matrix.py) -->", "<!-- matrix:end -->"
WORDS = {"matrix.md": "Feature", "matrix.zh.md": "功能"}

CLIENTS = {
    "openai.chat": "OpenAI Chat Completions",
    "openai.responses": "OpenAI Responses",
    "anthropic.messages": "Anthropic Messages",
    "gemini.generate": "Gemini generateContent",
    "ollama.chat": "Ollama chat",
}
PROVIDERS = {
    "openai.chat": "Chat",
    "openai.responses": "Responses",
    "anthropic.messages": "Anthropic",
    "gemini.generate": "Gemini",
    "bedrock.converse": "Bedrock",
    "cohere.chat": "Cohere",
    "ollama.chat": "Ollama",
    "coze.chat": "Coze",
    "dify.chat": "Dify",
}
# Each row of a table: the cases it stands for, by the beginning of their names, and what it is called.
ROWS = {
    "text": ("Text, finish reason, usage", "文本、结束原因、用量"),
    "unicode": ("Text of every script", "各种文字"),
    "system": ("System prompt", "系统提示"),
    "history": ("Earlier turns", "历史消息"),
    "image": ("Image in the request", "请求中的图片"),
    "pdf": ("PDF in the request", "请求中的 PDF"),
    "audio": ("Sound in the request", "请求中的音频"),
    "tool_call": ("Call of a tool", "工具调用"),
    "tool_loop": ("Tool loop: call, result, answer", "工具循环：调用、结果、回答"),
    "parallel_tools": ("Parallel tool calls", "并行工具调用"),
    "tool_choice_name": ("One tool demanded", "指定工具"),
    "tool_choice_none": ("Tools forbidden", "禁用工具"),
    "schema": ("JSON Schema for the answer", "JSON Schema 输出"),
    "effort": ("How hard to think", "思考的力度"),
    "thinking": ("Thinking", "思考"),
    "thinking_loop": ("Thinking and tools, carried back", "思考与工具，往返传递"),
    "redacted_loop": ("Thinking nobody may read, carried back", "加密思考，往返传递"),
    "interleaved_tools": ("Parallel calls, their pieces mixed", "并行调用，片段交错"),
    "citations": ("Citations: source, title, passage", "引用：来源、标题、段落"),
    "logprobs": ("Probabilities of tokens", "词元概率"),
    "n": ("Several answers at once (n)", "一次多个回答（n）"),
    "stop": ("Stop sequence", "停止序列"),
    "length": ("Limit of tokens", "词元上限"),
    "temperature": ("Hint: temperature", "提示：温度"),
    "seed": ("Hint: seed", "提示：随机种子"),
    "user": ("Hint: the user's name", "提示：用户标识"),
    "metadata": ("Hint: metadata", "提示：元数据"),
    "cache_key": ("Hint: key of the prompt cache", "提示：提示缓存的键"),
    "cache_mark": ("Hint: mark for the prompt cache", "提示：提示缓存的标记"),
    "refusal": ("Refusal", "拒答"),
    "cached": ("Usage: tokens read from the cache", "用量：从缓存读取的词元"),
    "cache_written": ("Usage: tokens written to the cache", "用量：写入缓存的词元"),
    "error_": ("Provider's errors, as the library's exceptions", "提供商错误对应 SDK 异常"),
    "broken_off": ("Error within a stream", "流内错误"),
    "cut": ("Stream cut off", "流被切断"),
    "wrong_key": ("Wrong key", "错误的密钥"),
    "models": ("List of models", "模型列表"),
    "count": ("Count of tokens", "词元计数"),
}
SIGNS = {"green": "✓", "dropped": "○", "refused": "422", "unproved": "?", "failed": "✗"}
UNTESTED, UNASKED = "·", ""
# No published page has one of these.
FAULTY = ("?", "✗", UNTESTED)

Outcomes = dict[str, dict[str, str]]


class Case(TypedDict):
    """What a run wrote of one case."""

    outcome: str
    noticed: int


def found() -> Outcomes:
    """What the last run says of each pair of a library and a provider's format: its cases and their outcomes."""
    pages = {path.stem: json.loads(path.read_text("utf-8"))["cases"] for path in sorted(FOUND.glob("*.json"))}
    return {pair: {case: proved(told) for case, told in cases.items()} for pair, cases in pages.items()}


def proved(told: Case) -> str:
    """The outcome; nothing is green whose check was not seen to fail with the feature taken out."""
    return "unproved" if told["outcome"] == "green" and not told["noticed"] else told["outcome"]


def row_of(case: str) -> str:
    """The row that a case belongs to."""
    name = case.rpartition("-")[0]
    return next(row for row in ROWS if name == row or (row.endswith("_") and name.startswith(row)))


def cells(outcomes: Outcomes, client: str, provider: str) -> dict[str, str]:
    """The sign for each row that was tried with this client's format and this provider's."""
    told: dict[str, set[str]] = {}
    for pair, cases in outcomes.items():
        library, _, target = pair.partition("@")
        if library.rpartition("-")[0] == client and target == provider:
            for case, outcome in cases.items():
                told.setdefault(row_of(case), set()).add(outcome)
    return {row: "/".join(sign for name, sign in SIGNS.items() if name in kinds) for row, kinds in told.items()}


def table(outcomes: Outcomes, client: str, page: str) -> Iterator[str]:
    """The lines of one client's table."""
    columns = [cells(outcomes, client, provider) for provider in PROVIDERS]
    rows = [row for row in ROWS if any(row in column for column in columns)]
    yield f"| {WORDS[page]} | {' | '.join(PROVIDERS.values())} |"
    yield f"| --- |{' :-: |' * len(PROVIDERS)}"
    for row in rows:
        signs = [column.get(row, UNASKED if column else UNTESTED) for column in columns]
        yield f"| {ROWS[row][PAGES.index(page)]} | {' | '.join(signs)} |"


def markdown(outcomes: Outcomes, page: str) -> str:
    """All tables, one for each client's format."""
    parts = [f"### {title}\n\n" + "\n".join(table(outcomes, client, page)) for client, title in CLIENTS.items()]
    return "\n\n".join(parts)


def faults(outcomes: Outcomes) -> Iterator[str]:
    """The cells that must not be published."""
    for client in CLIENTS:
        for line in table(outcomes, client, PAGES[0]):
            name, *signs = [cell.strip() for cell in line.strip("|").split("|")]
            for provider, sign in zip(PROVIDERS.values(), signs, strict=True):
                if any(fault in sign for fault in FAULTY):
                    yield f"{CLIENTS[client]} to {provider}: {name} is {sign}"


def renewed(page: str, body: str) -> str:
    """The page with the part between its two marks replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{body}\n\n{END}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail if a page is out of step or a cell is wrong"
    )
    check = parser.parse_args().check
    outcomes, stale = found(), list[str]()
    wrong = list(faults(outcomes))
    for name in PAGES:
        path = ROOT / "docs" / name
        page = path.read_text("utf-8")
        fresh = renewed(page, markdown(outcomes, name))
        if fresh != page:
            stale.append(name)
            if not check:
                path.write_text(fresh, "utf-8")
    if check and stale:
        print(f"out of step: {', '.join(stale)}; run pytest tests/sdks, then scripts/matrix.py", file=sys.stderr)
        return 1
    for fault in wrong:
        print(fault, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
