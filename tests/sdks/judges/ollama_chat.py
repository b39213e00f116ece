"""Judges Ollama's chat with Ollama's own library."""

from __future__ import annotations

import ollama
from judging import Headers, Job, Verdict, converse, once, serve


@once
def library(job: Job, headers: Headers) -> ollama.Client:
    """The library as its users set it up; its key goes into a header."""
    return ollama.Client(
        job.base_url,
        headers={"authorization": f"Bearer {job.key}"},
        event_hooks={"response": [headers.hear]},
        timeout=60,
    )


def opening(job: Job) -> list[dict]:
    """The conversation before the first answer."""
    told = [{"role": "system", "content": job.system}] if job.system else []
    told += [{"role": role, "content": text} for role, text in job.history]
    return [*told, {"role": "user", "content": job.prompt, **({"images": [job.image]} if job.image else {})}]


def settings(job: Job) -> dict:
    """All of the request but the conversation."""
    told: dict = {"model": job.model}
    options = {"num_predict": job.limit, "stop": [job.stop] if job.stop else None}
    options |= {"temperature": job.temperature, "seed": job.seed}
    if any(options.values()):
        told["options"] = {name: value for name, value in options.items() if value}
    if job.tools:
        told["tools"] = [{"type": "function", "function": tool} for tool in job.tools]
    if job.schema:
        told["format"] = job.schema
    if job.thinking:
        told["think"] = True
    if job.logprobs:
        told |= {"logprobs": True, "top_logprobs": job.logprobs}
    return told


def judge(job: Job, verdict: Verdict, headers: Headers) -> None:
    client = library(job, headers)
    if job.task == "models":
        verdict.models = [model.model or "" for model in client.list().models]
        return
    messages, request = opening(job), settings(job)

    def turn(answered: list[dict]) -> list[dict]:
        messages.extend({"role": "tool", "tool_name": call["name"], "content": call["result"]} for call in answered)
        pieces = (
            client.chat(**request, messages=messages, stream=True)
            if job.stream
            else [client.chat(**request, messages=messages)]
        )
        message: dict = {"role": "assistant", "content": "", "thinking": "", "tool_calls": []}
        for piece in pieces:
            message["content"] += piece.message.content or ""
            message["thinking"] += piece.message.thinking or ""
            message["tool_calls"] += piece.message.tool_calls or ()
            for token in piece.logprobs or ():
                verdict.logprobs.append([token.token, token.logprob, len(token.top_logprobs or ())])
            if piece.done:
                verdict.finish = piece.done_reason
                verdict.usage = {"input": piece.prompt_eval_count, "output": piece.eval_count, "cached": 0}
        verdict.text += message["content"]
        verdict.thinking += message["thinking"]
        if job.forgets:
            message["thinking"] = ""
        messages.append({name: value for name, value in message.items() if value or name == "content"})
        calls = [call.function for call in message["tool_calls"]]
        return [{"name": call.name, "arguments": dict(call.arguments)} for call in calls]

    converse(job, verdict, turn)


serve(judge)
