"""Judges messages with Anthropic's own library."""

from __future__ import annotations

import anthropic
from judging import Headers, Job, Verdict, converse, once, same, serve


@once
def library(job: Job, headers: Headers) -> anthropic.Anthropic:
    """The library as its users set it up, without second tries."""
    heard = anthropic.DefaultHttpxClient(event_hooks={"response": [headers.hear]})
    return anthropic.Anthropic(base_url=job.base_url, api_key=job.key, max_retries=0, timeout=60, http_client=heard)


def opening(job: Job) -> list[dict]:
    """The conversation before the first answer."""
    told = [{"role": role, "content": text} for role, text in job.history]
    words: dict = {"type": "text", "text": job.prompt}
    if job.cache_mark:
        words["cache_control"] = {"type": "ephemeral"}
    parts = [*attached(job), words]
    return [*told, {"role": "user", "content": parts if len(parts) > 1 or job.cache_mark else job.prompt}]


def attached(job: Job) -> list[dict]:
    """What goes along with the words."""
    given = (("image", "image/png", job.image), ("document", "application/pdf", job.file))
    return [
        {"type": kind, "source": {"type": "base64", "media_type": media, "data": data}}
        for kind, media, data in given
        if data
    ]


def settings(job: Job) -> dict:
    """All of the request but the conversation."""
    told: dict = {"model": job.model}
    if job.system:
        told["system"] = job.system
    if job.stop:
        told["stop_sequences"] = [job.stop]
    if job.tools:
        told["tools"] = [
            {"name": tool["name"], "description": tool["description"], "input_schema": tool["parameters"]}
            for tool in job.tools
        ]
    if job.tool_choice:
        named = {"required": {"type": "any"}, "auto": {"type": "auto"}, "none": {"type": "none"}}
        told["tool_choice"] = named.get(job.tool_choice, {"type": "tool", "name": job.tool_choice})
    if job.schema:
        told["output_config"] = {"format": {"type": "json_schema", "schema": job.schema}}
    if job.thinking:
        told["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    if job.user:
        told["metadata"] = {"user_id": job.user}
    return told


def streamed(client: anthropic.Anthropic, request: dict, verdict: Verdict) -> object:
    """The answer as a stream; the library puts it together, and so do we."""
    text = ""
    with client.messages.stream(**request) as events:
        for event in events:
            if event.type == "text":
                text += event.text
                verdict.text += event.text
            if event.type == "thinking":
                verdict.thinking += event.thinking
        whole = events.get_final_message()
    same("text", text, "".join(block.text for block in whole.content if block.type == "text"))
    return whole


def note_whole(whole: object, verdict: Verdict) -> None:
    """What an answer in one piece says."""
    for block in whole.content:
        if block.type == "text":
            verdict.text += block.text
        if block.type == "thinking":
            verdict.thinking += block.thinking


def note_citations(whole: object, verdict: Verdict) -> None:
    """What is cited; this format's web citations name no place in the text."""
    cited = [one for block in whole.content if block.type == "text" for one in block.citations or ()]
    for one in cited:
        is_web = one.type == "web_search_result_location"
        verdict.citations.append([one.url, one.title] if is_web else [None, one.document_title])
        verdict.quoted.append(None)


THOUGHTS = ("thinking", "redacted_thinking")


def kept(content: list, job: Job) -> list:
    """The answer as it goes back."""
    return [block for block in content if not (job.forgets and block.type in THOUGHTS)]


def answers(calls: list[dict]) -> list[dict]:
    """The message that brings the results of tools."""
    results = [{"type": "tool_result", "tool_use_id": call["id"], "content": call["result"]} for call in calls]
    return [{"role": "user", "content": results}] if results else []


def usage(told: object) -> dict:
    cached = told.cache_read_input_tokens or 0
    read = cached + (told.cache_creation_input_tokens or 0)
    return {"input": told.input_tokens + read, "output": told.output_tokens, "cached": cached}


def judge(job: Job, verdict: Verdict, headers: Headers) -> None:
    client = library(job, headers)
    messages, request = opening(job), settings(job)
    if job.task == "models":
        verdict.models = [model.id for model in client.models.list()]
        return
    if job.task == "count":
        verdict.tokens = client.messages.count_tokens(**request, messages=messages).input_tokens
        return
    request["max_tokens"] = job.limit or 4096

    def turn(answered: list[dict]) -> list[dict]:
        messages.extend(answers(answered))
        if job.stream:
            whole = streamed(client, {**request, "messages": messages}, verdict)
        else:
            whole = client.messages.create(**request, messages=messages)
            note_whole(whole, verdict)
        verdict.finish, verdict.usage = whole.stop_reason, usage(whole.usage)
        verdict.written = whole.usage.cache_creation_input_tokens
        note_citations(whole, verdict)
        messages.append({"role": "assistant", "content": kept(whole.content, job)})
        return [
            {"id": block.id, "name": block.name, "arguments": block.input}
            for block in whole.content
            if block.type == "tool_use"
        ]

    converse(job, verdict, turn)


serve(judge)
