"""Coze's chat format, version 3: request to ask, answer to events, or to a chat that is fetched later.

Source: https://www.coze.com/docs/developer_guides/chat_v3 and the published answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import msgspec
from msgspec.json import encode

from unigate.mock.answer import compose
from unigate.mock.ask import Answer, Ask, Event, Fail, Heard, Reply, Request, Scene
from unigate.mock.chats import Chat
from unigate.mock.parts import Part, flat, hidden
from unigate.mock.usage import number
from unigate.mock.words import pieces

__all__ = ["chat", "error", "messages", "retrieve", "status", "stream_error"]

CODES = {400: 4000, 401: 4100, 403: 4101, 404: 4200, 429: 4013, 503: 5000}
FIRST = 7_400_000_000_000_000_000
FOLLOW_UPS = ("What else do you say?", "Why always the same?", "Who wrote your script?")
FINISHED = '{"msg_type":"generate_answer_finish","data":"{\\"finish_reason\\":0}","from_module":null,"from_unit":null}'
Json = dict[str, object]


class Message(msgspec.Struct):
    """One message that is added to the conversation."""

    role: str = "user"
    content: str = ""
    content_type: str = "text"


class ChatRequest(msgspec.Struct):
    """What is read of a chat request."""

    bot_id: str
    user_id: str
    stream: bool = False
    additional_messages: list[Message] = []


def _text(message: Message) -> str:
    if message.content_type != "object_string":
        return message.content
    return flat(msgspec.json.decode(message.content, type=list[Part]))


def chat(request: Request) -> Heard:
    """Understands a chat; the bot's id is the model."""
    told = msgspec.json.decode(request.body, type=ChatRequest)
    texts = list(map(_text, told.additional_messages))
    users = [text for text, one in zip(texts, told.additional_messages, strict=True) if one.role == "user"]
    ask = Ask(texts=texts, model=told.bot_id, user_text=users[-1] if users else "", stream=told.stream)
    return Heard(told.bot_id, told.stream, partial(_chat, ask, request.query.get("conversation_id", "")))


def _chat(ask: Ask, conversation_id: str, scene: Scene) -> Reply:
    answer = compose(ask, scene)
    place = Place(_id(scene.number, 0), conversation_id or _id(scene.number, 1), scene.shown)
    if ask.stream:
        events = hidden(_events(answer, place, scene), scene.script.reasoning)
        return Reply(events=events, content_type=b"text/event-stream", input_tokens=answer.input_tokens)
    running = _wrapped(_state(place, scene, "in_progress", {}))
    ended = _wrapped(_state(place, scene, *_end(answer, scene)))
    scene.chats.keep(place.chat_id, Chat(scene.script.polls, running, ended, _wrapped(_said(answer, place, scene))))
    return Reply(running, input_tokens=answer.input_tokens, output_tokens=answer.output_tokens)


class Place(msgspec.Struct, frozen=True):
    """Where a message stands: its chat, its conversation, its bot."""

    chat_id: str
    conversation_id: str
    bot_id: str


def _id(call: int, nth: int) -> str:
    return str(FIRST + call * 10 + nth)


def _wrapped(told: object) -> bytes:
    return encode({"code": 0, "data": told, "msg": "", "detail": {"logid": "mock"}})


def _state(place: Place, scene: Scene, status: str, rest: Json) -> Json:
    nothing = {"token_count": 0, "output_count": 0, "input_count": 0}
    return {
        "id": place.chat_id,
        "conversation_id": place.conversation_id,
        "bot_id": place.bot_id,
        "created_at": scene.created,
        "last_error": {"code": 0, "msg": ""},
        "status": status,
        "usage": nothing,
        **rest,
    }


