"""OpenAI's own client, reading the replayed bytes, finds in them what the careful reader found."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import httpx2
from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseCompletedEvent, ResponseFailedEvent, ResponseIncompleteEvent

from recordings.reader.found import Call
from recordings.reader.judge import format_of
from recordings.reader.look import obj, text_fact
from recordings.replay import Object, Recording, facts, response_bytes


def client(recording: Recording) -> OpenAI:
    """A client whose every request is answered with this recording."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        status, headers, body = response_bytes(recording)
        return httpx2.Response(status, headers=headers, content=body)

    transport = httpx2.MockTransport(answer)
    return OpenAI(base_url="http://x.example", api_key="x", http_client=httpx2.Client(transport=transport))


def test_chat_completions(recorded: list[Recording]) -> None:
    assert different([recording for recording in recorded if format_is(recording, "openai.chat")], chat) == []


def test_responses(recorded: list[Recording]) -> None:
    # Of one, only the error object was kept.
    whole = [recording for recording in recorded if recording.scenario != "stream_error"]

    assert different([recording for recording in whole if format_is(recording, "openai.responses")], response) == []


def format_is(recording: Recording, name: str) -> bool:
    return recording.kind != "error" and format_of(recording).name == name


def different(recordings: list[Recording], read: Callable[[Recording], Object]) -> list[str]:
    """The ids of those in which the client finds something else than the facts tell."""
    assert recordings
    told, wrong = facts(), list[str]()
    for recording in recordings:
        found, expected = read(recording), obj(told[recording.id]["answer"])
        if any(expected[name] != value for name, value in found.items()):
            wrong.append(recording.id)
    return wrong


def chat(recording: Recording) -> Object:
    """What the client says of a chat completion; its text only if it is one, and not a list (Mistral's thinking)."""
    asked = client(recording).chat.completions
    if not recording.streamed:
        return whole(asked.create(model="x", messages=[]))
    return streamed(asked.create(model="x", messages=[], stream=True))


def whole(answer: ChatCompletion) -> Object:
    choice = answer.choices[0]
    calls = [
        Call(call.id, call.function.name, call.function.arguments).facts()
        for call in choice.message.tool_calls or []
        if call.type != "custom"
    ]
    found: Object = {"id": answer.id, "model": answer.model, "finish_raw": choice.finish_reason, "tools": [*calls]}
    content = choice.message.content
    plain = content is None or type(content) is str
    return (
        {**found, "text": text_fact(content or ""), "refusal": text_fact(choice.message.refusal or "")}
        if plain
        else found
    )


def streamed(chunks: Iterable[ChatCompletionChunk]) -> Object:
    text, plain, finish, calls = "", True, "", dict[int, Call]()
    for choice in (choice for chunk in chunks for choice in chunk.choices if choice.index == 0):
        finish = choice.finish_reason or finish
        if "delta" not in choice.model_fields_set:  # Azure sends some without
            continue
        delta = choice.delta
        plain = plain and (delta.content is None or type(delta.content) is str)
        text += (delta.content or "") if plain else ""
        for piece in delta.tool_calls or []:
            call = calls.setdefault(piece.index, Call())
            call.id = call.id or piece.id or ""
            if piece.function:
                call.name = call.name or piece.function.name or ""
                call.arguments += piece.function.arguments or ""
    found: Object = {"finish_raw": finish, "tools": [call.facts() for call in calls.values()]}
    return {**found, "text": text_fact(text)} if plain else found


def response(recording: Recording) -> Object:
    """What the client says of a response."""
    asked = client(recording).responses
    if not recording.streamed:
        return told_by(asked.create(model="x", input="x"))
    for event in asked.create(model="x", input="x", stream=True):
        if isinstance(event, ResponseCompletedEvent | ResponseIncompleteEvent | ResponseFailedEvent):
            return told_by(event.response)
    return {}


def told_by(answer: Response) -> Object:
    calls: list[Call] = []
    for item in answer.output:
        if item.type == "function_call":
            calls.append(Call(item.call_id, item.name, item.arguments))
        elif item.type == "custom_tool_call":
            calls.append(Call(item.call_id, item.name, item.input, plain=True))
    return {
        "id": answer.id,
        "model": answer.model,
        "text": text_fact(answer.output_text),
        "tools": [call.facts() for call in calls],
    }
