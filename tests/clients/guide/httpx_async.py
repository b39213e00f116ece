"""The hand-made async client of most people: a new connection for each call, lines picked from the stream."""

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx

base_url = os.environ["OPENAI_BASE_URL"].rstrip("/")
headers = {"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}", "Content-Type": "application/json"}
model = os.environ.get("UNIGATE_MODEL", "gpt-3.5-turbo")


class ProxyError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status = status


async def ask(text: str) -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    async with httpx.AsyncClient() as client:
        response = await client.post(f"{base_url}/chat/completions", json=body, headers=headers)
        response.raise_for_status()
        return response.json()


async def stream(text: str) -> AsyncIterator[dict[str, Any]]:
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": True}
    async with (
        httpx.AsyncClient() as client,
        client.stream("POST", f"{base_url}/chat/completions", json=body, headers=headers) as response,
    ):
        response.raise_for_status()
        async for line in response.aiter_lines():
            if line.startswith("data: "):
                if line[6:].strip() == "[DONE]":
                    break
                try:
                    yield json.loads(line[6:])
                except json.JSONDecodeError:
                    continue


async def careful(key: str, name: str) -> dict[str, Any]:
    body = {"model": name, "messages": [{"role": "user", "content": "Hello"}]}
    async with httpx.AsyncClient(timeout=30.0) as client:
        response = await client.post(
            f"{base_url}/chat/completions", json=body, headers={**headers, "Authorization": f"Bearer {key}"}
        )
    if response.status_code == 200:
        return response.json()
    raise ProxyError(response.status_code, response.json()["error"]["message"])


async def retried(call: Callable[[], Awaitable[Any]], tries: int = 3) -> Any:
    for attempt in range(tries):
        try:
            return await call()
        except ProxyError as error:
            if error.status not in (500, 502, 503, 504) or attempt == tries - 1:
                raise
            await asyncio.sleep(0.01 * 2**attempt + random.uniform(0, 0.01))
    return None


async def main() -> None:
    print("plain:", (await ask("Hello, world!"))["choices"][0]["message"]["content"])
    print("stream: ", end="")
    async for chunk in stream("Tell me about Python"):
        if chunk.get("choices"):
            print(chunk["choices"][0].get("delta", {}).get("content") or "", end="", flush=True)
    print()
    batch = await asyncio.gather(*(ask(f"Question {n}") for n in range(5)), return_exceptions=True)
    print("batch:", sum("choices" in answer for answer in batch))
    try:
        await careful("sk-wrong", model)
    except ProxyError as error:
        print("refused:", error.status)
    answer = await retried(lambda: careful(os.environ["OPENAI_API_KEY"], model))
    print("retried:", answer["choices"][0]["message"]["role"])


asyncio.run(main())
