"""Reads Bedrock's Converse and ConverseStream, Nova's body of InvokeModel (the same shape), and Titan's older one.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html and API_runtime_ConverseStream.html.

* A stream is AWS event-stream frames; `contentBlockStart` comes for tools only; `metadata` with the usage comes after
  `messageStop` and ends the stream. A failure is a frame whose `:message-type` is `exception`. The field `p` is
  padding.
* `inputTokens` leaves out what was read from or written to the cache (the page on prompt caching); the whole input is
  the sum. No recording has cached tokens. Nova tells the same counts twice, as `...Tokens` and `...TokenCount`.
* A tool use of type `server_tool_use` is hosted, its result is not read
  (bedrock.converse_stream__server_tools_stream__4a94585a).
* Text within `citationsContent` is text of the answer; every citation counts, a streamed one too.
* `guardrail_intervened` is a content filter; the text beside it is what the guardrail let through.
* The answer tells neither model nor id.
"""

from __future__ import annotations

import base64
import re

from recordings.reader import frames
from recordings.reader.found import Answer, Asked, Call, Message, Result, Usage
from recordings.reader.look import arr, count, joined, obj, objs, parsed, text
from recordings.replay import Json, Object, Recording, response_bytes

__all__ = ["answer", "asked", "titan_answer", "titan_asked"]

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
MEDIA = {"image": "image", "document": "file", "video": "video", "audio": "audio"}
CHOICES = {"auto": "auto", "any": "required"}


def answer(recording: Recording) -> Answer:
    """What the message holds; a stream is first put together into the blocks it spells."""
    if not recording.streamed:
        body = obj(recording.body)
        return _message(objs(obj(obj(body.get("output")).get("message")).get("content")), body)
    blocks: dict[str, Object] = {}
    last: Object = {}
    names: list[str] = []
    for frame in frames.aws_frames(response_bytes(recording)[2]):
        event = obj(parsed(frame.payload.decode())[1])
        names.append(frame.headers[":event-type"])
        index = str(event.get("contentBlockIndex"))
        if "start" in event:
            blocks[index] = {**obj(event["start"])}
        elif "delta" in event:
            _grow(blocks.setdefault(index, {}), obj(event["delta"]))
        last = {**last, **event}
    found = _message(list(blocks.values()), last)
    found.ended_properly = names[-2:] == ["messageStop", "metadata"]
    return found


def asked(recording: Recording) -> Asked:
    """What the request asks for."""
    body = obj(recording.request)
    named = re.search(r"/model/([^/]+)/", recording.path)
    found = Asked(model=named.group(1) if named else None, stream="stream" in recording.path)
    found.system = [text(block.get("text")) for block in objs(body.get("system"))]
    for message in objs(body.get("messages")):
        told = found.message(text(message.get("role")))
        for block in objs(message.get("content")):
            _asked_block(found, told, block)
    tools = obj(body.get("toolConfig"))
    for tool in objs(tools.get("tools")):
        spec = obj(tool.get("toolSpec"))
        if spec:
            found.offers(text(spec.get("name")), obj(spec.get("inputSchema")).get("json"))
        else:
            found.hosted += [text(obj(tool[kind]).get("name")) for kind in tool]
    for kind, named_tool in obj(tools.get("toolChoice")).items():
        found.tool_choice = CHOICES.get(kind) or f"tool:{text(obj(named_tool).get('name'))}"
    config = obj(body.get("inferenceConfig"))
    found.max_tokens = count(config.get("maxTokens", config.get("max_new_tokens")))
    found.stop = [text(word) for word in arr(config.get("stopSequences"))]
    found.temperature, found.top_p = config.get("temperature"), config.get("topP")
    return found


def titan_answer(recording: Recording) -> Answer:
    """What a Titan text model wrote: one or more chunks with `outputText`, the last with a reason and the counts."""
    found = Answer()
    for frame in frames.aws_frames(response_bytes(recording)[2]):
        chunk = obj(parsed(base64.b64decode(text(obj(parsed(frame.payload.decode())[1]).get("bytes"))).decode())[1])
        found.text += text(chunk.get("outputText"))
        found.finish_raw = text(chunk.get("completionReason")) or found.finish_raw
        counts = chunk.get("inputTextTokenCount"), chunk.get("totalOutputTextTokenCount")
        found.usage = Usage(input_total=count(counts[0]), output_total=count(counts[1]))
    found.finish = {"FINISH": "stop", "LENGTH": "length"}.get(found.finish_raw or "")
    found.ended_properly = found.finish is not None
    return found


