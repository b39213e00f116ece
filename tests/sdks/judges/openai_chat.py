"""Judges chat completions with OpenAI's own library."""

from __future__ import annotations

import json

import openai
from judging import Headers, Job, Verdict, converse, same, serve


def library(job: Job, headers: Headers) -> openai.OpenAI:
    """The library as its users set it up, without second tries."""
    heard = openai.DefaultHttpxClient(event_hooks={"response": [headers.hear]})
    return openai.OpenAI(base_url=f"{job.base_url}/v1", api_key=job.key, max_retries=0, timeout=20, http_client=heard)


def opening(job: Job) -> list[dict]:
    """The conversation before the first answer."""
    told = [{"role": "system", "content": job.system}] if job.system else []
    told += [{"role": role, "content": text} for role, text in job.history]
    if not job.image:
        return [*told, {"role": "user", "content": job.prompt}]
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{job.image}"}}
    return [*told, {"role": "user", "content": [{"type": "text", "text": job.prompt}, picture]}]


def settings(job: Job) -> dict:
    """All of the request but the conversation."""
    told: dict = {"model": job.model}
    if job.limit:
        told["max_completion_tokens"] = job.limit
    if job.stop:
        told["stop"] = [job.stop]
    if job.tools:
        told["tools"] = [{"type": "function", "function": tool} for tool in job.tools]
    if job.tool_choice in ("auto", "none", "required"):
        told["tool_choice"] = job.tool_choice
    elif job.tool_choice:
        told["tool_choice"] = {"type": "function", "function": {"name": job.tool_choice}}
    if job.schema:
        told["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": job.schema, "strict": True},
        }
    if job.thinking:
        told["reasoning_effort"] = "low"
    return told


def streamed(client: openai.OpenAI, request: dict, verdict: Verdict) -> object:
    """The answer as a stream; the library puts it together, and so do we."""
    text = ""
    with client.chat.completions.stream(**request, stream_options={"include_usage": True}) as events:
        try:
            for event in events:
                if event.type == "content.delta":
                    text += event.delta
                if event.type == "chunk" and event.chunk.choices:
                    verdict.thinking += getattr(event.chunk.choices[0].delta, "reasoning_content", None) or ""
                    verdict.text += event.chunk.choices[0].delta.content or ""
            whole = events.get_final_completion()
        # This library raises for two finish reasons, and shows what came only where it is asked for it.
        except (openai.LengthFinishReasonError, openai.ContentFilterFinishReasonError):
            whole = events.current_completion_snapshot
    same("text", text, whole.choices[0].message.content or "")
    return whole


def usage(told: object) -> dict | None:
    if told is None:
        return None
    details = told.prompt_tokens_details
    cached = details.cached_tokens if details else None
    return {"input": told.prompt_tokens, "output": told.completion_tokens, "cached": cached or 0}


def judge(job: Job, verdict: Verdict, headers: Headers) -> None:
    client = library(job, headers)
    if job.task == "models":
        verdict.models = [model.id for model in client.models.list()]
        return
    messages, request = opening(job), settings(job)

    def turn(answered: list[dict]) -> list[dict]:
        messages.extend({"role": "tool", "tool_call_id": call["id"], "content": call["result"]} for call in answered)
        if job.stream:
            whole = streamed(client, {**request, "messages": messages}, verdict)
        else:
            whole = client.chat.completions.create(**request, messages=messages)
            verdict.text += whole.choices[0].message.content or ""
            verdict.thinking += getattr(whole.choices[0].message, "reasoning_content", None) or ""
        message, verdict.finish = whole.choices[0].message, whole.choices[0].finish_reason
        verdict.text += getattr(message, "refusal", None) or ""
        verdict.usage = usage(whole.usage)
        messages.append(message.model_dump(exclude_none=True, exclude={"parsed"}))
        return [
            {"id": call.id, "name": call.function.name, "arguments": json.loads(call.function.arguments)}
            for call in message.tool_calls or ()
        ]

    converse(job, verdict, turn)


serve(judge)
