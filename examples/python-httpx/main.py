"""Talks to Unigate with httpx alone: pooled, streamed, retried."""

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx

BASE_URL = os.environ.get("OPENAI_BASE_URL", "http://localhost:8000").rstrip("/")
API_KEY = os.environ.get("OPENAI_API_KEY", "")
MODEL = os.environ.get("UNIGATE_MODEL", "gpt-3.5-turbo")
WORTH_RETRYING = {500, 502, 503, 504}


class GatewayError(Exception):
    """What the gateway or the way to it had against a request."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"HTTP {status}: {message}")
        self.status = status


class Hiccups(httpx.AsyncBaseTransport):
    """A network that fails a few times before it works, so that the retry can be seen at work."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.real = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.failures:
            self.failures -= 1
            return httpx.Response(503, json={"error": {"message": "a hiccup on the way"}})
        return await self.real.handle_async_request(request)

    async def aclose(self) -> None:
        await self.real.aclose()


class Chat:
    """A client of the chat API that keeps its connections."""

    def __init__(self, base_url: str, api_key: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.http = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=httpx.Timeout(60, connect=5),
            limits=httpx.Limits(max_connections=20, max_keepalive_connections=10),
            transport=transport,
        )

    async def __aenter__(self) -> "Chat":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def ask(self, messages: list[dict[str, str]], retries: int = 0, **more: Any) -> dict[str, Any]:
        """The whole answer, after as many retries as it took."""
        for attempt in range(retries + 1):
            try:
                return await self._post({"model": MODEL, "messages": messages, **more})
            except GatewayError as error:
                if error.status not in WORTH_RETRYING or attempt == retries:
                    raise
                pause = 0.05 * 2**attempt + random.uniform(0, 0.05)
                print(f"    {error}; again in {pause:.2f} s")
                await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def stream(self, messages: list[dict[str, str]], **more: Any) -> AsyncIterator[dict[str, Any]]:
        """The answer's chunks as they come; an error when the stream ends before its end."""
        body = {"model": MODEL, "messages": messages, "stream": True, **more}
        async with self.http.stream("POST", "/chat/completions", json=body) as response:
            if response.status_code != 200:
                await response.aread()
                raise GatewayError(response.status_code, message_of(response))
            async for line in response.aiter_lines():
                if not line.startswith("data: "):
                    continue
                if line == "data: [DONE]":
                    return
                chunk = json.loads(line.removeprefix("data: "))
                if "error" in chunk:
                    raise GatewayError(502, chunk["error"]["message"])
                yield chunk
        raise GatewayError(502, "the stream ended before its end")

    async def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            response = await self.http.post("/chat/completions", json=body)
        except httpx.TimeoutException as error:
            raise GatewayError(408, "no answer in time") from error
        except httpx.ConnectError as error:
            raise GatewayError(503, f"no server at {self.http.base_url}") from error
        if response.status_code != 200:
            raise GatewayError(response.status_code, message_of(response))
        return response.json()


class Checks:
    """Counts what went well and stops the program at the first thing that did not."""

    def __init__(self) -> None:
        self.count = 0

    def that(self, holds: object, what: str) -> None:
        if not holds:
            sys.exit(f"failed: {what}")
        self.count += 1
        print(f"  {what}")


def message_of(response: httpx.Response) -> str:
    try:
        return response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return response.text[:200]


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


async def plain_and_streamed(checks: Checks) -> None:
    print("plain and streamed")
    async with Chat(BASE_URL, API_KEY) as client:
        answer = await client.ask(user("Hello, world!"), max_tokens=60)
        text = answer["choices"][0]["message"]["content"]
        print(f"    {text}")
        checks.that(text, "an answer has text")
        pieces = []
        async for chunk in client.stream(user("Tell me about Python"), max_tokens=60):
            pieces.append(chunk["choices"][0]["delta"].get("content") or "")
        print(f"    {''.join(pieces)}")
        checks.that(len([piece for piece in pieces if piece]) > 1, "the answer came in pieces, and the end was marked")


async def pooled(checks: Checks) -> None:
    print("pooled")
    async with Chat(BASE_URL, API_KEY) as client:
        answers = [await client.ask(user("Hello"), max_tokens=20) for _ in range(3)]
        checks.that(len(answers) == 3, "calls in a row are answered on one client")
        answers = await asyncio.gather(*(client.ask(user(f"Hello {n}"), max_tokens=20) for n in range(8)))
        checks.that(all(a["choices"] for a in answers), "eight calls at once are answered")


async def retried(checks: Checks) -> None:
    print("retried")
    async with Chat(BASE_URL, API_KEY, Hiccups(2)) as client:
        answer = await client.ask(user("Hello"), retries=3, max_tokens=20)
        checks.that(answer["choices"], "two failures on the way and then an answer")
    async with Chat(BASE_URL, API_KEY, Hiccups(2)) as client:
        await expect(503, client.ask(user("Hello"), retries=1), checks, "failures outlast the retries")


async def failures(checks: Checks) -> None:
    print("errors")
    async with Chat(BASE_URL, "sk-wrong") as client:
        await expect(401, client.ask(user("Hello")), checks, "a wrong key")
        await expect(401, anext(client.stream(user("Hello"))), checks, "a wrong key, streamed")
    async with Chat(BASE_URL, API_KEY) as client:
        await expect(400, client.ask(user("Hello"), model=None), checks, "a request without a model")
    async with Chat("http://127.0.0.1:1", API_KEY) as client:
        await expect(503, client.ask(user("Hello")), checks, "a server that is not there")


async def expect(status: int, call: Any, checks: Checks, what: str) -> None:
    try:
        await call
    except GatewayError as error:
        checks.that(error.status == status, f"{what} is {error}")
    else:
        checks.that(False, f"{what} is HTTP {status}")


async def main() -> None:
    print(f"httpx {httpx.__version__} at {BASE_URL}")
    checks = Checks()
    for part in (plain_and_streamed, pooled, retried, failures):
        await part(checks)
    print(f"ok: {checks.count} checks")


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except (GatewayError, httpx.HTTPError) as error:
        sys.exit(f"failed: {type(error).__name__}: {error}")
