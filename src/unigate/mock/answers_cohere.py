"""Cohere's chat format, version 2: request to ask, answer to bytes.

Source: https://docs.cohere.com/reference/chat-stream and recorded answers.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.json import encode

from unigate.mock.ask import Answer, Ask, Cite, Event, Fail, Finish, Request, Scene, Tool
from unigate.mock.parts import fragments
from unigate.mock.reads_openai import OfferedTool
from unigate.mock.usage import number
from unigate.mock.words import pieces

__all__ = ["body", "error", "events", "read", "stream_error"]

FINISH = {
    Finish.STOP: "COMPLETE",
    Finish.LENGTH: "MAX_TOKENS",
    Finish.TOOLS: "TOOL_CALL",
    Finish.SEQUENCE: "STOP_SEQUENCE",
}
PLAN = "I will call a tool."
Json = dict[str, object]


class Document(msgspec.Struct):
    """A document as a part of a tool's result; its data is an object."""

    data: msgspec.Raw = msgspec.Raw(b"{}")


class Part(msgspec.Struct):
    """One part of a message's content."""

    type: str = "text"
    text: str | None = None
    document: Document | None = None


class Message(msgspec.Struct):
    """One message of a chat."""

    role: str = "user"
    content: str | list[Part] | None = None


class Format(msgspec.Struct):
    """A response format; its schema has two names."""

    type: str = "text"
    json_schema: msgspec.Raw = msgspec.Raw(b"")
    schema: msgspec.Raw = msgspec.Raw(b"")


class Thinking(msgspec.Struct):
    """Whether the model shall think."""

    type: str = ""


class ChatRequest(msgspec.Struct):
    """What is read of a chat request."""

    messages: list[Message]
    model: str = ""
    stream: bool = False
    tools: list[OfferedTool] | None = None
    tool_choice: str | None = None
    response_format: Format | None = None
    max_tokens: int | None = None
    logprobs: bool | None = None
    stop_sequences: list[str] | None = None
    thinking: Thinking | None = None


CHAT = msgspec.json.Decoder(ChatRequest)


def _flat(content: str | list[Part] | None) -> str:
    if isinstance(content, str):
        return content
    return " ".join([_part(part) for part in content or ()])


def _part(part: Part) -> str:
    return bytes(part.document.data).decode() if part.document else part.text or ""


def read(request: Request) -> Ask:
    """What this chat request asks for."""
    told = CHAT.decode(request.body)
    texts = [_flat(message.content) for message in told.messages]
    users = [text for text, message in zip(texts, told.messages, strict=True) if message.role == "user"]
    last = told.messages[-1].role if told.messages else ""
    form = told.response_format
    return Ask(
        texts=texts,
        model=told.model,
        user_text=users[-1] if users else "",
        stream=told.stream,
        tool_result=texts[-1] if last == "tool" else None,
        tools=tuple(Tool(t.function.name, t.function.parameters) for t in told.tools or () if t.function),
        may_call=told.tool_choice != "NONE",
        wants_json=form is not None and form.type == "json_object",
        schema=(form.json_schema or form.schema) if form else msgspec.Raw(b""),
        limit=told.max_tokens,
        thinks=told.thinking is None or told.thinking.type != "disabled",
        stops=tuple(told.stop_sequences or ()),
        logprobs=0 if told.logprobs else None,
    )


def _usage(answer: Answer, scene: Scene) -> Json:
    lie = scene.script.usage
    counts = [msgspec.Raw(number(lie, n)) for n in (answer.input_tokens, answer.output_tokens)]
    told: Json = {"input_tokens": counts[0], "output_tokens": counts[1]}
    tokens = told | {"reasoning_tokens": answer.reasoned} if answer.reasoned else told
    return {"billed_units": told, "tokens": tokens, "cached_tokens": min(scene.script.cached, answer.input_tokens)}


