"""Judges chat completions with OpenAI's own library."""

from __future__ import annotations

import json
from types import SimpleNamespace

import openai
from judging import Headers, Job, Verdict, converse, once, passage, same, serve


@once
def library(job: Job, headers: Headers) -> openai.OpenAI:
    """The library as its users set it up, without second tries."""
    heard = openai.DefaultHttpxClient(event_hooks={"response": [headers.hear]})
    return openai.OpenAI(base_url=f"{job.base_url}/v1", api_key=job.key, max_retries=0, timeout=60, http_client=heard)


def opening(job: Job) -> list[dict]:
    """The conversation before the first answer."""
    told = [{"role": "system", "content": job.system}] if job.system else []
    told += [{"role": role, "content": text} for role, text in job.history]
    parts = [{"type": "text", "text": job.prompt}, *attached(job)]
    if job.cache_mark:
        parts[0]["prompt_cache_breakpoint"] = {"mode": "explicit"}
    return [*told, {"role": "user", "content": parts if len(parts) > 1 or job.cache_mark else job.prompt}]


def attached(job: Job) -> list[dict]:
    """What goes along with the words."""
    parts = []
    if job.image:
        parts.append({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{job.image}"}})
    if job.file:
        paper = {"filename": "paper.pdf", "file_data": f"data:application/pdf;base64,{job.file}"}
        parts.append({"type": "file", "file": paper})
    if job.audio:
        parts.append({"type": "input_audio", "input_audio": {"data": job.audio, "format": "wav"}})
    return parts


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
    if job.logprobs:
        told |= {"logprobs": True, "top_logprobs": job.logprobs}
    hints = {"prompt_cache_key": job.cache_key}
    hints |= {name: getattr(job, name) for name in ("n", "temperature", "seed", "user", "metadata")}
    return told | {name: value for name, value in hints.items() if value is not None}


def note_extras(whole: object, verdict: Verdict) -> None:
    """Of a whole answer what stands beside its text."""
    choice = whole.choices[0]
    for cited in choice.message.annotations or ():
        place = cited.url_citation or SimpleNamespace(**cited.document_citation, url=None, start_index=0, end_index=0)
        verdict.citations.append([place.url, place.title])
        verdict.quoted.append(passage(choice.message.content or "", place.start_index, place.end_index))
    for token in (choice.logprobs and choice.logprobs.content) or ():
        verdict.logprobs.append([token.token, token.logprob, len(token.top_logprobs)])
    verdict.choices = [one.message.content or "" for one in whole.choices]


def kept(message: object, job: Job) -> dict:
    """The message as it goes back."""
    thoughts = {"reasoning_content", "reasoning_details"} if job.forgets else set()
    return message.model_dump(exclude_none=True, exclude={"parsed", *thoughts})


def streamed(client: openai.OpenAI, request: dict, verdict: Verdict) -> object:
    """The answer as a stream; the library puts it together, and so do we."""
    text = ""
    with client.chat.completions.stream(**request, stream_options={"include_usage": True}) as events:
        try:
            for event in events:
                if event.type == "content.delta":
                    text += event.delta
                first = [one for one in event.chunk.choices if not one.index] if event.type == "chunk" else []
                for choice in first:
                    verdict.thinking += getattr(choice.delta, "reasoning_content", None) or ""
                    verdict.text += choice.delta.content or ""
            whole = events.get_final_completion()
        # This library raises for two finish reasons, and shows what came only where it is asked for it.
        except (openai.LengthFinishReasonError, openai.ContentFilterFinishReasonError):
            whole = events.current_completion_snapshot
    # The library tells the pieces of several answers under one name.
    same("text", text if len(whole.choices) == 1 else verdict.text, whole.choices[0].message.content or "")
    return whole


def usage(told: object) -> dict | None:
    if told is None:
        return None
    details = told.prompt_tokens_details
    cached = details.cached_tokens if details else None
    return {"input": told.prompt_tokens, "output": told.completion_tokens, "cached": cached or 0}


def written(told: object) -> int | None:
    return told.prompt_tokens_details.cache_write_tokens if told and told.prompt_tokens_details else None


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
        verdict.usage, verdict.written = usage(whole.usage), written(whole.usage)
        note_extras(whole, verdict)
        messages.append(kept(message, job))
        return [
            {"id": call.id, "name": call.function.name, "arguments": json.loads(call.function.arguments)}
            for call in message.tool_calls or ()
        ]

    converse(job, verdict, turn)


serve(judge)
