"""Reads Ollama's own chat and generate.

https://docs.ollama.com/api/chat and https://docs.ollama.com/api/generate.

* A stream is newline-delimited JSON and ends with `done: true`; streaming is the default. The counts stand on that
  last line: `prompt_eval_count` and `eval_count`, thinking included in the latter. Nothing tells cached or reasoning
  tokens.
* A tool call arrives whole, its arguments an object; an id may be missing. `done_reason` is `stop` after calls too
  (ollama.chat__parallel_tools_stream__286fd727).
* An answer has no id.
"""

from __future__ import annotations

from recordings.reader import frames
from recordings.reader.errors import error_fact
from recordings.reader.found import Answer, Asked, Call, Result, Usage
from recordings.reader.look import arr, count, obj, objs, text
from recordings.replay import Object, Recording

__all__ = ["answer", "asked"]

FINISH = {"stop": "stop", "length": "length"}


def answer(recording: Recording) -> Answer:
    """What the message holds."""
    found = Answer(ended_properly=False)
    if recording.streamed:
        for line in frames.json_lines(text(recording.body)):
            _line(found, obj(line))
    else:
        _line(found, obj(recording.body))
    return found


def asked(recording: Recording) -> Asked:
    """What the request asks for."""
    body = obj(recording.request)
    found = Asked(model=text(body.get("model")) or None, stream=body.get("stream") is not False)
    found.system = [text(body["system"])] if text(body.get("system")) else []
    if "prompt" in body:
        found.message("user").text = text(body.get("prompt"))
    for message in objs(body.get("messages")):
        _asked_message(found, message)
    for tool in objs(body.get("tools")):
        function = obj(tool.get("function"))
        found.offers(text(function.get("name")), function.get("parameters"))
    options = obj(body.get("options"))
    found.max_tokens = count(options.get("num_predict"))
    found.stop = [text(word) for word in arr(options.get("stop"))]
    found.temperature, found.top_p = options.get("temperature"), options.get("top_p")
    wanted = body.get("format")
    if wanted:
        found.format_kind = "json_object" if wanted == "json" else "json_schema"
        found.format_schema = obj(wanted) or None
    return found


def _line(found: Answer, line: Object) -> None:
    message = obj(line.get("message"))
    found.model = found.model or text(line.get("model"))
    found.text += text(message.get("content")) + text(line.get("response"))
    found.thinking += text(message.get("thinking")) + text(line.get("thinking"))
    found.calls += [_call(call) for call in objs(message.get("tool_calls"))]
    if line.get("done") is True:
        found.ended_properly = True
        found.finish_raw = text(line.get("done_reason"))
        found.finish = FINISH[found.finish_raw]
        counts = count(line.get("prompt_eval_count")), count(line.get("eval_count"))
        found.usage = Usage(input_total=counts[0], output_total=counts[1]) if counts != (None, None) else None
    if "error" in line:
        found.finish, found.error = "error", error_fact(200, {}, line)


def _call(call: Object) -> Call:
    function = obj(call.get("function"))
    return Call(id=text(call.get("id")), name=text(function.get("name")), value=obj(function.get("arguments")))


def _asked_message(found: Asked, message: Object) -> None:
    role, content = text(message.get("role")), text(message.get("content"))
    if role == "system":
        found.roles.append(role)
        found.system.append(content)
    elif role == "tool":
        found.roles.append(role)
        found.results.append(Result(name=text(message.get("tool_name")), text=content))
    else:
        told = found.message(role)
        told.text = content
        for _ in arr(message.get("images")):
            told.saw("image")
        found.thinking += text(message.get("thinking"))
    found.calls += [_call(call) for call in objs(message.get("tool_calls"))]
