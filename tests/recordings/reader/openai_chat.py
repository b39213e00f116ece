"""Reads OpenAI's chat completions, from OpenAI and from the many who answer in its format.

https://platform.openai.com/docs/api-reference/chat and .../chat-streaming. What differs between those who speak it:

* `prompt_tokens` includes cached tokens and `completion_tokens` includes reasoning (OpenAI's usage object). Where the
  total is more than their sum, the difference is reasoning told apart, and part of the output:
  xai.chat__tools_stream__* (468 + 77 + 582 of reasoning = 1127), gemini.openai.chat.completions__thinking_tools__*
  (35 + 12, total 109). Cached tokens stand in `prompt_tokens_details.cached_tokens`, else in DeepSeek's
  `prompt_cache_hit_tokens`, else Mistral's `num_cached_tokens`.
* In a stream the last usage holds: groq.chat__tools_stream__* tells it three times, partly under `x_groq`;
  perplexity.chat__* counts up on every chunk. The citations of the last chunk that has any hold too.
* Thinking is `reasoning_content` (DeepSeek, Qwen, Z.ai), `reasoning` (Groq, OpenRouter, Ollama) or blocks of type
  `thinking` in a list of content (mistral.chat__thinking__*). `<think>` written into the text is text. Gemini's one
  signature stands twice (gemini.openai.chat.completions__*), and is told once.
* A delta belongs to the tool call of its `index`. Later deltas may carry an id of "" or null, which changes nothing.
* `finish_reason` may be repeated. A refusal is a text of its own beside `finish_reason: stop`.
* Hosted items are Groq's `executed_tools`, told whole on two chunks of a stream: the calls are counted by their
  `index`.
* A stream ends properly with `[DONE]`. Two do without: huggingface.chat__* and perplexity.chat__*; they have ended
  once a `finish_reason` was told.
"""

from __future__ import annotations

from recordings.reader import frames
from recordings.reader.errors import error_fact
from recordings.reader.found import Answer, Asked, Call, Message, Result, Usage
from recordings.reader.look import arr, count, joined, obj, objs, text
from recordings.replay import Json, Object, Recording

__all__ = ["answer", "asked"]

FINISH = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
}
MEDIA = {"image_url": "image", "input_audio": "audio", "file": "file", "document_url": "file"}


def answer(recording: Recording) -> Answer:
    """What the first choice holds."""
    if recording.streamed:
        return _stream(text(recording.body))
    body = obj(recording.body)
    found = Answer()
    choices = objs(body.get("choices"))
    found.choices = len(choices)
    for choice in choices:
        if choice.get("index") == 0:
            _piece(found, {}, choice, obj(choice.get("message")))
    _about(found, body)
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
    choice = body.get("tool_choice")
    named = text(obj(obj(choice).get("function")).get("name"))
    # Mistral says "any" for what OpenAI calls "required" (https://docs.mistral.ai/api).
    found.tool_choice = {"any": "required"}.get(text(choice), text(choice)) or (f"tool:{named}" if named else None)
    apart = body.get("parallel_tool_calls")
    found.parallel = apart if isinstance(apart, bool) else None
    found.max_tokens = count(body.get("max_completion_tokens")) or count(body.get("max_tokens"))
    stop = body.get("stop")
    found.stop = [stop] if isinstance(stop, str) else [text(word) for word in arr(stop)]
    found.temperature, found.top_p = body.get("temperature"), body.get("top_p")
    wanted = obj(body.get("response_format"))
    found.format_kind, found.format_schema = (
        text(wanted.get("type")) or None,
        obj(wanted.get("json_schema")).get("schema"),
    )
    return found


def _stream(body: str) -> Answer:
    found, calls, indexes = Answer(), dict[Json, Call](), set[Json]()
    events = frames.server_sent_events(body)
    for event in events:
        chunk = obj(event.json)
        for choice in objs(chunk.get("choices")):
            indexes.add(choice.get("index"))
            if choice.get("index") == 0:
                _piece(found, calls, choice, obj(choice.get("delta")))
        _about(found, chunk)
    found.choices = len(indexes)
    done = events[-1].data == "[DONE]"
    found.ended_properly = done or found.finish is not None
    if not done:
        found.odd.append("the stream ends without [DONE]")
    return found


