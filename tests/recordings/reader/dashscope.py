"""Reads DashScope's own generation format.

https://help.aliyun.com/zh/model-studio/qwen-api-via-dashscope. What to know:

* An event's `data:` has no space after it; `:HTTP_STATUS/200` is a comment; there is no `[DONE]`.
* `finish_reason` is the string "null" until the end. The counts of the last event hold.
* Without `incremental_output: true` each event repeats the whole answer so far, and replaces what was read
  (dashscope.generation__stream__263750b8, dashscope.multimodal__stream__784b0fc5).
* Without `result_format: message` the answer is `output.text`. The id is the request's; the model is not told.
"""

from __future__ import annotations

from recordings.reader import frames
from recordings.reader.found import Answer, Asked, Call, Result, Usage
from recordings.reader.look import count, joined, obj, objs, text
from recordings.replay import Json, Object, Recording

__all__ = ["answer", "asked"]

FINISH = {"stop": "stop", "length": "length", "tool_calls": "tool_calls"}


def answer(recording: Recording) -> Answer:
    """What the first choice holds."""
    found, calls = Answer(), dict[Json, Call]()
    if not recording.streamed:
        _body(found, calls, obj(recording.body))
        return found
    whole = obj(obj(recording.request).get("parameters")).get("incremental_output") is not True
    for event in frames.server_sent_events(text(recording.body)):
        if whole:
            found, calls = Answer(), {}
        _body(found, calls, obj(event.json))
    found.ended_properly = found.finish is not None
    if whole:
        found.odd.append("each event repeats the whole answer so far")
    return found


def asked(recording: Recording) -> Asked:
    """What the request asks for."""
    body = obj(recording.request)
    given, settings = obj(body.get("input")), obj(body.get("parameters"))
    found = Asked(model=text(body.get("model")) or None, stream=recording.streamed)
    if "prompt" in given:
        found.message("user").text = text(given.get("prompt"))
    for message in objs(given.get("messages")):
        role, content = text(message.get("role")), joined(message.get("content"))
        if role in ("system", "tool"):
            found.roles.append(role)
            if role == "system":
                found.system.append(content)
            else:
                named = text(message.get("tool_call_id")) or text(message.get("id"))
                found.results.append(Result(id=named, name=text(message.get("name")), text=content))
        else:
            found.message(role).text = content
        found.calls += [_call(call) for call in objs(message.get("tool_calls"))]
    for tool in objs(settings.get("tools")):
        function = obj(tool.get("function"))
        found.offers(text(function.get("name")), function.get("parameters"))
    found.max_tokens = count(settings.get("max_tokens"))
    found.temperature, found.top_p = settings.get("temperature"), settings.get("top_p")
    return found


def _body(found: Answer, calls: dict[Json, Call], body: Object) -> None:
    output, usage = obj(body.get("output")), obj(body.get("usage"))
    found.id = text(body.get("request_id"))
    choice = next(iter(objs(output.get("choices"))), output)
    message = obj(choice.get("message"))
    found.text += joined(message.get("content")) + text(output.get("text"))
    found.thinking += text(message.get("reasoning_content"))
    for piece in objs(message.get("tool_calls")):
        index, new = piece.get("index"), _call(piece)
        if index in calls:
            calls[index].arguments += new.arguments
        else:
            calls[index] = new
            found.calls.append(new)
    reason = text(choice.get("finish_reason"))
    if reason and reason != "null":
        found.finish_raw, found.finish = reason, FINISH[reason]
    cached = count(obj(usage.get("prompt_tokens_details")).get("cached_tokens"))
    told = count(usage.get("input_tokens")), count(usage.get("output_tokens"))
    found.usage = Usage(input_total=told[0], output_total=told[1], cached=cached)


def _call(call: Object) -> Call:
    function = obj(call.get("function"))
    arguments = text(function.get("arguments"))
    return Call(id=text(call.get("id")), name=text(function.get("name")), arguments=arguments)
