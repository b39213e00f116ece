"""OpenAI's Agents SDK answers a question with a tool, streamed."""

from __future__ import annotations

import asyncio

from openai import AsyncOpenAI
from serving import QUESTION, Job, Told, serve

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)

MODELS = {"openai.chat": OpenAIChatCompletionsModel, "openai.responses": OpenAIResponsesModel}


async def answer(job: Job, told: Told) -> None:
    client = AsyncOpenAI(base_url=f"{job.url}/v1", api_key=job.key, max_retries=0)
    model = MODELS[job.flavour](model=job.model, openai_client=client)
    asked = ModelSettings(include_usage=True)
    tools = [function_tool(told.get_weather)]
    agent = Agent(name="Weather", instructions="Be brief.", tools=tools, model=model, model_settings=asked)
    run = Runner.run_streamed(agent, QUESTION)
    async for event in run.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            told.text += event.data.delta
    told.counted = run.context_wrapper.usage.output_tokens > 0


set_tracing_disabled(True)
serve(lambda job, told: asyncio.run(answer(job, told)))