def titan_asked(recording: Recording) -> Asked:
    """What was asked of a Titan text model: one text to go on with."""
    body = obj(recording.request)
    config = obj(body.get("textGenerationConfig"))
    found = Asked(model=recording.path.split("/")[2], stream="stream" in recording.path)
    found.message("user").text = text(body.get("inputText"))
    found.max_tokens = count(config.get("maxTokenCount"))
    found.stop = [text(word) for word in arr(config.get("stopSequences"))]
    found.temperature, found.top_p = config.get("temperature"), config.get("topP")
    return found


def _grow(block: Object, delta: Object) -> None:
    if "toolUse" in delta:
        use = obj(block.get("toolUse"))
        block["toolUse"] = {**use, "input": text(use.get("input")) + text(obj(delta["toolUse"]).get("input"))}
    elif "reasoningContent" in delta:
        piece, known = obj(delta["reasoningContent"]), obj(obj(block.get("reasoningContent")).get("reasoningText"))
        grown: Object = {name: text(known.get(name)) + text(piece.get(name)) for name in ("text", "signature")}
        block["reasoningContent"] = {"reasoningText": grown}
    elif "citation" in delta:
        whole = obj(block.get("citationsContent"))
        block["citationsContent"] = {**whole, "citations": [*arr(whole.get("citations")), delta["citation"]]}
    elif "text" in delta:
        block["text"] = text(block.get("text")) + text(delta["text"])


def _message(content: list[Object], body: Object) -> Answer:
    found = Answer()
    for block in content:
        _block(found, block)
    found.finish_raw = text(body.get("stopReason")) or None
    found.finish = FINISH[found.finish_raw] if found.finish_raw else None
    usage = obj(body.get("usage"))
    read, written = count(usage.get("cacheReadInputTokens")), count(usage.get("cacheWriteInputTokens"))
    if usage:
        found.usage = Usage(
            input_total=(count(usage.get("inputTokens")) or 0) + (read or 0) + (written or 0),
            output_total=count(usage.get("outputTokens")),
            cached=read,
            cache_write=written,
        )
    return found


def _block(found: Answer, block: Object) -> None:
    reasoning, cited = obj(block.get("reasoningContent")), obj(block.get("citationsContent"))
    found.text += text(block.get("text")) + joined(cited.get("content"))
    found.citations += len(objs(cited.get("citations")))
    known = obj(reasoning.get("reasoningText"))
    found.thinking += text(known.get("text"))
    signature = text(known.get("signature")) or text(reasoning.get("redactedContent"))
    found.signatures += [signature] if signature else []
    use = obj(block.get("toolUse"))
    if use.get("type") == "server_tool_use":
        found.hosted += 1
    elif use:
        found.calls.append(_call(use))


def _call(use: Object) -> Call:
    given = use.get("input")
    call = Call(id=text(use.get("toolUseId")), name=text(use.get("name")), arguments=text(given))
    call.value = None if isinstance(given, str) else given
    return call


def _asked_block(found: Asked, told: Message, block: Object) -> None:
    told.text += text(block.get("text")) + text(obj(obj(block.get("guardContent")).get("text")).get("text"))
    for kind, medium in MEDIA.items():
        if kind in block:
            told.saw(medium)
    known = obj(obj(block.get("reasoningContent")).get("reasoningText"))
    found.thinking += text(known.get("text"))
    found.signatures += [text(known["signature"])] if text(known.get("signature")) else []
    if "toolUse" in block:
        found.calls.append(_call(obj(block["toolUse"])))
    if "toolResult" in block:
        found.results.append(_result(obj(block["toolResult"])))


def _result(given: Object) -> Result:
    content = objs(given.get("content"))
    result = Result(id=text(given.get("toolUseId")), text=joined(given.get("content")))
    values: list[Json] = [block["json"] for block in content if "json" in block]
    if values:
        result.value = values[0] if len(values) == 1 else values
    elif any("text" not in block for block in content):
        result.value = given.get("content")
    result.failed = given.get("status") == "error" if given.get("status") else None
    return result