def _call(answer: Answer, scene: Scene, n: int, arguments: str) -> Json:
    call = answer.calls[n]
    told = "" if scene.script.noid else f"{call.name}_{scene.tag}{n}"
    return {"id": told, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _plan(answer: Answer) -> str:
    """What is said before a call: nothing aloud by a model that has thought."""
    return PLAN if answer.calls and not answer.thinking else ""


def _cited(answer: Answer, cite: Cite) -> Json:
    output = {"title": cite.title, "url": cite.url, "text": cite.quote}
    return {
        "start": cite.start,
        "end": cite.end,
        "text": answer.text[cite.start : cite.end],
        "sources": [{"type": "document", "id": cite.url, "document": output}],
        "type": "TEXT_CONTENT",
        "content_index": 1 if answer.thinking else 0,
    }


def _message(answer: Answer, scene: Scene) -> Json:
    content: list[Json] = [{"type": "thinking", "thinking": answer.thinking}] if answer.thinking else []
    if answer.text or not answer.calls:
        content.append({"type": "text", "text": answer.text})
    told: Json = {"role": "assistant"}
    if content:
        told["content"] = content
    if _plan(answer):
        told["tool_plan"] = _plan(answer)
    if answer.calls:
        told["tool_calls"] = [_call(answer, scene, n, call.arguments) for n, call in enumerate(answer.calls)]
    if answer.cites:
        told["citations"] = [_cited(answer, cite) for cite in answer.cites]
    return told


def body(ask: Ask, answer: Answer, scene: Scene) -> bytes:
    """The whole unstreamed answer."""
    told: Json = {"id": _id(scene.tag), "message": _message(answer, scene)}
    if not scene.script.nofinish:
        told["finish_reason"] = answer.ending(FINISH)
    if ask.logprobs is not None:
        told["logprobs"] = [{"token_ids": [n], "text": word} for n, word in enumerate(pieces(answer.text))]
    if scene.script.usage != "none":
        told["usage"] = _usage(answer, scene)
    return encode(told)


def _id(tag: str) -> str:
    return f"00000000-0000-4000-8000-{tag}"


def _event(kind: str, rest: Json) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), encode({"type": kind, **rest}))


def _delta(kind: str, index: int, message: Json) -> bytes:
    return _event(kind, {"index": index, "delta": {"message": message}})


def events(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    """The streamed answer, event by event."""
    script = scene.script
    empty: Json = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    start = {"id": _id(scene.tag), "type": "message-start", "delta": {"message": empty}}
    yield b"event: message-start\ndata: %b\n\n" % encode(start), 0
    yield from _content(answer)
    yield from _calls(answer, scene)
    if not script.nofinish:
        ending: Json = {"finish_reason": answer.ending(FINISH)}
        if script.usage != "none":
            ending["usage"] = _usage(answer, scene)
        for _ in range(1 + script.twice):
            yield _event("message-end", {"delta": ending}), 0
    if not script.nodone:
        yield b"data: [DONE]\n\n", 0
    if script.afterdone:
        yield _delta("content-delta", 0, {"content": {"text": " too late"}}), 0


def _content(answer: Answer) -> Iterator[Event]:
    index = 0
    for kind, field, text in (("thinking", "thinking", answer.thinking), ("text", "text", answer.text)):
        if not text and (answer.calls or kind == "thinking"):
            continue
        yield _delta("content-start", index, {"content": {"type": kind, field: ""}}), 0
        for piece in pieces(text):
            yield _delta("content-delta", index, {"content": {field: piece}}), 1
        if kind == "text":
            yield from _citations(answer)
        yield _event("content-end", {"index": index}), 0
        index += 1


def _citations(answer: Answer) -> Iterator[Event]:
    for n, cite in enumerate(answer.cites):
        yield _delta("citation-start", n, {"citations": _cited(answer, cite)}), 0
        yield _event("citation-end", {"index": n}), 0


def _calls(answer: Answer, scene: Scene) -> Iterator[Event]:
    for piece in pieces(_plan(answer)):
        yield _event("tool-plan-delta", {"delta": {"message": {"tool_plan": piece}}}), 0
    for n, call in enumerate(answer.calls):
        yield _delta("tool-call-start", n, {"tool_calls": _call(answer, scene, n, "")}), 1
        for piece, tokens in fragments(call.arguments):
            yield _delta("tool-call-delta", n, {"tool_calls": {"function": {"arguments": piece}}}), tokens
        yield _event("tool-call-end", {"index": n}), 0


def error(fail: Fail) -> bytes:
    """The error in Cohere's shape: a number and a sentence."""
    return encode({"id": _id(fail.tag), "message": fail.message})


def stream_error(fail: Fail) -> bytes:
    """The error as the end of a stream whose status was 200."""
    told: Json = {"finish_reason": "ERROR", "usage": {}, "error": fail.message}
    if fail.type:
        told["error_type"] = fail.type
    return _event("message-end", {"delta": told})
