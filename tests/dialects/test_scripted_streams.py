"""Every format's streams as the scripted upstream sends them: cut at every byte, and as one answer."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import msgspec
import pytest
from msgspec.structs import replace

from dialects.judging import APART, PROVIDERS, case, cut_at, ends_in, read_stream, read_whole
from gateways import UPSTREAM_KEY
from unigate.conversation import Answer, Ask, Event, Message, Role, Text, Thinking, Tool
from unigate.dialects.collect import Collector
from unigate.dialects.dialect import Dialect
from unigate.dialects.losses import Losses
from unigate.errors import Fault
from unigate.secret import Secret
from unigate.target import Provider, Target
from unigate.usage import Usage

SCHEMA = msgspec.Raw(b'{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}')
SCRIPTS: Mapping[str, str] = {
    "text": "text=Gr%C3%BC%C3%9Fe%2C %E4%BD%A0%E5%A5%BD %F0%9F%99%82 and more",
    "tool": "tool=weather",
    "parallel tools": "tools=2",
    "mixed tools": "tools=2,interleave",
    "thinking": "think=4,tokens=3",
    "thinking and a tool": "think=3,tool=weather",
    "redacted thinking": "redacted,tokens=3",
    "citations": "cite=2,tokens=6",
    "cached input": "cached=2,tokens=3",
    "at its length": "finish=length,tokens=3",
    "carriage returns": "crlf,tokens=4",
    "comments": "comments,tokens=4",
    "without an end mark": "nodone,tokens=4",
    "usage again and again": "usage=repeated,tokens=4",
    "no usage": "usage=none,tokens=4",
}
PREFIXES: Mapping[str, str] = {
    "openai.chat": "/v1",
    "openai.responses": "/v1",
    "anthropic.messages": "/v1",
    "gemini.generate": "/v1beta",
    "cohere.chat": "/v2",
    "dify.chat": "/v1",
}


def told(upstream: str, provider: Dialect, script: str, *, streamed: bool) -> tuple[int, bytes]:
    """What the scripted upstream answers to an ask that this dialect's writer wrote."""
    assert provider.provider is not None
    model = f"script:{script}"
    names = ("weather", "forecast")
    ask = Ask(
        model=model,
        messages=(Message(Role.USER, (Text("weather in Paris"),)),),
        tools=tuple(Tool(name, "tells it", SCHEMA) for name in names) if "tool" in script else (),
        settings={},
        streamed=streamed,
        thinking_budget=2048 if "think" in script or "redacted" in script else None,
    )
    target = Target(Provider(name="mock", endpoints=(), key=Secret(UPSTREAM_KEY)), model)
    content = provider.provider.write_ask(ask, target, Losses({}, provider.name))
    operation = provider.stream_operation if streamed and provider.stream_operation else provider.operation
    path = PREFIXES.get(provider.name, "") + operation.replace("{model}", quote(model, safe=""))
    connection = http.client.HTTPConnection(urlsplit(upstream).netloc, timeout=60)
    connection.request("POST", path, content, {"authorization": f"Bearer {UPSTREAM_KEY}"})
    with connection.getresponse() as answer:
        return answer.status, answer.read()


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda one: one.name)
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_stream_reads_alike_however_it_is_cut(name: str, provider: Dialect, upstream: str) -> None:
    status, body = told(upstream, provider, SCRIPTS[name], streamed=True)
    if status != 200:
        pytest.skip("the format cannot be scripted so: " + body.decode("utf-8", "replace")[:100])
    expected = outcome(provider, [body])

    assert outcome(provider, [body[at : at + 1] for at in range(len(body))]) == expected
    ends = ends_in(provider, body)
    for first in range(1, min(APART + 1, len(body))):
        with case(f"cuts at byte {first} and each {APART} bytes on"):
            assert outcome(provider, cut_at(body, first, ends)) == expected


def outcome(provider: Dialect, pieces: list[bytes]) -> list[Event] | str:
    """The events, or the fault of a stream that lacks an end its format must have."""
    try:
        return read_stream(provider, pieces)
    except Fault as fault:
        return f"{fault.kind}: {fault}"


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda one: one.name)
@pytest.mark.parametrize(
    "name", [name for name in SCRIPTS if name not in ("mixed tools", "no usage", "without an end mark")]
)
def test_a_stream_says_what_the_whole_says(name: str, provider: Dialect, upstream: str) -> None:
    assert provider.provider is not None
    if provider.provider.only_streams:
        pytest.skip("it is only ever asked for streams")
    status, stream = told(upstream, provider, SCRIPTS[name], streamed=True)
    _, whole = told(upstream, provider, SCRIPTS[name], streamed=False)
    if status != 200:
        pytest.skip("the format cannot be scripted so: " + stream.decode("utf-8", "replace")[:100])

    assert plain(Collector(read_stream(provider, [stream])).answer()) == plain(read_whole(provider, whole))


def plain(answer: Answer) -> Answer:
    """An answer without what differs between two calls: ids, and where Gemini hangs its signatures."""
    signs = [block for block in answer.blocks if isinstance(block, Thinking) and not (block.text or block.redacted)]
    kept = [block for block in answer.blocks if block not in signs]
    blocks = [replace(block, id=None) if isinstance(block, Thinking) else block for block in kept]
    bare = [replace(block, id="") if hasattr(block, "arguments") else block for block in blocks]
    return replace(answer, id="", blocks=tuple(bare), usage=Usage())