def _piece(found: Answer, calls: dict[Json, Call], choice: Object, piece: Object) -> None:
    content = piece.get("content")
    for block in [{"type": "text", "text": content}] if isinstance(content, str) else objs(content):
        if block.get("type") == "thinking":
            found.thinking += joined(block.get("thinking"))
        else:
            found.text += text(block.get("text"))
    found.thinking += text(piece.get("reasoning_content")) or text(piece.get("reasoning"))
    found.refusal += text(piece.get("refusal"))
    google = obj(obj(piece.get("extra_content")).get("google"))
    found.signatures += [text(google["thought_signature"])] if text(google.get("thought_signature")) else []
    # OpenRouter's form (https://openrouter.ai/docs/use-cases/reasoning-tokens); no recording has signatures in it.
    for detail in objs(piece.get("reasoning_details")):
        signature = text(detail.get("signature")) or text(detail.get("data"))
        found.signatures += [signature] if signature else []
    for call in objs(piece.get("tool_calls")):
        _grow(found, calls, call)
    found.citations += len(objs(piece.get("annotations")))
    hosted = [count(tool.get("index")) or 0 for tool in objs(piece.get("executed_tools"))]
    found.hosted = max([found.hosted, *(index + 1 for index in hosted)])
    if piece.get("audio"):
        found.saw("audio")
    if text(choice.get("finish_reason")):
        found.finish_raw = text(choice.get("finish_reason"))
        found.finish = FINISH[found.finish_raw]


def _grow(found: Answer, calls: dict[Json, Call], piece: Object) -> None:
    index = piece.get("index", len(found.calls))
    known = calls.get(index) if index in calls else None
    if known is None:
        known = calls[index] = Call()
        found.calls.append(known)
    function = obj(piece.get("function"))
    known.id = known.id or text(piece.get("id"))
    known.name = known.name or text(function.get("name"))
    known.arguments += text(function.get("arguments"))


def _about(found: Answer, body: Object) -> None:
    found.id = found.id or text(body.get("id"))
    found.model = found.model or text(body.get("model"))
    usage = obj(body.get("usage")) or obj(obj(body.get("x_groq")).get("usage"))
    if usage:
        found.usage = _usage(usage)
    found.citations = len(arr(body.get("citations"))) or found.citations
    if body.get("error"):
        found.error, found.finish = error_fact(200, {}, body), "error"


def _usage(usage: Object) -> Usage:
    before, after = obj(usage.get("prompt_tokens_details")), obj(usage.get("completion_tokens_details"))
    asked_tokens, told = count(usage.get("prompt_tokens")) or 0, count(usage.get("completion_tokens")) or 0
    apart = max(0, (count(usage.get("total_tokens")) or 0) - asked_tokens - told)
    cached = (before.get("cached_tokens"), usage.get("prompt_cache_hit_tokens"), usage.get("num_cached_tokens"))
    reasoning = (after.get("reasoning_tokens"), usage.get("reasoning_tokens"))
    return Usage(
        input_total=asked_tokens,
        output_total=told + apart,
        cached=next((count(number) for number in cached if number is not None), None),
        cache_write=count(before.get("cache_write_tokens")),
        reasoning=next((count(number) for number in reasoning if number is not None), apart or None),
    )


def _asked_message(found: Asked, message: Object) -> None:
    role, content = text(message.get("role")), message.get("content")
    if role in ("system", "developer"):
        found.roles.append(role)
        found.system += [content] if isinstance(content, str) else [text(part.get("text")) for part in objs(content)]
        return
    if role == "tool":
        found.roles.append(role)
        found.results.append(Result(id=text(message.get("tool_call_id")), text=joined(content)))
        return
    told = found.message(role)
    told.text = joined(content)
    _see_media(told, content)
    found.thinking += text(message.get("reasoning_content")) or text(message.get("reasoning"))
    for call in objs(message.get("tool_calls")):
        function = obj(call.get("function"))
        arguments = text(function.get("arguments"))
        found.calls.append(Call(id=text(call.get("id")), name=text(function.get("name")), arguments=arguments))


def _see_media(told: Message, content: Json) -> None:
    for part in objs(content):
        kind = text(part.get("type"))
        if kind in MEDIA:
            told.saw(MEDIA[kind])
