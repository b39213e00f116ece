"""LangChain answers a question with a tool, streamed."""

from __future__ import annotations

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import StructuredTool
from langchain_openai import ChatOpenAI
from serving import QUESTION, Job, Told, serve


def model_of(job: Job) -> ChatOpenAI | ChatAnthropic:
    """LangChain's client for this API."""
    if job.flavour == "anthropic.messages":
        return ChatAnthropic(model=job.model, base_url=job.url, api_key=job.key, max_retries=0, max_tokens=500)
    by_responses = job.flavour == "openai.responses"
    place = {"base_url": f"{job.url}/v1", "api_key": job.key, "max_retries": 0, "stream_usage": True}
    return ChatOpenAI(model=job.model, use_responses_api=by_responses, **place)


def play(job: Job, told: Told) -> None:
    tool = StructuredTool.from_function(told.get_weather)
    model = model_of(job).bind_tools([tool])
    messages: list = [HumanMessage(QUESTION)]
    for _ in range(3):
        whole = None
        for chunk in model.stream(messages):
            whole = chunk if whole is None else whole + chunk
        messages.append(whole)
        if not whole.tool_calls:
            told.text, told.counted = whole.text, whole.usage_metadata["output_tokens"] > 0
            return
        messages += [ToolMessage(tool.invoke(call["args"]), tool_call_id=call["id"]) for call in whole.tool_calls]


serve(play)
