"""Judges Cohere's chat with Cohere's own library."""

from __future__ import annotations

import json
from collections.abc import Iterable

import cohere
import httpx
from judging import Headers, Job, Verdict, converse, once, serve


@once
def library(job: Job, headers: Headers) -> cohere.ClientV2:
    """The library as its users set it up, without second tries."""
    heard = httpx.Client(event_hooks={"response": [headers.hear]}, timeout=60)
    return cohere.ClientV2(api_key=job.key, base_url=job.base_url, httpx_client=heard, max_retries=0)


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
        told["max_tokens"] = job.limit
    if job.stop:
        told["stop_sequences"] = [job.stop]
    if job.tools:
        told["tools"] = [{"type": "function", "function": tool} for tool in job.tools]
    if job.tool_choice in ("none", "required"):
        told["tool_choice"] = job.tool_choice.upper()
    if job.schema:
        told["response_format"] = {"type": "json_object", "json_schema": job.schema}
    if job.thinking:
        told["thinking"] = {"type": "enabled", "token_budget": 1024}
    hints = {"temperature": job.temperature, "seed": job.seed}
    return told | {name: value for name, value in hints.items() if value is not None}


def usage(told: object) -> dict | None:
    if told is None or told.tokens is None:
        return None
    return {"input": int(told.tokens.input_tokens), "output": int(told.tokens.output_tokens), "cached": 0}


def note_citations(cited: Iterable[cohere.Citation], verdict: Verdict) -> None:
    for one in cited:
        verdict.citations += [[source.document["url"], source.document["title"]] for source in one.sources]
        verdict.quoted.append(one.text)


def whole(client: cohere.ClientV2, request: dict, verdict: Verdict) -> dict:
    """The answer in one piece, as the next request's message."""
    answer = client.chat(**request)
    verdict.finish, verdict.usage = answer.finish_reason, usage(answer.usage)
    note_citations(answer.message.citations or (), verdict)
    for part in answer.message.content or ():
        if part.type == "thinking":
            verdict.thinking += part.thinking
        else:
            verdict.text += part.text
    calls = answer.message.tool_calls or ()
    return {"tool_plan": answer.message.tool_plan, "tool_calls": [call.dict() for call in calls]}


def streamed(client: cohere.ClientV2, request: dict, verdict: Verdict) -> dict:
    """The answer as a stream, put together as the next request's message."""
    calls: list[dict] = []
    for event in client.chat_stream(**request):
        match event.type:
            case "content-delta":
                verdict.text += event.delta.message.content.text or ""
                verdict.thinking += getattr(event.delta.message.content, "thinking", None) or ""
            case "citation-start":
                note_citations([event.delta.message.citations], verdict)
            case "tool-call-start":
                calls.append(event.delta.message.tool_calls.dict())
            case "tool-call-delta":
                calls[-1]["function"]["arguments"] += event.delta.message.tool_calls.function.arguments
            case "message-end":
                verdict.finish, verdict.usage = event.delta.finish_reason, usage(event.delta.usage)
                if event.delta.error:
                    raise RuntimeError(event.delta.error)
    return {"tool_calls": calls}


def judge(job: Job, verdict: Verdict, headers: Headers) -> None:
    client = library(job, headers)
    if job.task == "models":
        verdict.models = [model.name or "" for model in client.models.list().models]
        return
    messages, request = opening(job), settings(job)

    def turn(answered: list[dict]) -> list[dict]:
        messages.extend({"role": "tool", "tool_call_id": call["id"], "content": call["result"]} for call in answered)
        answer = streamed if job.stream else whole
        known = len(verdict.thinking)
        message = answer(client, {**request, "messages": messages}, verdict)
        thought = [{"type": "thinking", "thinking": verdict.thinking[known:]}] if not job.forgets else []
        messages.append({"role": "assistant", "content": thought, **message})
        return [
            {
                "id": call["id"],
                "name": call["function"]["name"],
                "arguments": json.loads(call["function"]["arguments"]),
            }
            for call in message["tool_calls"]
        ]

    converse(job, verdict, turn)


serve(judge)