def _end(answer: Answer, scene: Scene) -> tuple[str, Json]:
    """How the chat ends: completed, or waiting for what its tools return."""
    lie = scene.script.usage
    counts = (answer.input_tokens + answer.output_tokens, answer.output_tokens, answer.input_tokens)
    names = ("token_count", "output_count", "input_count")
    told: Json = {"completed_at": scene.created}
    if lie != "none":
        told["usage"] = {name: msgspec.Raw(number(lie, n)) for name, n in zip(names, counts, strict=True)}
    if not answer.calls:
        return "completed", told
    calls = [
        {"id": f"call_{scene.tag}{n}", "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
        for n, c in enumerate(answer.calls)
    ]
    action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": calls}}
    return "requires_action", told | {"required_action": action}


def _message(place: Place, scene: Scene, kind: str, content: str, *, nth: int = 2) -> Json:
    return {
        "id": _id(scene.number, nth),
        "conversation_id": place.conversation_id,
        "bot_id": place.bot_id,
        "role": "assistant",
        "type": kind,
        "content": content,
        "content_type": "text",
        "chat_id": place.chat_id,
    }


def _answered(answer: Answer, place: Place, scene: Scene) -> Json:
    told = _message(place, scene, "answer", answer.text)
    return told | {"reasoning_content": answer.thinking} if answer.thinking else told


def _beside(place: Place, scene: Scene) -> Iterator[Json]:
    """What comes beside the answer: a message for machines, and what the user might say next."""
    yield _message(place, scene, "verbose", FINISHED, nth=3)
    for n, text in enumerate(FOLLOW_UPS):
        yield _message(place, scene, "follow_up", text, nth=4 + n)


def _said(answer: Answer, place: Place, scene: Scene) -> list[Json]:
    """All messages of the chat; the answer is not the first of them."""
    verbose, *follow_ups = _beside(place, scene)
    return [verbose, *([] if answer.calls else [_answered(answer, place, scene)]), *follow_ups]


def _event(name: str, told: object) -> bytes:
    return b"event:%b\ndata:%b\n\n" % (name.encode(), encode(told))


def _events(answer: Answer, place: Place, scene: Scene) -> Iterator[Event]:
    script = scene.script
    for status in ("created", "in_progress"):
        yield _event(f"conversation.chat.{status}", _state(place, scene, status, {})), 0
    for piece in pieces(answer.thinking):
        told = _message(place, scene, "answer", "") | {"reasoning_content": piece}
        yield _event("conversation.message.delta", told), 1
    for piece in pieces(answer.text):
        yield _event("conversation.message.delta", _message(place, scene, "answer", piece)), 1
    if not answer.calls:
        yield _event("conversation.message.completed", _answered(answer, place, scene)), 0
        for message in _beside(place, scene):
            yield _event("conversation.message.completed", message), 0
    if not script.nofinish:
        status, rest = _end(answer, scene)
        spoken = answer.output_tokens - answer.reasoned if answer.calls else 0
        for n in range(1 + script.twice):
            yield _event(f"conversation.chat.{status}", _state(place, scene, status, rest)), 0 if n else spoken
    if not script.nodone:
        yield b'event:done\ndata:"[DONE]"\n\n', 0
    if script.afterdone:
        yield _event("conversation.message.delta", _message(place, scene, "answer", " too late")), 0


def retrieve(request: Request) -> Heard:
    """Answers how a chat is getting on."""
    return Heard("", False, partial(_retrieve, request.query.get("chat_id", "")), named=False)


def _retrieve(chat_id: str, scene: Scene) -> Reply:
    return Reply(scene.chats.look(chat_id) or _missing(scene))


def messages(request: Request) -> Heard:
    """Answers what was said in a chat."""
    return Heard("", False, partial(_messages, request.query.get("chat_id", "")), named=False)


def _messages(chat_id: str, scene: Scene) -> Reply:
    return Reply(scene.chats.messages(chat_id) or _missing(scene))


def _missing(scene: Scene) -> bytes:
    return error(Fail(404, "Requested resource chat_id does not exist.", tag=scene.tag))


def status(fail: Fail) -> int:
    """The HTTP status of an error: 200, whatever went wrong, except for strangers."""
    return 401 if fail.status == 401 else 200


def _code(fail: Fail) -> int:
    told = fail.code or fail.type or ""
    return int(told) if told.isdigit() else CODES.get(fail.status, 5000 if fail.status >= 500 else 4000)


def error(fail: Fail) -> bytes:
    """The error in Coze's shape: a number and a sentence."""
    return encode({"code": _code(fail), "msg": fail.message, "detail": {"logid": fail.tag}})


def stream_error(fail: Fail) -> bytes:
    """The failed chat as the last event of a stream."""
    wrong = {"code": _code(fail), "msg": fail.message}
    usage = {"token_count": 0, "output_count": 0, "input_count": 0}
    return _event("conversation.chat.failed", {"id": "0", "last_error": wrong, "status": "failed", "usage": usage})
