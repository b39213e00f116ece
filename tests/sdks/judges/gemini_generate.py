"""Judges generateContent with Google's own library."""

from __future__ import annotations

import base64

import httpx
from google import genai
from google.genai import types
from judging import Headers, Job, Verdict, converse, once, passage, serve

ROLES = {"user": "user", "assistant": "model"}


@once
def library(job: Job, headers: Headers) -> genai.Client:
    """The library as its users set it up; it makes no second tries unless told."""
    heard = httpx.Client(event_hooks={"response": [headers.hear]}, timeout=60)
    return genai.Client(api_key=job.key, http_options=types.HttpOptions(base_url=job.base_url, httpx_client=heard))


def opening(job: Job) -> list[types.Content]:
    """The conversation before the first answer."""
    told = [types.Content(role=ROLES[role], parts=[types.Part(text=text)]) for role, text in job.history]
    parts = [types.Part(text=job.prompt)]
    given = (("image/png", job.image), ("application/pdf", job.file), ("audio/wav", job.audio))
    parts += [types.Part.from_bytes(data=base64.b64decode(data), mime_type=media) for media, data in given if data]
    return [*told, types.Content(role="user", parts=parts)]


def settings(job: Job) -> types.GenerateContentConfig:
    """All of the request but the conversation."""
    told: dict = {"automatic_function_calling": types.AutomaticFunctionCallingConfig(disable=True)}
    if job.system:
        told["system_instruction"] = job.system
    if job.limit:
        told["max_output_tokens"] = job.limit
    if job.stop:
        told["stop_sequences"] = [job.stop]
    if job.tools:
        declared = [
            types.FunctionDeclaration(
                name=tool["name"], description=tool["description"], parameters_json_schema=tool["parameters"]
            )
            for tool in job.tools
        ]
        told["tools"] = [types.Tool(function_declarations=declared)]
    if job.tool_choice:
        told["tool_config"] = types.ToolConfig(function_calling_config=choice(job.tool_choice))
    if job.schema:
        told |= {"response_mime_type": "application/json", "response_json_schema": job.schema}
    if job.thinking:
        told["thinking_config"] = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
    if job.logprobs:
        told |= {"response_logprobs": True, "logprobs": job.logprobs}
    hints = {"candidate_count": job.n, "temperature": job.temperature, "seed": job.seed}
    told |= {name: value for name, value in hints.items() if value is not None}
    return types.GenerateContentConfig(**told)


def choice(wanted: str) -> types.FunctionCallingConfig:
    modes = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
    if wanted in modes:
        return types.FunctionCallingConfig(mode=modes[wanted])
    return types.FunctionCallingConfig(mode="ANY", allowed_function_names=[wanted])


def note(answer: types.GenerateContentResponse, parts: list[types.Part], verdict: Verdict) -> None:
    """Takes one answer, or one piece of it, into account."""
    for one in answer.candidates or ():
        note_choice(one, verdict)
    first = answer.candidates[0] if answer.candidates else None
    candidate = None if first is None or first.index else first
    for part in (candidate and candidate.content and candidate.content.parts) or ():
        parts.append(part)
        if part.thought:
            verdict.thinking += part.text or ""
        else:
            verdict.text += part.text or ""
    if candidate and candidate.finish_reason:
        verdict.finish = candidate.finish_reason.value
    if candidate:
        note_extras(candidate, verdict)
    if answer.usage_metadata:
        verdict.usage = usage(answer.usage_metadata)


def note_choice(candidate: types.Candidate, verdict: Verdict) -> None:
    """Adds to the text of one of several answers."""
    at = candidate.index or 0
    verdict.choices += [""] * (at + 1 - len(verdict.choices))
    parts = (candidate.content and candidate.content.parts) or ()
    verdict.choices[at] += "".join(part.text or "" for part in parts if not part.thought)


def note_extras(candidate: types.Candidate, verdict: Verdict) -> None:
    """What stands beside the text. A passage's place is counted in bytes; its sources are told by number."""
    grounding = candidate.grounding_metadata
    chunks = (grounding and grounding.grounding_chunks) or []
    for support in (grounding and grounding.grounding_supports) or ():
        for number in support.grounding_chunk_indices or ():
            source = chunks[number].web or chunks[number].retrieved_context
            verdict.citations.append([source.uri, source.title])
            verdict.quoted.append(cited(verdict.text, support.segment))
    told = candidate.logprobs_result
    others = (told and told.top_candidates) or []
    for number, token in enumerate((told and told.chosen_candidates) or ()):
        verdict.logprobs.append([token.token, token.log_probability, len(others[number].candidates or ())])


def cited(text: str, segment: types.Segment) -> str | None:
    whole = passage(text.encode(), segment.start_index or 0, segment.end_index)
    return whole.decode() if whole else None


def usage(told: types.GenerateContentResponseUsageMetadata) -> dict:
    return {
        "input": told.prompt_token_count,
        "output": (told.candidates_token_count or 0) + (told.thoughts_token_count or 0),
        "cached": told.cached_content_token_count or 0,
    }


def kept(part: types.Part, job: Job) -> types.Part | None:
    """The part as it goes back."""
    if not job.forgets:
        return part
    return None if part.thought else part.model_copy(update={"thought_signature": None})


def response(call: dict) -> types.Part:
    result = types.FunctionResponse(id=call["id"], name=call["name"], response={"result": call["result"]})
    return types.Part(function_response=result)


def judge(job: Job, verdict: Verdict, headers: Headers) -> None:
    client = library(job, headers)
    if job.task == "models":
        verdict.models = [(model.name or "").removeprefix("models/") for model in client.models.list()]
        return
    contents, config = opening(job), settings(job)
    if job.task == "count":
        verdict.tokens = client.models.count_tokens(model=job.model, contents=contents).total_tokens
        return

    def turn(answered: list[dict]) -> list[dict]:
        if answered:
            contents.append(types.Content(role="user", parts=[response(call) for call in answered]))
        parts: list[types.Part] = []
        if job.stream:
            for piece in client.models.generate_content_stream(model=job.model, contents=contents, config=config):
                note(piece, parts, verdict)
        else:
            note(client.models.generate_content(model=job.model, contents=contents, config=config), parts, verdict)
        contents.append(types.Content(role="model", parts=[one for part in parts if (one := kept(part, job))]))
        calls = [part.function_call for part in parts if part.function_call]
        return [{"id": call.id, "name": call.name, "arguments": call.args} for call in calls]

    converse(job, verdict, turn)


serve(judge)
