"""Reads Gemini's generateContent, from the Gemini API and from Vertex AI.

https://ai.google.dev/api/generate-content and
cloud.google.com/vertex-ai/docs/reference/rest/v1/GenerateContentResponse.

* A stream is server-sent events with `alt=sse`, else one JSON array; either way whole answers that are read one after
  the other. There is no `[DONE]`: a stream has ended properly once a `finishReason` was told.
* Thoughts are counted apart from the candidates, and what hosted tools put into the prompt apart from the prompt, so
  the output is `candidatesTokenCount + thoughtsTokenCount` and the input `promptTokenCount +
  toolUsePromptTokenCount`; their sum is the total (gemini.generateContent__url_context__e42ee0b1: 27 + 3185, 262 +
  70, 3544). Cached tokens are part of the prompt. The last counts hold.
* A part with `thought: true` is thinking. Every `thoughtSignature` counts, also one on an empty text or on a call.
* A call may have no id. `STOP` after calls is a stop for the tools. Vertex can send the arguments in pieces
  (vertex.streamGenerateContent__tools_stream__640f1dc6): `partialArgs` with a JSON path; `functionCall: {}` ends the
  call.
* A citation is a place in the text with one of its sources (`groundingSupports` times their chunks). Hosted items are
  retrieved URLs.
* Old libraries told the enumerations as numbers (gemini.streamGenerateContent__stream_json_array__ca63e9a2): 1 is
  STOP.
* A result's JSON is the value of `response`; a lone `output` or `result` in it is also told as text (the page's
  FunctionResponse).
"""

from __future__ import annotations

import re

from recordings.reader import frames
from recordings.reader.errors import error_fact
from recordings.reader.found import Answer, Asked, Call, Message, Result, Usage
from recordings.reader.look import arr, count, obj, objs, text
from recordings.replay import Json, Object, Recording

__all__ = ["answer", "asked"]

FINISH = {
    "STOP": "stop",
    "1": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
}
CHOICES = {"AUTO": "auto", "ANY": "required", "NONE": "none"}


def answer(recording: Recording) -> Answer:
    """What the first candidate holds."""
    found = Answer()
    for body in _bodies(recording):
        _body(found, body)
    found.ended_properly = found.finish is not None
    return found


def asked(recording: Recording) -> Asked:
    """What the request asks for."""
    body = obj(recording.request)
    named = re.search(r"models/([^/:?]+)", recording.path)
    found = Asked(model=named.group(1) if named else None, stream="streamGenerateContent" in recording.path)
    found.system = [text(part.get("text")) for part in _parts(obj(body.get("systemInstruction")))]
    for content in objs(body.get("contents")):
        told = found.message("assistant" if content.get("role") == "model" else "user")
        for part in _parts(content):
            _asked_part(found, told, part)
    for tool in objs(body.get("tools")):
        for declared in objs(tool.get("functionDeclarations")):
            found.offers(text(declared.get("name")), declared.get("parametersJsonSchema", declared.get("parameters")))
        found.hosted += [name for name in tool if name != "functionDeclarations"]
    _settings(found, body)
    return found


def _settings(found: Asked, body: Object) -> None:
    calling = obj(obj(body.get("toolConfig")).get("functionCallingConfig"))
    allowed = arr(calling.get("allowedFunctionNames"))
    found.tool_choice = f"tool:{text(allowed[0])}" if allowed else CHOICES.get(text(calling.get("mode")))
    config = obj(body.get("generationConfig"))
    found.max_tokens = count(config.get("maxOutputTokens"))
    found.stop = [text(word) for word in arr(config.get("stopSequences"))]
    found.temperature, found.top_p = config.get("temperature"), config.get("topP")
    if config.get("responseMimeType") == "application/json":
        found.format_schema = config.get("responseJsonSchema", config.get("responseSchema"))
        found.format_kind = "json_schema" if found.format_schema else "json_object"


def _bodies(recording: Recording) -> list[Object]:
    if recording.encoding == "text":
        return [obj(event.json) for event in frames.server_sent_events(text(recording.body))]
    return objs(recording.body) if recording.streamed else [obj(recording.body)]


