"""Reads Anthropic messages, also as Vertex AI and Bedrock's InvokeModel carry them.

https://platform.claude.com/docs/en/api/messages and .../docs/en/build-with-claude/streaming. What the numbers mean:

* `input_tokens` leaves out what was read from or written to the cache, so the whole input is the sum of the three
  (the page on prompt caching; anthropic.messages__prompt_cache__11a62a87). `output_tokens` includes thinking, whose
  share is told by `output_tokens_details.thinking_tokens` in newer answers only
  (anthropic.messages__thinking_omitted_stream__cb697683).
* In a stream the counts of `message_delta` are cumulative and replace those of `message_start`, field by field; some
  carry output tokens only, so the input stays as `message_start` told it
  (vertex.anthropic.streamRawPredict__tools_stream__*).
* With compaction the counts at the top are those of the last pass only; all passes are billed, `usage.iterations`
  tells them (platform.claude.com/docs/en/build-with-claude/compaction;
  anthropic.messages__prompt_cache_stream__a3785d56). `usage` is the top, `billed` the sum where it differs. The
  compacted summary is neither text nor thinking.
* A thinking block's signature may come with no thinking at all; a redacted block's `data` counts as a signature in
  its place.
* Hosted items are the calls (`server_tool_use`), not their results. What search results carry encrypted is not a
  signature.
"""

from __future__ import annotations

import base64
import re

from recordings.reader import frames
from recordings.reader.found import Answer, Asked, Call, Message, Result, Usage
from recordings.reader.look import arr, count, joined, obj, objs, parsed, text
from recordings.replay import Json, Object, Recording, response_bytes

__all__ = ["answer", "asked"]

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "pause_turn": "pause",
    "refusal": "refusal",
}
MEDIA = {"image": "image", "document": "file"}


def answer(recording: Recording) -> Answer:
    """What the message holds; a stream is first put together into the message it spells."""
    if not recording.streamed:
        return _message(obj(recording.body))
    events = _events(recording)
    message = _assembled(events)
    found = _message(message)
    found.ended_properly = bool(events) and events[-1].get("type") == "message_stop"
    if not message.get("said_input_late", True):
        found.odd.append("message_delta tells output tokens only")
    return found


def asked(recording: Recording) -> Asked:
    """What the request asks for."""
    body = obj(recording.request)
    found = Asked(stream=body.get("stream") is True or "tream" in recording.path)
    named = re.search(r"/models/([^/:]+)|/model/([^/]+)/", recording.path)
    found.model = text(body.get("model")) or (named and (named.group(1) or named.group(2))) or None
    system = body.get("system")
    found.system = [system] if isinstance(system, str) else [text(block.get("text")) for block in objs(system)]
    for message in objs(body.get("messages")):
        _asked_message(found, message)
    for tool in objs(body.get("tools")):
        if "input_schema" in tool:
            found.offers(text(tool.get("name")), tool["input_schema"])
        else:
            found.hosted.append(text(tool.get("type")))
    choice = obj(body.get("tool_choice"))
    kinds = {"auto": "auto", "any": "required", "none": "none", "tool": f"tool:{text(choice.get('name'))}"}
    found.tool_choice = kinds.get(text(choice.get("type")))
    apart = choice.get("disable_parallel_tool_use")
    found.parallel = not apart if isinstance(apart, bool) else None
    found.max_tokens = count(body.get("max_tokens"))
    found.stop = [text(word) for word in arr(body.get("stop_sequences"))]
    found.temperature, found.top_p = body.get("temperature"), body.get("top_p")
    wanted = obj(body.get("output_format")) or obj(obj(body.get("output_config")).get("format"))
    found.format_kind, found.format_schema = text(wanted.get("type")) or None, wanted.get("schema")
    return found


def _events(recording: Recording) -> list[Object]:
    if recording.encoding != "base64":
        return [obj(event.json) for event in frames.server_sent_events(text(recording.body))]
    chunks = [obj(parsed(frame.payload.decode())[1]) for frame in frames.aws_frames(response_bytes(recording)[2])]
    return [obj(parsed(base64.b64decode(text(chunk.get("bytes"))).decode())[1]) for chunk in chunks]


