"""Reads Coze: chats (streamed, polled, listed, over a WebSocket) and workflows.

https://www.coze.cn/open/docs/developer_guides/chat_v3 and .../workflow_stream_run.

* The answer's text is that of the messages of the assistant with type `answer`; `verbose`, `follow_up` and the user's
  own `question` are not. Streamed, it is what the deltas spell; where the message's completion says something else,
  that is told as `text_completed` (coze.v3.chat__stream__c9e2af56, whose vendor left deltas out).
* Unstreamed, `/v3/chat` tells the status and the counts, never a text; `/v3/chat/message/list` tells the text.
* `requires_action` is a stop for the client's tools. `failed` is an error, with HTTP 200; so is any `code` other than
  0.
* The counts are `input_count` and `output_count`, elsewhere `input_tokens` and `output_tokens`
  (coze.v3.chat.submit_tool_outputs__tool_result__f1e31591). The id is the chat's; the model asked for is the bot.
* A chat ends with `done`; where the recording stops before it (a failure, a WebSocket), with the chat's last state.
"""

from __future__ import annotations

from recordings.reader import frames
from recordings.reader.errors import error_fact
from recordings.reader.found import Answer, Asked, Call, Result, Usage
from recordings.reader.look import count, obj, objs, text
from recordings.replay import Object, Recording

__all__ = ["answer", "asked", "workflow_answer"]

FINISH = {"completed": "stop", "requires_action": "tool_calls", "failed": "error"}
LAST = ("conversation.chat.completed", "conversation.chat.failed", "conversation.chat.requires_action", "done")


def answer(recording: Recording) -> Answer:
    """What the chat holds."""
    found = Answer()
    if recording.streamed:
        events = _events(recording)
        for name, data in events:
            _event(found, name, data)
        found.ended_properly = events[-1][0] in LAST
        return found
    body = obj(recording.body)
    if body.get("code"):
        found.finish, found.error = "error", error_fact(recording.status, {}, body)
    _chat(found, obj(body.get("data")))
    for message in objs(body.get("data")):
        if message.get("type") == "answer":
            found.text += text(message.get("content"))
            found.finish = "stop"
    return found


def workflow_answer(recording: Recording) -> Answer:
    """What a workflow said: the texts of its messages, one after the other, and its error."""
    found = Answer(ended_properly=False)
    for event in frames.server_sent_events(text(recording.body)):
        data = obj(event.json)
        if event.name == "Message":
            found.text += text(data.get("content"))
        elif event.name == "Error":
            found.error = error_fact(recording.status, {}, data)
        found.ended_properly = event.name == "Done"
    found.finish = "error" if found.error else "stop"
    return found


def asked(recording: Recording) -> Asked:
    """What the request asks for; over a WebSocket, the messages the client sent."""
    body = obj(recording.request)
    sent = [obj(event.get("data")) for event in objs(recording.request)]
    found = Asked(model=text(body.get("bot_id")) or None, stream=body.get("stream") is True or bool(sent))
    for message in [*objs(body.get("additional_messages")), *sent]:
        found.message(text(message.get("role"))).text = text(message.get("content"))
    for output in objs(body.get("tool_outputs")):
        found.results.append(Result(id=text(output.get("tool_call_id")), text=text(output.get("output"))))
    return found


def _events(recording: Recording) -> list[tuple[str, Object]]:
    if recording.encoding == "json":
        return [(text(event.get("event_type")), obj(event.get("data"))) for event in objs(recording.body)]
    return [(event.name, obj(event.json)) for event in frames.server_sent_events(text(recording.body))]


def _event(found: Answer, name: str, data: Object) -> None:
    is_answer = data.get("type") == "answer" and data.get("content_type") == "text"
    if name == "conversation.message.delta" and is_answer:
        found.text += text(data.get("content"))
        found.thinking += text(data.get("reasoning_content"))
    elif name == "conversation.message.completed" and is_answer:
        found.text_completed += text(data.get("content"))
    elif name == "conversation.message.completed" and data.get("type") == "function_call":
        found.hosted += 1
    elif name.startswith("conversation.chat."):
        _chat(found, data)


def _chat(found: Answer, chat: Object) -> None:
    found.id = text(chat.get("id")) or found.id
    status = text(chat.get("status"))
    if status in FINISH:
        found.finish_raw, found.finish = status, FINISH[status]
    wanted = obj(obj(chat.get("required_action")).get("submit_tool_outputs"))
    for call in objs(wanted.get("tool_calls")):
        function = obj(call.get("function"))
        arguments = text(function.get("arguments"))
        found.calls.append(Call(id=text(call.get("id")), name=text(function.get("name")), arguments=arguments))
    usage = obj(chat.get("usage"))
    if usage.get("token_count"):
        before, after = usage.get("input_count", usage.get("input_tokens")), usage.get("output_count")
        after = usage.get("output_tokens") if after is None else after
        found.usage = Usage(input_total=count(before), output_total=count(after))
    if status == "failed":
        found.error = error_fact(200, {}, {"error": chat.get("last_error")})
