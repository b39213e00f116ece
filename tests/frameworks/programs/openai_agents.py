"""OpenAI's Agents SDK answers a question with a tool, streamed, over the API that the first argument names."""

from __future__ import annotations

import asyncio
import os
import sys

from openai import AsyncOpenAI

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)

URL, KEY, MODEL = (os.environ[f"JUDGE_{name}"] for name in ("URL", "KEY", "MODEL"))
FLAVOURS = {"openai.chat": OpenAIChatCompletionsModel, "openai.responses": OpenAIResponsesModel}


@function_tool
def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    print("tool:", city)
    return "21 degrees"


async def main() -> None:
    set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
    model = FLAVOURS[sys.argv[1]](model=MODEL, openai_client=client)
    agent = Agent(
        name="Weather",
        instructions="Be brief.",
        tools=[get_weather],
        model=model,
        model_settings=ModelSettings(include_usage=True),
    )
    run = Runner.run_streamed(agent, "What is the weather in Paris?")
    text = ""
    async for event in run.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            text += event.data.delta
    print("text:", text)
    print("tokens:", run.context_wrapper.usage.output_tokens > 0)


asyncio.run(main())