def _assembled(events: list[Object]) -> Object:
    message: Object = {}
    blocks: dict[Json, Object] = {}
    inputs: dict[Json, str] = {}
    for event in events:
        index = str(event.get("index"))
        kind = event.get("type")
        if kind == "message_start":
            message = {**obj(event.get("message"))}
        elif kind == "content_block_start":
            blocks[index] = {**obj(event.get("content_block"))}
        elif kind == "content_block_delta":
            _grow(blocks[index], inputs, index, obj(event.get("delta")))
        elif kind == "message_delta":
            late = obj(event.get("usage"))
            message = {**message, **obj(event.get("delta")), "usage": {**obj(message.get("usage")), **late}}
            message["said_input_late"] = "input_tokens" in late
        elif kind == "error":
            message["error"] = event.get("error")
    for index, source in inputs.items():
        blocks[index]["input_text"] = source
    content: list[Json] = [*blocks.values()]
    return {**message, "content": content}


def _grow(block: Object, inputs: dict[Json, str], index: str, delta: Object) -> None:
    if delta.get("type") == "input_json_delta":
        inputs[index] = inputs.get(index, "") + text(delta.get("partial_json"))
    elif delta.get("type") == "citations_delta":
        block["citations"] = [*arr(block.get("citations")), delta.get("citation")]
    else:
        for name in ("text", "thinking", "signature", "content"):
            if name in delta:
                block[name] = text(block.get(name)) + text(delta[name])


def _message(message: Object) -> Answer:
    found = Answer(model=text(message.get("model")), id=text(message.get("id")))
    for block in objs(message.get("content")):
        _block(found, block)
    found.finish_raw = text(message.get("stop_reason")) or None
    found.finish = FINISH[found.finish_raw] if found.finish_raw else None
    usage = obj(message.get("usage"))
    found.usage, found.billed = _usage(usage), _sum([_usage(one) for one in objs(usage.get("iterations"))])
    details = obj(message.get("stop_details"))
    found.refusal = text(details.get("explanation"))
    return found


def _block(found: Answer, block: Object) -> None:
    kind = text(block.get("type"))
    if kind == "text":
        found.text += text(block.get("text"))
        found.citations += len(arr(block.get("citations")))
    elif kind == "thinking":
        found.thinking += text(block.get("thinking"))
        found.signatures += [text(block.get("signature"))] if block.get("signature") else []
        if not block.get("thinking"):
            found.odd.append("a thinking block has a signature and no text")
    elif kind == "redacted_thinking":
        found.signatures.append(text(block.get("data")))
    elif kind == "tool_use":
        found.calls.append(_call(block))
    elif kind.endswith("tool_use"):
        found.hosted += 1
    elif not kind.endswith("tool_result"):
        found.odd.append(f"a block of type {kind}")


def _call(block: Object) -> Call:
    call = Call(id=text(block.get("id")), name=text(block.get("name")), arguments=text(block.get("input_text")))
    if "input_text" not in block:
        call.value = block.get("input")
    return call


def _usage(usage: Object) -> Usage | None:
    if not usage:
        return None
    read, written = count(usage.get("cache_read_input_tokens")), count(usage.get("cache_creation_input_tokens"))
    return Usage(
        input_total=(count(usage.get("input_tokens")) or 0) + (read or 0) + (written or 0),
        output_total=count(usage.get("output_tokens")),
        cached=read,
        cache_write=written,
        reasoning=count(obj(usage.get("output_tokens_details")).get("thinking_tokens")),
    )


def _sum(passes: list[Usage | None]) -> Usage | None:
    told = [one for one in passes if one]
    if not told:
        return None
    return Usage(
        input_total=sum(one.input_total or 0 for one in told),
        output_total=sum(one.output_total or 0 for one in told),
        cached=sum(one.cached or 0 for one in told),
        cache_write=sum(one.cache_write or 0 for one in told),
    )


def _asked_message(found: Asked, message: Object) -> None:
    told = found.message(text(message.get("role")))
    content = message.get("content")
    told.text = content if isinstance(content, str) else ""
    for block in objs(content):
        _asked_block(found, told, block)


def _asked_block(found: Asked, told: Message, block: Object) -> None:
    kind = text(block.get("type"))
    if kind == "text":
        told.text += text(block.get("text"))
    elif kind in MEDIA:
        told.saw(MEDIA[kind])
    elif kind == "thinking":
        found.thinking += text(block.get("thinking"))
        found.signatures.append(text(block.get("signature")))
    elif kind == "redacted_thinking":
        found.signatures.append(text(block.get("data")))
    elif kind == "tool_use":
        found.calls.append(_call(block))
    elif kind == "tool_result":
        found.results.append(_result(block))
    else:
        found.odd.append(f"a block of type {kind}")


def _result(block: Object) -> Result:
    failed = block.get("is_error")
    result = Result(id=text(block.get("tool_use_id")), text=joined(block.get("content")))
    result.failed = failed if isinstance(failed, bool) else None
    if any(part.get("type") != "text" for part in objs(block.get("content"))):
        result.value = block.get("content")
    return result
