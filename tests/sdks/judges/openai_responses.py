"""Judges responses with OpenAI's own library."""

from __future__ import annotations

import json

import openai
from judging import Headers, Job, Verdict, converse, once, passage, same, serve


@once
def library(job: Job, headers: Headers) -> openai.OpenAI:
    """The library as its users set it up, without second tries."""
    heard = openai.DefaultHttpxClient(event_hooks={"response": [headers.hear]})
    return openai.OpenAI(base_url=f"{job.base_url}/v1", api_key=job.key, max_retries=0, timeout=60, http_client=heard)


def opening(job: Job) -> list[dict]:
    """The conversation before the first answer."""
    told = [{"role": role, "content": text} for role, text in job.history]
    parts = [{"type": "input_text", "text": job.prompt}, *attached(job)]
    if job.cache_mark:
        parts[0]["prompt_cache_breakpoint"] = {"mode": "explicit"}
    return [*told, {"role": "user", "content": parts if len(parts) > 1 or job.cache_mark else job.prompt}]


def attached(job: Job) -> list[dict]:
    """What goes along with the words."""
    parts = []
    if job.image:
        parts.append({"type": "input_image", "image_url": f"data:image/png;base64,{job.image}", "detail": "auto"})
    if job.file:
        data = f"data:application/pdf;base64,{job.file}"
        parts.append({"type": "input_file", "filename": "paper.pdf", "file_data": data})
    if job.audio:
        parts.append({"type": "input_audio", "input_audio": {"data": job.audio, "format": "wav"}})
    return parts


def settings(job: Job) -> dict:
    """All of the request but the conversation."""
    told: dict = {"model": job.model, "store": False}
    if job.system:
        told["instructions"] = job.system
    if job.limit:
        told["max_output_tokens"] = job.limit
    if job.tools:
        told["tools"] = [{"type": "function", "strict": False, **tool} for tool in job.tools]
    if job.tool_choice in ("auto", "none", "required"):
        told["tool_choice"] = job.tool_choice
    elif job.tool_choice:
        told["tool_choice"] = {"type": "function", "name": job.tool_choice}
    if job.schema:
        told["text"] = {"format": {"type": "json_schema", "name": "answer", "schema": job.schema, "strict": True}}
    if job.thinking:
        told["reasoning"] = {"effort": "low", "summary": "auto"}
        told["include"] = ["reasoning.encrypted_content"]
    if job.logprobs:
        told |= {"top_logprobs": job.logprobs, "include": ["message.output_text.logprobs"]}
    hints = {"prompt_cache_key": job.cache_key}
    hints |= {name: getattr(job, name) for name in ("temperature", "user", "metadata")}
    return told | {name: value for name, value in hints.items() if value is not None}


THOUGHTS = ("response.reasoning_summary_text.delta", "response.reasoning_text.delta")


def streamed(client: openai.OpenAI, request: dict, verdict: Verdict) -> object:
    """The answer as a stream; the library puts it together, and so do we."""
    text, number, last = "", 0, None
    with client.responses.stream(**request) as events:
        for event in events:
            if event.type == "error":
                raise openai.APIError(event.message, events._response.request, body=event.to_dict())
            if event.type == "response.failed":
                error = event.response.error
                raise openai.APIError(error.message, events._response.request, body=error.to_dict())
            same("sequence_number", event.sequence_number, number)
            number, last = number + 1, event
            if event.type == "response.output_text.delta":
                text += event.delta
                verdict.text += event.delta
            if event.type in THOUGHTS:
                verdict.thinking += event.delta
        # The library gives no final response for an incomplete one.
        whole = last.response if last.type == "response.incomplete" else events.get_final_response()
    same("text", text, whole.output_text)
    return whole


def note_whole(whole: object, verdict: Verdict) -> None:
    """What an answer in one piece says."""
    verdict.text += whole.output_text
    for item in whole.output:
        if item.type == "reasoning":
            verdict.thinking += "".join(part.text for part in [*item.summary, *(item.content or ())])


def note_extras(whole: object, verdict: Verdict) -> None:
    """Of a whole answer what stands beside its text."""
    parts = [part for item in whole.output if item.type == "message" for part in item.content]
    for part in parts:
        if part.type == "output_text":
            for one in part.annotations:
                is_web = one.type == "url_citation"
                verdict.citations.append([one.url, one.title] if is_web else [None, one.filename])
                verdict.quoted.append(passage(part.text, one.start_index, one.end_index) if is_web else None)
            likely = part.logprobs or ()
            verdict.logprobs += [[one.token, one.logprob, len(one.top_logprobs)] for one in likely]


def usage(told: object) -> dict | None:
    if told is None:
        return None
    return {
        "input": told.input_tokens,
        "output": told.output_tokens,
        "cached": told.input_tokens_details.cached_tokens,
    }


def refusals(whole: object) -> str:
    messages = [item for item in whole.output if item.type == "message"]
    return "".join(part.refusal for item in messages for part in item.content if part.type == "refusal")


def judge(job: Job, verdict: Verdict, headers: Headers) -> None:
    client = library(job, headers)
    if job.task == "models":
        verdict.models = [model.id for model in client.models.list()]
        return
    items, request = opening(job), settings(job)

    def turn(answered: list[dict]) -> list[dict]:
        items.extend(
            {"type": "function_call_output", "call_id": call["id"], "output": call["result"]} for call in answered
        )
        if job.stream:
            whole = streamed(client, {**request, "input": items}, verdict)
        else:
            whole = client.responses.create(**request, input=items)
            note_whole(whole, verdict)
        if whole.error:
            raise openai.APIError(whole.error.message, None, body=whole.error)
        verdict.text += refusals(whole)
        reason = whole.incomplete_details and whole.incomplete_details.reason
        verdict.finish, verdict.usage = reason or whole.status, usage(whole.usage)
        verdict.written = whole.usage and whole.usage.input_tokens_details.cache_write_tokens
        note_extras(whole, verdict)
        items.extend(
            item.model_dump(exclude_none=True, exclude={"parsed_arguments", "parsed"})
            for item in whole.output
            if not (job.forgets and item.type == "reasoning")
        )
        return [
            {"id": item.call_id, "name": item.name, "arguments": json.loads(item.arguments)}
            for item in whole.output
            if item.type == "function_call"
        ]

    converse(job, verdict, turn)


serve(judge)