def _parts(content: Object) -> list[Object]:
    parts = content.get("parts")
    return [parts] if isinstance(parts, dict) else objs(parts)


def _body(found: Answer, body: Object) -> None:
    found.model = found.model or text(body.get("modelVersion"))
    found.id = found.id or text(body.get("responseId"))
    usage = obj(body.get("usageMetadata"))
    if "promptTokenCount" in usage:
        found.usage = _usage(usage)
    for candidate in objs(body.get("candidates")):
        if count(candidate.get("index", 0)) == 0:
            _candidate(found, candidate)
    blocked = obj(body.get("promptFeedback")).get("blockReason")
    if blocked:
        found.finish, found.finish_raw = "content_filter", text(blocked)
    if body.get("error"):
        found.error, found.finish = error_fact(200, {}, body), "error"


def _candidate(found: Answer, candidate: Object) -> None:
    for part in _parts(obj(candidate.get("content"))):
        if part.get("thought") is True:
            found.thinking += text(part.get("text"))
        else:
            found.text += text(part.get("text"))
        if text(part.get("thoughtSignature")):
            found.signatures.append(text(part.get("thoughtSignature")))
        if "functionCall" in part:
            _call(found, obj(part["functionCall"]))
        if "inlineData" in part:
            found.saw(_medium(obj(part["inlineData"])))
    reason = candidate.get("finishReason")
    if reason:
        found.finish_raw = str(reason)
        found.finish = FINISH[found.finish_raw]
        if not isinstance(reason, str):
            found.odd.append("enumerations are numbers")
    supports = objs(obj(candidate.get("groundingMetadata")).get("groundingSupports"))
    found.citations += sum(len(arr(support.get("groundingChunkIndices"))) for support in supports)
    found.hosted += len(objs(obj(candidate.get("urlContextMetadata")).get("urlMetadata")))


def _call(found: Answer, call: Object) -> None:
    if call.get("name"):
        value = obj(call.get("args"))
        found.calls.append(Call(id=text(call.get("id")), name=text(call.get("name")), value=value))
        if "willContinue" in call:
            found.odd.append("the arguments of a call come in pieces")
    for piece in objs(call.get("partialArgs")):
        known = obj(found.calls[-1].value)
        name = text(piece.get("jsonPath")).removeprefix("$.")
        known[name] = text(known.get(name)) + text(piece.get("stringValue"))


def _usage(usage: Object) -> Usage:
    def total(*names: str) -> int:
        return sum(count(usage.get(name)) or 0 for name in names)

    return Usage(
        input_total=total("promptTokenCount", "toolUsePromptTokenCount"),
        output_total=total("candidatesTokenCount", "thoughtsTokenCount"),
        cached=count(usage.get("cachedContentTokenCount")),
        reasoning=count(usage.get("thoughtsTokenCount")),
    )


def _medium(data: Object) -> str:
    kind = text(data.get("mimeType", data.get("mime_type"))).partition("/")[0]
    return kind if kind in ("image", "audio", "video") else "file"


def _asked_part(found: Asked, told: Message, part: Object) -> None:
    data = obj(part.get("inlineData", part.get("inline_data"))) or obj(part.get("fileData"))
    if part.get("thought") is True:
        found.thinking += text(part.get("text"))
    else:
        told.text += text(part.get("text"))
    if data:
        told.saw(_medium(data))
    if text(part.get("thoughtSignature")):
        found.signatures.append(text(part.get("thoughtSignature")))
    if "functionCall" in part:
        call = obj(part["functionCall"])
        found.calls.append(Call(id=text(call.get("id")), name=text(call.get("name")), value=obj(call.get("args"))))
    if "functionResponse" in part:
        found.results.append(_result(obj(part["functionResponse"])))


def _result(given: Object) -> Result:
    value: Json = given.get("response")
    alone = [text(element) for name, element in obj(value).items() if name in ("output", "result")]
    plain = alone[0] if len(alone) == len(obj(value)) == 1 else ""
    return Result(id=text(given.get("id")), name=text(given.get("name")), text=plain, value=value)
