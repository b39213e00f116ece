"""LlamaIndex answers a question with a tool, streamed."""

from __future__ import annotations

import asyncio

from llama_index.core.agent.workflow import AgentStream, FunctionAgent
from llama_index.llms.openai import OpenAI
from serving import QUESTION, Job, Told, serve


async def answer(job: Job, told: Told) -> None:
    model = OpenAI(model=job.model, api_base=f"{job.url}/v1", api_key=job.key, max_retries=0)
    run = FunctionAgent(tools=[told.get_weather], llm=model).run(QUESTION)
    async for event in run.stream_events():
        told.text += event.delta if isinstance(event, AgentStream) else ""
    await run
    told.counted = True  # this framework tells no usage of a stream


serve(lambda job, told: asyncio.run(answer(job, told)))
