"""Pydantic AI answers a question with a tool, streamed."""

from __future__ import annotations

import asyncio

from pydantic_ai import Agent
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider
from serving import QUESTION, Job, Told, serve

MODELS = {"openai.chat": OpenAIChatModel, "openai.responses": OpenAIResponsesModel, "gemini.generate": GoogleModel}


async def answer(job: Job, told: Told) -> None:
    if job.flavour == "gemini.generate":
        provider = GoogleProvider(base_url=job.url, api_key=job.key)
    else:
        provider = OpenAIProvider(base_url=f"{job.url}/v1", api_key=job.key)
    agent = Agent(MODELS[job.flavour](job.model, provider=provider), instructions="Be brief.")
    agent.tool_plain(told.get_weather)
    async with agent.run_stream(QUESTION) as run:
        told.text = "".join([piece async for piece in run.stream_text(delta=True)])
        told.counted = run.usage.output_tokens > 0


serve(lambda job, told: asyncio.run(answer(job, told)))
