"""The OpenAI Responses format: request to ask, answer to bytes."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.json import encode

from unigate.mock.ask import Answer, Ask, Cite, Event, Fail, Finish, Scene
from unigate.mock.likely import entries
from unigate.mock.parts import fragments
from unigate.mock.proof import sealed
from unigate.mock.usage import number, shares
from unigate.mock.words import pieces

__all__ = ["body", "events", "stream_error"]

Item = dict[str, object]


INCOMPLETE = {Finish.LENGTH: "max_output_tokens", Finish.FILTER: "content_filter"}


def _usage(answer: Answer, scene: Scene) -> msgspec.Raw:
    lie, told = scene.script.usage, shares(answer.input_tokens, scene.script)
    written = b',"cache_write_tokens":%d' % told.written if told.written else b""
    return msgspec.Raw(
        b'{"input_tokens":%b,"input_tokens_details":{"cached_tokens":%d%b},"output_tokens":%b,'
        b'"output_tokens_details":{"reasoning_tokens":%d},"total_tokens":%b}'
        % (
            number(lie, answer.input_tokens),
            told.read,
            written,
            number(lie, answer.output_tokens),
            min(answer.reasoned, answer.output_tokens),
            number(lie, answer.input_tokens + answer.output_tokens),
        )
    )


def _thought(ask: Ask, answer: Answer, scene: Scene) -> Item:
    """The reasoning: a summary that may be read, and the whole of it in a form that may not."""
    summary = [{"type": "summary_text", "text": answer.thinking}] if answer.thinking else list[Item]()
    told: Item = {"id": f"rs_{scene.tag}", "type": "reasoning", "summary": summary}
    return told | {"encrypted_content": sealed(answer.thinking)} if ask.encrypted else told


def _thinks(answer: Answer) -> bool:
    return bool(answer.thinking or answer.redacted)


def _items(ask: Ask, answer: Answer, scene: Scene) -> list[Item]:
    items = [_thought(ask, answer, scene)] if _thinks(answer) else list[Item]()
    if answer.text or not answer.calls:
        items.append(_message(scene, _status(answer), [_part(ask, answer)]))
    return items + [_call(answer, scene, n, "completed", call.arguments) for n, call in enumerate(answer.calls)]


def _part(ask: Ask, answer: Answer) -> Item:
    if answer.finish is Finish.REFUSAL:
        return {"type": "refusal", "refusal": answer.text}
    annotations = list(map(_annotation, answer.cites))
    return {
        "type": "output_text",
        "annotations": annotations,
        "logprobs": _likely(ask, answer.text),
        "text": answer.text,
    }


def _likely(ask: Ask, text: str) -> list[Item]:
    return [] if ask.logprobs is None else entries(text, ask.logprobs)


def _annotation(cite: Cite) -> Item:
    return {
        "type": "url_citation",
        "end_index": cite.end,
        "start_index": cite.start,
        "title": cite.title,
        "url": cite.url,
    }


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


def _final(ask: Ask, answer: Answer, scene: Scene) -> Item:
    usage: Item = {} if scene.script.usage == "none" else {"usage": _usage(answer, scene)}
    if answer.finish in INCOMPLETE:
        usage["incomplete_details"] = {"reason": INCOMPLETE[answer.finish]}
    return _response(scene, _status(answer), _items(ask, answer, scene), usage)


def _status(answer: Answer) -> str:
    return "incomplete" if answer.finish in INCOMPLETE else "completed"


def body(ask: Ask, answer: Answer, scene: Scene) -> bytes:
    """The whole unstreamed answer."""
    return encode(_final(ask, answer, scene))


def events(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    """The streamed answer, event by event, numbered in order."""
    for number_, (kind, told, tokens) in enumerate(_named(ask, answer, scene)):
        text = encode({"type": kind, **told, "sequence_number": number_})
        yield b"event: %b\ndata: %b\n\n" % (kind.encode(), text), tokens


Named = tuple[str, Item, int]


def _named(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Named]:
    for kind in ("response.created", "response.in_progress"):
        yield kind, {"response": _response(scene, "in_progress", [], {})}, 0
    index = 0
    if _thinks(answer):
        yield from _reasoning(ask, answer, scene)
        index += 1
    if answer.text or not answer.calls:
        yield from _spoken(ask, answer, scene, index)
        index += 1
    for n in range(len(answer.calls)):
        yield from _called(answer, scene, index + n, n)
    if not scene.script.nofinish:
        yield f"response.{_status(answer)}", {"response": _final(ask, answer, scene)}, 0


def _reasoning(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Named]:
    done = _thought(ask, answer, scene)
    place: Item = {"item_id": f"rs_{scene.tag}", "output_index": 0, "summary_index": 0}
    yield "response.output_item.added", {"output_index": 0, "item": {**done, "summary": list[Item]()}}, 0
    if answer.thinking:
        part = {"type": "summary_text", "text": ""}
        yield "response.reasoning_summary_part.added", {**place, "part": part}, 0
        for piece in pieces(answer.thinking):
            yield "response.reasoning_summary_text.delta", {**place, "delta": piece}, 1
        yield "response.reasoning_summary_text.done", {**place, "text": answer.thinking}, 0
        yield "response.reasoning_summary_part.done", {**place, "part": {**part, "text": answer.thinking}}, 0
    yield "response.output_item.done", {"output_index": 0, "item": done}, 0


def _spoken(ask: Ask, answer: Answer, scene: Scene, index: int) -> Iterator[Named]:
    refused = answer.finish is Finish.REFUSAL
    kind, field = ("refusal", "refusal") if refused else ("output_text", "text")
    place: Item = {"item_id": f"msg_{scene.tag}", "output_index": index, "content_index": 0}
    empty: Item = {field: ""} if refused else {field: "", "annotations": [], "logprobs": []}
    yield "response.output_item.added", {"output_index": index, "item": _message(scene, "in_progress", [])}, 0
    yield "response.content_part.added", {**place, "part": {**_part(ask, answer), **empty}}, 0
    for piece in pieces(answer.text):
        extra: Item = {} if refused else {"logprobs": _likely(ask, piece)}
        yield f"response.{kind}.delta", {**place, "delta": piece, **extra}, 1
    for n, cite in enumerate(answer.cites):
        told: Item = {"annotation_index": n, "annotation": _annotation(cite)}
        yield "response.output_text.annotation.added", {**place, **told}, 0
    whole: Item = {} if refused else {"logprobs": _likely(ask, answer.text)}
    yield f"response.{kind}.done", {**place, field: answer.text, **whole}, 0
    yield "response.content_part.done", {**place, "part": _part(ask, answer)}, 0
    item = _message(scene, _status(answer), [_part(ask, answer)])
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
