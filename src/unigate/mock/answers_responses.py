"""The OpenAI Responses format: request to ask, answer to bytes."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.json import encode

from unigate.mock.ask import Answer, Ask, Event, Fail, Finish, Request, Scene, Tool
from unigate.mock.parts import Part, flat, fragments
from unigate.mock.usage import number
from unigate.mock.words import pieces

__all__ = ["body", "events", "read", "stream_error"]

Item = dict[str, object]


class InputItem(msgspec.Struct):
    """One item of the input."""

    type: str = "message"
    role: str = ""
    content: str | list[Part] | None = None
    output: str | list[Part] | None = None


class OfferedTool(msgspec.Struct):
    """A tool as a request offers it."""

    type: str = "function"
    name: str = ""
    parameters: msgspec.Raw = msgspec.Raw(b"{}")


class Choice(msgspec.Struct):
    """A choice of tool."""

    type: str = ""
    name: str | None = None


class Format(msgspec.Struct):
    """The format that the text shall have."""

    type: str = "text"
    schema: msgspec.Raw = msgspec.Raw(b"")


class TextConfig(msgspec.Struct):
    """How the answer's text shall look."""

    format: Format | None = None


class ResponsesRequest(msgspec.Struct):
    """What is read of a responses request."""

    input: str | list[InputItem] = ""
    model: str = ""
    instructions: str | None = None
    stream: bool | None = None
    tools: list[OfferedTool] | None = None
    tool_choice: str | Choice | None = None
    text: TextConfig | None = None
    max_output_tokens: int | None = None


RESPONSES = msgspec.json.Decoder(ResponsesRequest)


def read(request: Request) -> Ask:
    """What this responses request asks for."""
    told = RESPONSES.decode(request.body)
    items = [InputItem(role="user", content=told.input)] if isinstance(told.input, str) else told.input
    users = [flat(item.content) for item in items if item.role == "user"]
    results = [flat(item.output) for item in items[-1:] if item.output is not None]
    form = told.text.format if told.text else None
    chosen = told.tool_choice
    return Ask(
        texts=[told.instructions or "", *(flat(item.content) + flat(item.output) for item in items)],
        model=told.model,
        user_text=users[-1] if users else "",
        stream=bool(told.stream),
        tool_result=results[0] if results else None,
        tools=tuple(Tool(tool.name, tool.parameters) for tool in told.tools or () if tool.type == "function"),
        forced=chosen.name if isinstance(chosen, Choice) else None,
        may_call=chosen != "none",
        wants_json=form is not None and form.type in ("json_schema", "json_object"),
        schema=form.schema if form else msgspec.Raw(b""),
        limit=told.max_output_tokens,
    )


def _usage(answer: Answer, scene: Scene) -> msgspec.Raw:
    lie, script = scene.script.usage, scene.script
    return msgspec.Raw(
        b'{"input_tokens":%b,"input_tokens_details":{"cached_tokens":%d},"output_tokens":%b,'
        b'"output_tokens_details":{"reasoning_tokens":%d},"total_tokens":%b}'
        % (
            number(lie, answer.input_tokens),
            min(script.cached, answer.input_tokens),
            number(lie, answer.output_tokens),
            min(script.think, answer.output_tokens),
            number(lie, answer.input_tokens + answer.output_tokens),
        )
    )


def _items(answer: Answer, scene: Scene) -> list[Item]:
    items: list[Item] = []
    if answer.thinking:
        summary = [{"type": "summary_text", "text": answer.thinking}]
        items.append({"id": f"rs_{scene.tag}", "type": "reasoning", "summary": summary})
    if answer.text or not answer.calls:
        items.append(_message(scene, "completed", [_part(answer)]))
    return items + [_call(answer, scene, n, "completed", call.arguments) for n, call in enumerate(answer.calls)]


def _part(answer: Answer) -> Item:
    if answer.finish is Finish.REFUSAL:
        return {"type": "refusal", "refusal": answer.text}
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": answer.text}


def _message(scene: Scene, status: str, content: list[Item]) -> Item:
    return {"id": f"msg_{scene.tag}", "type": "message", "status": status, "content": content, "role": "assistant"}


def _call(answer: Answer, scene: Scene, n: int, status: str, told: str) -> Item:
    call_id = "" if scene.script.noid else f"call_{scene.tag}{n}"
    named = {"id": f"fc_{scene.tag}{n}", "type": "function_call", "status": status, "call_id": call_id}
    return {**named, "name": answer.calls[n].name, "arguments": told}


def _response(scene: Scene, status: str, output: list[Item], rest: Item) -> Item:
    return {
        "id": f"resp_{scene.tag}",
        "object": "response",
        "created_at": scene.created,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": scene.shown,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": {},
        **rest,
    }


