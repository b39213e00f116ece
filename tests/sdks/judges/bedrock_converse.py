"""Judges Bedrock's Converse with AWS's own library."""

from __future__ import annotations

import base64
import json

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from judging import Headers, Job, Verdict, converse, once, serve


@once
def library(job: Job, headers: Headers) -> object:
    """The library with an access key, without second tries; the upstream checks its signature."""
    once = Config(retries={"total_max_attempts": 1}, read_timeout=60)
    return boto3.client(
        "bedrock-runtime",
        region_name="us-east-1",
        endpoint_url=job.base_url,
        aws_access_key_id="AKIAUNIGATETEST",
        aws_secret_access_key=job.key,
        config=once,
    )


def opening(job: Job) -> list[dict]:
    """The conversation before the first answer."""
    told = [{"role": role, "content": [{"text": text}]} for role, text in job.history]
    parts: list[dict] = [{"text": job.prompt}]
    if job.image:
        parts.append({"image": {"format": "png", "source": {"bytes": base64.b64decode(job.image)}}})
    if job.file:
        source = {"bytes": base64.b64decode(job.file)}
        parts.append({"document": {"format": "pdf", "name": "paper", "source": source}})
    if job.audio:
        parts.append({"audio": {"format": "wav", "source": {"bytes": base64.b64decode(job.audio)}}})
    if job.cache_mark:
        parts.append({"cachePoint": {"type": "default"}})
    return [*told, {"role": "user", "content": parts}]


def settings(job: Job) -> dict:
    """All of the request but the conversation."""
    told: dict = {"modelId": job.model}
    if job.system:
        told["system"] = [{"text": job.system}]
    inference = {"maxTokens": job.limit, "stopSequences": [job.stop] if job.stop else None}
    inference["temperature"] = job.temperature
    if any(inference.values()):
        told["inferenceConfig"] = {name: value for name, value in inference.items() if value}
    if job.tools:
        told["toolConfig"] = {"tools": [{"toolSpec": specification(tool)} for tool in job.tools]}
    if job.tools and job.tool_choice:
        named = {"required": {"any": {}}, "auto": {"auto": {}}}
        told["toolConfig"]["toolChoice"] = named.get(job.tool_choice, {"tool": {"name": job.tool_choice}})
    if job.thinking:
        told["additionalModelRequestFields"] = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    if job.metadata:
        told["requestMetadata"] = job.metadata
    return told


def specification(tool: dict) -> dict:
    return {"name": tool["name"], "description": tool["description"], "inputSchema": {"json": tool["parameters"]}}


def usage(told: dict) -> dict:
    cached, written = told.get("cacheReadInputTokens") or 0, told.get("cacheWriteInputTokens") or 0
    return {"input": told["inputTokens"] + cached + written, "output": told["outputTokens"], "cached": cached}


def streamed(client: object, request: dict, verdict: Verdict) -> list[dict]:
    """The answer as a stream, put together as the blocks of a message."""
    blocks: dict[int, dict] = {}
    for event in client.converse_stream(**request)["stream"]:
        match event:
            case {"contentBlockStart": {"contentBlockIndex": at, "start": {"toolUse": use}}}:
                blocks[at] = {"toolUse": {**use, "input": ""}}
            case {"contentBlockDelta": {"contentBlockIndex": at, "delta": delta}}:
                grow(blocks.setdefault(at, {}), delta)
            case {"messageStop": stop}:
                verdict.finish = stop["stopReason"]
            case {"metadata": told}:
                verdict.usage, verdict.written = usage(told["usage"]), told["usage"].get("cacheWriteInputTokens")
    return [finished(blocks[at]) for at in sorted(blocks)]


def grow(block: dict, delta: dict) -> None:
    if "text" in delta:
        block["text"] = block.get("text", "") + delta["text"]
    if "citation" in delta:
        block.setdefault("citations", []).append(delta["citation"])
    if "toolUse" in delta:
        block["toolUse"]["input"] += delta["toolUse"]["input"]
    if "redactedContent" in delta.get("reasoningContent", {}):
        block["reasoningContent"] = delta["reasoningContent"]
    elif "reasoningContent" in delta:
        told = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
        told["text"] += delta["reasoningContent"].get("text", "")
        if "signature" in delta["reasoningContent"]:
            told["signature"] = delta["reasoningContent"]["signature"]


def finished(block: dict) -> dict:
    if "citations" in block:
        return {"citationsContent": {"citations": block["citations"], "content": [{"text": block["text"]}]}}
    if "toolUse" not in block:
        return block
    return {"toolUse": {**block["toolUse"], "input": json.loads(block["toolUse"]["input"] or "{}")}}


def note(blocks: list[dict], verdict: Verdict) -> None:
    for block in blocks:
        cited = block.get("citationsContent", {"citations": [], "content": []})
        verdict.text += block.get("text", "") + "".join(part["text"] for part in cited["content"])
        verdict.citations += [[one["location"]["web"]["url"], one["title"]] for one in cited["citations"]]
        verdict.quoted += [None for _ in cited["citations"]]
        verdict.thinking += block.get("reasoningContent", {}).get("reasoningText", {}).get("text", "")


def answers(calls: list[dict]) -> list[dict]:
    results = [{"toolResult": {"toolUseId": c["id"], "content": [{"text": c["result"]}]}} for c in calls]
    return [{"role": "user", "content": results}] if results else []


def judge(job: Job, verdict: Verdict, headers: Headers) -> None:
    try:
        conversation(job, verdict, headers)
    except ClientError as error:
        error.status_code = error.response["ResponseMetadata"].get("HTTPStatusCode")
        raise


def conversation(job: Job, verdict: Verdict, headers: Headers) -> None:
    client = library(job, headers)
    messages, request = opening(job), settings(job)

    def turn(answered: list[dict]) -> list[dict]:
        messages.extend(answers(answered))
        if job.stream:
            blocks = streamed(client, {**request, "messages": messages}, verdict)
        else:
            answer = client.converse(**request, messages=messages)
            blocks, verdict.finish = answer["output"]["message"]["content"], answer["stopReason"]
            verdict.usage, verdict.written = usage(answer["usage"]), answer["usage"].get("cacheWriteInputTokens")
        note(blocks, verdict)
        kept = [block for block in blocks if not (job.forgets and "reasoningContent" in block)]
        messages.append({"role": "assistant", "content": kept})
        uses = [block["toolUse"] for block in blocks if "toolUse" in block]
        return [{"id": use["toolUseId"], "name": use["name"], "arguments": use["input"]} for use in uses]

    converse(job, verdict, turn)


serve(judge)
