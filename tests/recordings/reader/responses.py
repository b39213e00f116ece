"""Reads OpenAI's Responses format, from whoever speaks it.

https://platform.openai.com/docs/api-reference/responses and .../responses-streaming. What is counted and how:

* A stream ends with the whole response inside `response.completed`, `.incomplete` or `.failed`; that is what is read.
  There is no `[DONE]` (openrouter.responses__stream__* sends one all the same). Where the items of
  `response.output_item.done` say something else than the final response does, the facts say so in `odd`.
* `input_tokens` includes cached tokens, `output_tokens` includes reasoning (the page's usage object).
* Thinking is the text of reasoning summaries, and of `reasoning_text` where a provider shows it
  (deepseek.responses__*). The one signature of a reasoning item is its `encrypted_content`.
* Calls of the client's tools are `function_call` (JSON) and `custom_tool_call` (free text); every other `..._call` is
  hosted.
* The format has no word for having stopped for a tool: `completed` with such calls is a stop for them.
"""

from __future__ import annotations

from recordings.reader import frames
from recordings.reader.errors import error_fact
from recordings.reader.found import Answer, Asked, Call, Message, Result, Usage
from recordings.reader.look import canonical, count, joined, obj, objs, text
from recordings.replay import Json, Object, Recording

__all__ = ["answer", "asked"]

FINAL = ("response.completed", "response.incomplete", "response.failed")
INCOMPLETE = {"max_output_tokens": "length", "content_filter": "content_filter"}
MEDIA = {"input_image": "image", "input_file": "file", "input_audio": "audio"}


def answer(recording: Recording) -> Answer:
    """What the response holds."""
    if not recording.streamed:
        return _response(obj(recording.body))
    events = frames.server_sent_events(text(recording.body))
    bodies = [obj(event.json) for event in events if event.data != "[DONE]"]
    last = bodies[-1]
    found = _response(obj(last.get("response")) if last.get("type") in FINAL else last)
    found.ended_properly = last.get("type") in FINAL
    done = Answer()
    for body in bodies:
        if body.get("type") == "response.output_item.done":
            _item(done, obj(body.get("item")))
    found.signatures_in_events = [] if done.signatures == found.signatures else done.signatures
    for name, one, other in (
        ("text", done.text, found.text),
        ("thinking", done.thinking, found.thinking),
        ("refusal", done.refusal, found.refusal),
        ("tool calls", [call.facts() for call in done.calls], [call.facts() for call in found.calls]),
    ):
        if one != other:
            found.odd.append(f"the {name} of the items and of the final response differ")
    if events[-1].data == "[DONE]":
        found.odd.append("a [DONE] ends the stream")
    return found


def asked(recording: Recording) -> Asked:
    """What the request asks for."""
    body = obj(recording.request)
    found = Asked(model=text(body.get("model")) or None, stream=body.get("stream") is True)
    found.system = [text(body["instructions"])] if text(body.get("instructions")) else []
    if isinstance(body.get("input"), str):
        found.message("user").text = text(body.get("input"))
    for item in objs(body.get("input")):
        _asked_item(found, item)
    for tool in objs(body.get("tools")):
        if tool.get("type") in ("function", "custom"):
            found.offers(text(tool.get("name")), tool.get("parameters"))
        else:
            found.hosted.append(text(tool.get("type")))
    choice = body.get("tool_choice")
    found.tool_choice = text(choice) or (f"tool:{text(obj(choice).get('name'))}" if choice else None)
    found.max_tokens = count(body.get("max_output_tokens"))
    found.temperature, found.top_p = body.get("temperature"), body.get("top_p")
    wanted = obj(obj(body.get("text")).get("format"))
    found.format_kind, found.format_schema = text(wanted.get("type")) or None, wanted.get("schema")
    return found


def _response(response: Object) -> Answer:
    found = Answer(model=text(response.get("model")), id=text(response.get("id")))
    for item in objs(response.get("output")):
        _item(found, item)
    status = text(response.get("status"))
    reason = text(obj(response.get("incomplete_details")).get("reason"))
    found.finish_raw = reason or status or None
    found.finish = INCOMPLETE.get(reason) or {"completed": "stop", "failed": "error"}.get(status)
    found.usage = _usage(obj(response.get("usage")))
    if "output" not in response:
        found.finish, found.error = "error", error_fact(200, {}, response)
    elif response.get("error"):
        found.error = error_fact(200, {}, response)
    return found


def _item(found: Answer, item: Object) -> None:
    kind = text(item.get("type"))
    if kind == "message":
        for part in objs(item.get("content")):
            found.text += text(part.get("text"))
            found.refusal += text(part.get("refusal"))
            found.citations += len(objs(part.get("annotations")))
    elif kind == "reasoning":
        found.thinking += joined(item.get("summary")) + joined(item.get("content"))
        found.signatures += [text(item["encrypted_content"])] if text(item.get("encrypted_content")) else []
    elif kind in ("function_call", "custom_tool_call"):
        found.calls.append(_call(item))
    elif kind.endswith("_call"):
        found.hosted += 1
    else:
        found.odd.append(f"an item of type {kind}")


def _call(item: Object) -> Call:
    plain = item.get("type") == "custom_tool_call"
    arguments = text(item.get("input" if plain else "arguments"))
    return Call(id=text(item.get("call_id")), name=text(item.get("name")), arguments=arguments, plain=plain)


def _usage(usage: Object) -> Usage | None:
    if not usage:
        return None
    before, after = obj(usage.get("input_tokens_details")), obj(usage.get("output_tokens_details"))
    return Usage(
        input_total=count(usage.get("input_tokens")),
        output_total=count(usage.get("output_tokens")),
        cached=count(before.get("cached_tokens")),
        cache_write=count(before.get("cache_write_tokens")),
        reasoning=count(after.get("reasoning_tokens")),
    )


def _asked_item(found: Asked, item: Object) -> None:
    kind = text(item.get("type")) or "message"
    if kind == "message":
        _asked_message(found, item)
    elif kind in ("function_call", "custom_tool_call"):
        found.calls.append(_call(item))
    elif kind in ("function_call_output", "custom_tool_call_output"):
        output = item.get("output")
        result = Result(id=text(item.get("call_id")), text=output if isinstance(output, str) else canonical(output))
        found.results.append(result)
    elif kind == "reasoning":
        found.thinking += joined(item.get("summary")) + joined(item.get("content"))
        found.signatures.append(text(item.get("encrypted_content")))
    else:
        found.odd.append(f"an item of type {kind}")


def _asked_message(found: Asked, item: Object) -> None:
    role, content = text(item.get("role")), item.get("content")
    if role in ("system", "developer"):
        found.roles.append(role)
        found.system += _texts(content)
        return
    told = found.message(role)
    told.text = joined(content)
    _see_media(told, content)


def _texts(content: Json) -> list[str]:
    return [content] if isinstance(content, str) else [text(part.get("text")) for part in objs(content)]


def _see_media(told: Message, content: Json) -> None:
    for part in objs(content):
        kind = text(part.get("type"))
        if kind in MEDIA:
            told.saw(MEDIA[kind])