def _final(answer: Answer, scene: Scene) -> Item:
    usage: Item = {} if scene.script.usage == "none" else {"usage": _usage(answer, scene)}
    if answer.finish is Finish.LENGTH:
        usage["incomplete_details"] = {"reason": "max_output_tokens"}
    return _response(scene, _status(answer), _items(answer, scene), usage)


def _status(answer: Answer) -> str:
    return "incomplete" if answer.finish is Finish.LENGTH else "completed"


def body(ask: Ask, answer: Answer, scene: Scene) -> bytes:
    """The whole unstreamed answer."""
    return encode(_final(answer, scene))


def events(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    """The streamed answer, event by event, numbered in order."""
    for number_, (kind, told, tokens) in enumerate(_named(answer, scene)):
        text = encode({"type": kind, **told, "sequence_number": number_})
        yield b"event: %b\ndata: %b\n\n" % (kind.encode(), text), tokens


Named = tuple[str, Item, int]


def _named(answer: Answer, scene: Scene) -> Iterator[Named]:
    for kind in ("response.created", "response.in_progress"):
        yield kind, {"response": _response(scene, "in_progress", [], {})}, 0
    index = 0
    if answer.thinking:
        yield from _reasoning(answer, scene)
        index += 1
    if answer.text or not answer.calls:
        yield from _spoken(answer, scene, index)
        index += 1
    for n in range(len(answer.calls)):
        yield from _called(answer, scene, index + n, n)
    if not scene.script.nofinish:
        yield f"response.{_status(answer)}", {"response": _final(answer, scene)}, 0


def _reasoning(answer: Answer, scene: Scene) -> Iterator[Named]:
    item = {"id": f"rs_{scene.tag}", "type": "reasoning", "summary": list[Item]()}
    done = _items(answer, scene)[0]
    place: Item = {"item_id": f"rs_{scene.tag}", "output_index": 0, "summary_index": 0}
    yield "response.output_item.added", {"output_index": 0, "item": item}, 0
    part = {"type": "summary_text", "text": ""}
    yield "response.reasoning_summary_part.added", {**place, "part": part}, 0
    for piece in pieces(answer.thinking):
        yield "response.reasoning_summary_text.delta", {**place, "delta": piece}, 1
    yield "response.reasoning_summary_text.done", {**place, "text": answer.thinking}, 0
    whole = {"type": "summary_text", "text": answer.thinking}
    yield "response.reasoning_summary_part.done", {**place, "part": whole}, 0
    yield "response.output_item.done", {"output_index": 0, "item": done}, 0


def _spoken(answer: Answer, scene: Scene, index: int) -> Iterator[Named]:
    refused = answer.finish is Finish.REFUSAL
    kind, field = ("refusal", "refusal") if refused else ("output_text", "text")
    place: Item = {"item_id": f"msg_{scene.tag}", "output_index": index, "content_index": 0}
    extra: Item = {} if refused else {"logprobs": list[Item]()}
    yield "response.output_item.added", {"output_index": index, "item": _message(scene, "in_progress", [])}, 0
    yield "response.content_part.added", {**place, "part": {**_part(answer), field: ""}}, 0
    for piece in pieces(answer.text):
        yield f"response.{kind}.delta", {**place, "delta": piece, **extra}, 1
    yield f"response.{kind}.done", {**place, field: answer.text, **extra}, 0
    yield "response.content_part.done", {**place, "part": _part(answer)}, 0
    item = _message(scene, "completed", [_part(answer)])
    yield "response.output_item.done", {"output_index": index, "item": item}, 0


def _called(answer: Answer, scene: Scene, index: int, n: int) -> Iterator[Named]:
    call = answer.calls[n]
    place: Item = {"item_id": f"fc_{scene.tag}{n}", "output_index": index}
    kind = "response.function_call_arguments"
    started = _call(answer, scene, n, "in_progress", "")
    yield "response.output_item.added", {"output_index": index, "item": started}, 1
    for piece, tokens in fragments(call.arguments):
        yield f"{kind}.delta", {**place, "delta": piece}, tokens
    yield f"{kind}.done", {**place, "arguments": call.arguments, "name": call.name}, 0
    done = _call(answer, scene, n, "completed", call.arguments)
    yield "response.output_item.done", {"output_index": index, "item": done}, 0


def stream_error(fail: Fail) -> bytes:
    """The failed response as the last event of a stream."""
    told = {"code": fail.code or "server_error", "message": fail.message}
    response = {
        "id": f"resp_{fail.tag}",
        "object": "response",
        "status": "failed",
        "error": told,
        "output": list[Item](),
    }
    failed = encode({"type": "response.failed", "response": response, "sequence_number": 9_999})
    return b"event: response.failed\ndata: %b\n\n" % failed
