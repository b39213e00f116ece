"""Lists of models: read in each maker's shape, asked for where the provider has one."""

import asyncio
import json

import pytest

from unigate.errors import Fault, Kind
from unigate.secret import Secret
from unigate.target import Endpoint, Provider
from unigate.upstream.client import Upstream
from unigate.upstream.models import LISTS, fetch_models, list_of, read_models


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ({"object": "list", "data": [{"id": "gpt-4o", "object": "model"}, {"id": "o3"}]}, ("gpt-4o", "o3")),
        ({"data": [{"type": "model", "id": "claude-haiku-4-5"}], "has_more": False}, ("claude-haiku-4-5",)),
        ({"models": [{"name": "models/gemini-2.5-flash", "version": "001"}]}, ("gemini-2.5-flash",)),
        ({"models": [{"name": "llama3.2:latest", "model": "llama3.2:latest", "size": 1}]}, ("llama3.2:latest",)),
        ({"models": [{"name": "command-r7b-12-2024", "endpoints": ["chat"]}]}, ("command-r7b-12-2024",)),
        ({"modelSummaries": [{"modelId": "amazon.nova-lite-v1:0", "modelName": "Lite"}]}, ("amazon.nova-lite-v1:0",)),
        ({"data": []}, ()),
        ({"data": [{"id": None}, {"id": ""}, {"id": "a"}, {"id": "a"}, {"id": "x" * 501}]}, ("a",)),
    ],
    ids=["openai", "anthropic", "gemini", "ollama", "cohere", "bedrock", "empty", "odd"],
)
def test_a_list_is_read_in_each_makers_shape(page: object, names: tuple[str, ...]) -> None:
    assert read_models(json.dumps(page).encode()) == names


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"data":null}', b'{"data":[1]}', b"<html>", b'{"data":"\xff"}']
)
def test_what_is_no_list_is_refused(content: bytes) -> None:
    with pytest.raises(Fault, match="in no known format") as caught:
        read_models(content)
    assert caught.value.kind is Kind.INVALID


@pytest.mark.parametrize(("word", "place"), LISTS.items())
def test_a_list_is_asked_for_at_its_own_place(word: str, place: str) -> None:
    async def run() -> tuple[tuple[str, ...], list[bytes]]:
        lines: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            lines.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
            writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n{"data":[{"id":"m"}]}')

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/base"
        upstream = Upstream()
        try:
            return await fetch_models(upstream, provider(address, word)), lines
        finally:
            upstream.close()
            server.close()

    assert asyncio.run(run()) == (("m",), [f"GET /base{place} HTTP/1.1".encode()])


def test_a_provider_without_a_list_has_none() -> None:
    assert list_of(provider("http://x", "openai.chat")) is None


def provider(address: str, *speaks: str) -> Provider:
    return Provider(name="p", endpoints=(Endpoint(base_url=address, speaks=speaks),), key=Secret("k"))
