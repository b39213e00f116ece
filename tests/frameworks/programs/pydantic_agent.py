"""Pydantic AI answers a question with a tool, streamed, through the model that the first argument names."""

from __future__ import annotations

import asyncio
import os
import sys

from pydantic_ai import Agent
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider

URL, KEY, MODEL = (os.environ[f"JUDGE_{name}"] for name in ("URL", "KEY", "MODEL"))
FLAVOURS = {
    "openai.chat": lambda: OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=f"{URL}/v1", api_key=KEY)),
    "openai.responses": lambda: OpenAIResponsesModel(MODEL, provider=OpenAIProvider(base_url=f"{URL}/v1", api_key=KEY)),
    "gemini.generate": lambda: GoogleModel(MODEL, provider=GoogleProvider(base_url=URL, api_key=KEY)),
}
agent = Agent(FLAVOURS[sys.argv[1]](), instructions="Be brief.")


@agent.tool_plain
def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    print("tool:", city)
    return "21 degrees"


async def main() -> None:
    async with agent.run_stream("What is the weather in Paris?") as run:
        print("text:", "".join([piece async for piece in run.stream_text(delta=True)]))
        print("tokens:", run.usage.output_tokens > 0)


asyncio.run(main())
