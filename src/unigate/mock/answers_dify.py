"""Dify's chat apps: request to ask, answer to events or to one body.

Source: https://docs.dify.ai/api-reference/chat/send-chat-message
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import msgspec
from msgspec.json import encode

from unigate.mock.answer import compose
from unigate.mock.ask import Answer, Ask, Event, Fail, Heard, Reply, Request, Scene
from unigate.mock.parts import hidden
from unigate.mock.script import MARK
from unigate.mock.usage import number
from unigate.mock.words import pieces

__all__ = ["chat", "error", "stream_error"]

CODES = {
    400: "invalid_param",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    413: "file_too_large",
    429: "rate_limit_error",
    503: "service_unavailable",
}
APP = "mock-app"
Json = dict[str, object]


class Inputs(msgspec.Struct):
    """The variables of the app; one of them names the script."""

    model: str = ""


class ChatRequest(msgspec.Struct):
    """What is read of a chat request."""

    query: str
    user: str
    inputs: Inputs
    response_mode: str = "streaming"
    conversation_id: str = ""


def chat(request: Request) -> Heard:
    """Understands a message to a chat app, which names no model: the script stands in its inputs or its query."""
    told = msgspec.json.decode(request.body, type=ChatRequest)
    first, _, rest = told.query.partition("\n")
    scripted = first.startswith(MARK)
    text = rest if scripted else told.query
    model = told.inputs.model or (first if scripted else APP)
    ask = Ask(texts=[text], model=model, user_text=text, stream=told.response_mode == "streaming")
    return Heard(model, ask.stream, partial(_chat, ask, told.conversation_id))


def _chat(ask: Ask, conversation_id: str, scene: Scene) -> Reply:
    answer = compose(ask, scene)
    number_of = scene.tag
    place: Json = {
        "task_id": f"00000000-0000-4000-8001-{number_of}",
        "message_id": f"00000000-0000-4000-8000-{number_of}",
        "conversation_id": conversation_id or f"00000000-0000-4000-8002-{number_of}",
        "created_at": scene.created,
    }
    if ask.stream:
        events = hidden(_events(answer, place, scene), scene.script.reasoning)
        return Reply(events=events, content_type=b"text/event-stream; charset=utf-8", input_tokens=answer.input_tokens)
    body: Json = {"event": "message", **place, "id": place["message_id"], "mode": "chat", "answer": answer.text}
    body["metadata"] = _metadata(answer, scene)
    return Reply(encode(body), input_tokens=answer.input_tokens, output_tokens=answer.output_tokens)


def _metadata(answer: Answer, scene: Scene) -> Json:
    sources = [
        {
            "position": n + 1,
            "dataset_id": "mock",
            "dataset_name": "mock",
            "document_id": cite.url,
            "document_name": cite.title,
            "segment_id": cite.url,
            "score": 0.9,
            "content": cite.quote,
        }
        for n, cite in enumerate(answer.cites)
    ]
    told: Json = {"retriever_resources": sources} if sources else {}
    return told if scene.script.usage == "none" else {"usage": _usage(answer, scene)} | told


def _usage(answer: Answer, scene: Scene) -> Json:
    lie = scene.script.usage
    price = {"unit_price": "0", "price_unit": "0.001", "price": "0"}
    told: Json = {"total_price": "0", "currency": "USD", "latency": 0.001}
    for name, tokens in (("prompt", answer.input_tokens), ("completion", answer.output_tokens)):
        told[f"{name}_tokens"] = msgspec.Raw(number(lie, tokens))
        told |= {f"{name}_{kind}": value for kind, value in price.items()}
    return told | {"total_tokens": msgspec.Raw(number(lie, answer.input_tokens + answer.output_tokens))}


def _event(name: str, place: Json, told: Json) -> bytes:
    return b"data: %b\n\n" % encode({"event": name, **place, **told})


def _events(answer: Answer, place: Json, scene: Scene) -> Iterator[Event]:
    script = scene.script
    named: Json = {"id": place["message_id"]}
    agent = bool(answer.thinking or answer.calls)
    yield b"event: ping\n\n", 0
    yield from _thoughts(answer, place, scene)
    for piece in pieces(answer.text):
        yield _event("agent_message" if agent else "message", place, named | {"answer": piece}), 1
    if not script.nofinish and not script.nodone:
        for _ in range(1 + script.twice):
            yield _event("message_end", place, named | {"metadata": _metadata(answer, scene)}), 0
    if script.afterdone:
        yield _event("message", place, named | {"answer": " too late"}), 0


def _thoughts(answer: Answer, place: Json, scene: Scene) -> Iterator[Event]:
    """What an agent thinks and which tools it has called itself: one thought for each, and its cost."""
    done = [(call.name, encode({call.name: msgspec.Raw(call.arguments.encode())}).decode()) for call in answer.calls]
    thought = answer.thinking
    tokens = (answer.output_tokens if answer.calls else answer.reasoned) - scene.script.reasoning
    for n, (tool, told) in enumerate(done or ([("", "")] if thought else [])):
        seen = "It worked." if tool else ""
        step: Json = {"id": f"00000000-0000-4000-8003-{scene.tag}", "position": n + 1, "message_files": []}
        step |= {"thought": thought, "observation": seen, "tool": tool, "tool_input": told}
        yield _event("agent_thought", place, step), tokens
        thought, tokens = "", 0


def error(fail: Fail) -> bytes:
    """The error in Dify's shape."""
    code = (
        fail.code or fail.type or CODES.get(fail.status, "internal_server_error" if fail.status >= 500 else CODES[400])
    )
    return encode({"code": code, "message": fail.message, "status": fail.status})


def stream_error(fail: Fail) -> bytes:
    """The error as an event of a stream."""
    told = msgspec.json.decode(error(fail), type=Json)
    named: Json = {
        "message_id": f"00000000-0000-4000-8000-{fail.tag}",
        "task_id": f"00000000-0000-4000-8001-{fail.tag}",
    }
    return _event("error", named, told)
