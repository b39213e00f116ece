"""Runs each code block of a client guide in Markdown as it stands there, if UNIGATE_CLIENT_GUIDE names one."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import toolchains
from toolchains import EXAMPLES

NAMED = os.environ.get("UNIGATE_CLIENT_GUIDE")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(r"__main__|^const \w+ = new |func main|void main|curl ", re.MULTILINE)
ADDRESS = "http://localhost:8000"
PLACEHOLDER = re.compile(r"your-api-key(-here)?")
ANSWER = "scripted upstream"

# The guide's helpers have no main program of their own; this one calls those that it finds.
PYTHON_DRIVER = """
async def _drive():
    url = "{url}/chat/completions"
    headers = {{"Authorization": "Bearer {key}"}}
    body = {{"model": "gpt-3.5-turbo", "messages": [{{"role": "user", "content": "Hello"}}]}}
    await handle_stream_response(url, headers, {{**body, "stream": True}})
    print((await retry_with_backoff(lambda: safe_api_call(url, headers, body)))["choices"][0]["message"]["content"])
    print((await logged_api_call(safe_api_call, url, headers, body))["choices"][0]["message"]["role"])
    cached = cache_response()(safe_api_call)
    assert await cached(url, headers, body) == await cached(url, headers, body)
    try:
        await safe_api_call(url, {{"Authorization": "Bearer sk-wrong"}}, body)
    except OpenAIProxyError as error:
        print("refused:", error.status_code)
    assert (await debug_request(url, headers, body)).status_code == 200
    async with client:
        print("pooled:", (await client.client.post(url, json=body)).status_code)

asyncio.run(_drive())
"""
JAVASCRIPT_DRIVER = """
await handleStreamResponse(await fetch('{url}/chat/completions', {{
  method: 'POST',
  headers: {{ Authorization: 'Bearer {key}', 'Content-Type': 'application/json' }},
  body: JSON.stringify({{ model: 'gpt-3.5-turbo', messages: [{{ role: 'user', content: 'Hi' }}], stream: true }}),
}}));
"""


@dataclass(frozen=True)
class Block:
    """One fenced block and where it stands."""

    language: str
    text: str
    line: int

    @property
    def is_program(self) -> bool:
        """Whether it runs by itself."""
        return PROGRAM.search(self.text) is not None


def blocks() -> list[Block]:
    """All blocks of the named guide."""
    text = Path(NAMED).read_text(encoding="utf-8") if NAMED else ""
    return [Block(f[1], f[2], text.count("\n", 0, f.start()) + 1) for f in FENCE.finditer(text)]


def programs(*languages: str) -> pytest.MarkDecorator:
    """One case for each program in one of these languages."""
    found = [block for block in blocks() if block.language in languages and block.is_program]
    return pytest.mark.parametrize("block", [pytest.param(block, id=f"line{block.line}") for block in found])


@pytest.fixture
def filled(server):
    """Puts the server's address and key into a block's text."""
    return lambda text: PLACEHOLDER.sub(server.key, text.replace(ADDRESS, server.url))


@programs("python")
@pytest.mark.parametrize("version", [2, 3])
def test_python_program(run, tmp_path, filled, block, version):
    name = "python-httpx/requirements.txt" if "import httpx" in block.text else None
    requirements = EXAMPLES / (name or f"python-openai/requirements-openai{version}.txt")
    (tmp_path / "program.py").write_text(filled(block.text), encoding="utf-8")

    done = run([*toolchains.python(requirements), "program.py"])

    assert (done.err, done.status) == ("", 0)
    assert done.out.count(ANSWER) == 2, "plain and streamed"


def test_python_helpers(run, tmp_path, filled, server):
    helpers = [block.text for block in blocks() if block.language == "python" and not block.is_program]
    if not helpers:
        pytest.skip("UNIGATE_CLIENT_GUIDE names no guide with Python helpers.")
    text = filled("\n".join(helpers)) + PYTHON_DRIVER.format(url=server.url, key=server.key)
    (tmp_path / "program.py").write_text(text, encoding="utf-8")
    python = toolchains.python(EXAMPLES / "python-httpx" / "requirements.txt")

    done = run([*python, "program.py"], OPENAI_PROXY_URL=server.url)

    assert done.status == 0, done.err
    assert done.out.count(ANSWER) >= 2
    assert "refused: 401" in done.out
    assert "pooled: 200" in done.out


@programs("javascript")
def test_javascript_program(run, tmp_path, node, filled, block):
    (tmp_path / "source").mkdir()
    source = tmp_path / "source" / "program.mjs"
    source.write_text(filled(block.text), encoding="utf-8")

    done = run(node(source))

    assert (done.err, done.status) == ("", 0)
    assert ANSWER in done.out, "and maybe once more, if the calls made at once did not write into each other's lines"


def test_javascript_helpers(run, tmp_path, filled, server):
    toolchains.need("node")
    helpers = [block.text for block in blocks() if block.language == "javascript" and not block.is_program]
    if not helpers:
        pytest.skip("UNIGATE_CLIENT_GUIDE names no guide with JavaScript helpers.")
    text = filled("\n".join(helpers)) + JAVASCRIPT_DRIVER.format(url=server.url, key=server.key)
    (tmp_path / "program.mjs").write_text(text, encoding="utf-8")

    done = run(["node", "program.mjs"])

    assert (done.err, done.status) == ("", 0)
    assert ANSWER in done.out


@programs("bash")
def test_shell_lines(run, tmp_path, filled, block):
    toolchains.need("bash", "curl")
    (tmp_path / "lines.sh").write_text(filled(block.text), encoding="utf-8")

    done = run(["bash", "lines.sh"])

    assert done.status == 0
    assert all(part in done.out for part in ('"status"', '"object"', ANSWER, "data: [DONE]", '"get_weather"'))
    assert '"error"' not in done.out


@programs("go")
def test_go_program(run, tmp_path, filled, block):
    (tmp_path / "main.go").write_text(filled(block.text), encoding="utf-8")

    done = run(toolchains.go_program(tmp_path / "main.go", "markdown"))

    assert (done.err, done.status) == ("", 0)
    assert ANSWER in done.out


@programs("java")
def test_java_program(run, tmp_path, filled, block):
    name = re.findall(r"public class (\w+)", block.text)[0]
    (tmp_path / f"{name}.java").write_text(mended(filled(block.text)), encoding="utf-8")

    done = run(["java", "-cp", toolchains.java_classes(), f"{name}.java"])

    assert (done.err, done.status) == ("", 0)
    assert ANSWER in done.out


def mended(text: str) -> str:
    """The Java program with its two faults put right: it cannot read any server's answer as it stands."""
    text = text.replace("public Message(String role", "public Message() {}\n\n        public Message(String role")
    lenient = "DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, false"
    return text.replace("new ObjectMapper()", f"new ObjectMapper().configure(com.fasterxml.jackson.databind.{lenient})")
