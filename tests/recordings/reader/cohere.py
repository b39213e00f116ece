"""Reads Cohere's chat, version 2.

https://docs.cohere.com/reference/chat, https://docs.cohere.com/reference/chat-stream,
https://docs.cohere.com/v2/docs/streaming.

* `usage.tokens` is what the model read and wrote, its own preamble included, and `cached_tokens` is part of that
  input; `billed_units` is what is billed, and may be less than was cached
  (cohere.v2.chat__citations_stream__83e923be: 1645 read, 1600 of them cached, 135 billed). `usage` is the former,
  `billed` the latter.
* Tokens of images are counted apart from the input (cohere.v2.chat__vision__1694dfd1: 34 and 259, 267 billed).
* `tool_plan`, said before calls, is neither the answer nor reasoning, and is told apart as `plan`.
* A tool without parameters is called with the arguments "null" (cohere.v2.chat__tools__85289167), streamed with none
  at all.
* A failure within a stream is `message-end` with `finish_reason: ERROR`, then `[DONE]`.
* The answer does not tell the model.
"""

from __future__ import annotations

from recordings.reader import frames
from recordings.reader.errors import error_fact
from recordings.reader.found import Answer, Asked, Call, Result, Usage
from recordings.reader.look import arr, count, joined, obj, objs, text
from recordings.replay import Object, Recording

__all__ = ["answer", "asked"]

FINISH = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop_sequence",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR": "error",
}
CHOICES = {"REQUIRED": "required", "NONE": "none"}


def answer(recording: Recording) -> Answer:
    """What the message holds."""
    if recording.streamed:
        return _stream(recording)
    body = obj(recording.body)
    found = Answer(id=text(body.get("id")))
    message = obj(body.get("message"))
    _piece(found, message, objs(message.get("content")))
    for call in objs(message.get("tool_calls")):
        found.calls.append(_call(call))
    found.citations = len(objs(message.get("citations")))
    _end(found, body)
    return found


def asked(recording: Recording) -> Asked:
    """What the request asks for."""
    body = obj(recording.request)
    found = Asked(model=text(body.get("model")) or None, stream=body.get("stream") is True)
    for message in objs(body.get("messages")):
        _asked_message(found, message)
    for tool in objs(body.get("tools")):
        function = obj(tool.get("function"))
        found.offers(text(function.get("name")), function.get("parameters"))
    found.tool_choice = CHOICES.get(text(body.get("tool_choice")))
    found.max_tokens = count(body.get("max_tokens"))
    found.stop = [text(word) for word in arr(body.get("stop_sequences"))]
    found.temperature, found.top_p = body.get("temperature"), body.get("p")
    wanted = obj(body.get("response_format"))
    found.format_schema = wanted.get("json_schema")
    found.format_kind = "json_schema" if found.format_schema else text(wanted.get("type")) or None
    return found


def _stream(recording: Recording) -> Answer:
    found = Answer()
    events = frames.server_sent_events(text(recording.body))
    for event in events:
        body = obj(event.json)
        found.id = found.id or text(body.get("id"))
        delta = obj(body.get("delta"))
        message = obj(delta.get("message"))
        kind = text(body.get("type"))
        if kind == "tool-call-start":
            found.calls.append(_call(obj(message.get("tool_calls"))))
        elif kind == "tool-call-delta":
            found.calls[-1].arguments += _call(obj(message.get("tool_calls"))).arguments
        elif kind == "citation-start":
            found.citations += 1
        elif kind == "message-end":
            _end(found, delta)
        else:
            _piece(found, message, [obj(message.get("content"))])
    found.ended_properly = events[-1].data == "[DONE]"
    return found


def _piece(found: Answer, message: Object, blocks: list[Object]) -> None:
    found.plan += text(message.get("tool_plan"))
    for block in blocks:
        found.text += text(block.get("text"))
        found.thinking += text(block.get("thinking"))


def _call(call: Object) -> Call:
    function = obj(call.get("function"))
    arguments = text(function.get("arguments"))
    return Call(id=text(call.get("id")), name=text(function.get("name")), arguments=arguments)


def _end(found: Answer, body: Object) -> None:
    found.finish_raw = text(body.get("finish_reason"))
    found.finish = FINISH[found.finish_raw]
    usage = obj(body.get("usage"))
    tokens, billed = obj(usage.get("tokens")), obj(usage.get("billed_units"))
    if tokens:
        found.usage = Usage(
            input_total=(count(tokens.get("input_tokens")) or 0) + (count(tokens.get("image_tokens")) or 0),
            output_total=count(tokens.get("output_tokens")),
            cached=count(usage.get("cached_tokens")),
            reasoning=count(tokens.get("reasoning_tokens")),
        )
        billed_output = count(billed.get("output_tokens"))
        found.billed = Usage(input_total=count(billed.get("input_tokens")), output_total=billed_output)
    if body.get("error"):
        found.error = {**error_fact(200, {}, body), "type": text(body.get("error_type"))}


def _asked_message(found: Asked, message: Object) -> None:
    role, content = text(message.get("role")), message.get("content")
    if role == "system":
        found.roles.append(role)
        found.system.append(joined(content))
    elif role == "tool":
        found.roles.append(role)
        result = Result(id=text(message.get("tool_call_id")), text=joined(content))
        if any(block.get("type") != "text" for block in objs(content)):
            result.value = content
        found.results.append(result)
    else:
        told = found.message(role)
        told.text = joined(content)
        for block in objs(content):
            if block.get("type") == "image_url":
                told.saw("image")
    for call in objs(message.get("tool_calls")):
        found.calls.append(_call(call))
