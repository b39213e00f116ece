"""The Anthropic Messages format: request to ask, answer to bytes."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.json import encode

from unigate.mock.ask import Answer, Ask, Event, Fail, Finish, Reply, Request, Scene, Tool
from unigate.mock.parts import fragments
from unigate.mock.usage import number
from unigate.mock.words import pieces, tokens_of

__all__ = ["body", "count", "error", "events", "read", "stream_error"]

FINISH = {
    Finish.STOP: "end_turn",
    Finish.LENGTH: "max_tokens",
    Finish.TOOLS: "tool_use",
    Finish.REFUSAL: "refusal",
    Finish.FILTER: "refusal",
    Finish.PAUSE: "pause_turn",
    Finish.SEQUENCE: "stop_sequence",
}
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
SIGNATURE = "c2NyaXB0ZWQgdXBzdHJlYW0gc2lnbmF0dXJl"


class Block(msgspec.Struct):
    """One block of a message's content."""

    type: str = "text"
    text: str | None = None
    content: str | list[Block] | None = None


class Message(msgspec.Struct):
    """One message of a conversation."""

    role: str
    content: str | list[Block]


class OfferedTool(msgspec.Struct):
    """A tool as a request offers it."""

    name: str
    input_schema: msgspec.Raw = msgspec.Raw(b"{}")


class Choice(msgspec.Struct):
    """A choice of tool."""

    type: str = "auto"
    name: str | None = None


class Format(msgspec.Struct):
    """The format that the text shall have."""

    type: str = ""
    schema: msgspec.Raw = msgspec.Raw(b"")


class OutputConfig(msgspec.Struct):
    """How the answer shall look."""

    format: Format | None = None


class MessagesRequest(msgspec.Struct):
    """What is read of a messages request."""

    messages: list[Message]
    model: str = ""
    system: str | list[Block] | None = None
    stream: bool | None = None
    tools: list[OfferedTool] | None = None
    tool_choice: Choice | None = None
    output_format: Format | None = None
    output_config: OutputConfig | None = None
    max_tokens: int | None = None


MESSAGES = msgspec.json.Decoder(MessagesRequest)


def _flat(content: str | list[Block] | None) -> str:
    if isinstance(content, str):
        return content
    return "".join([block.text or _flat(block.content) for block in content or ()])


def _result(content: str | list[Block]) -> str | None:
    if isinstance(content, str):
        return None
    found = [_flat(block.content) for block in content if block.type == "tool_result"]
    return " ".join(found) if found else None


def read(request: Request) -> Ask:
    """What this messages request asks for."""
    told = MESSAGES.decode(request.body)
    last = told.messages[-1].content if told.messages else ""
    users = [_said(message.content) for message in told.messages if message.role == "user"]
    form = told.output_config.format if told.output_config else told.output_format
    return Ask(
        texts=[_flat(told.system), *(_flat(message.content) for message in told.messages)],
        model=told.model,
        user_text=next((text for text in reversed(users) if text), ""),
        stream=bool(told.stream) or request.path.endswith(":streamRawPredict"),
        tool_result=_result(last),
        tools=tuple(Tool(tool.name, tool.input_schema) for tool in told.tools or ()),
        forced=told.tool_choice.name if told.tool_choice else None,
        may_call=told.tool_choice is None or told.tool_choice.type != "none",
        wants_json=form is not None,
        schema=form.schema if form else msgspec.Raw(b""),
        limit=told.max_tokens,
    )


def _said(content: str | list[Block]) -> str:
    if isinstance(content, str):
        return content
    return " ".join([block.text for block in content if block.text])


def count(ask: Ask, scene: Scene) -> Reply:
    """The answer to a count of tokens."""
    return Reply(b'{"input_tokens":%b}' % number(scene.script.usage, tokens_of(ask.texts)))


def _usage(answer: Answer, scene: Scene, output: int) -> bytes:
    lie = scene.script.usage
    cached = min(scene.script.cached, answer.input_tokens)
    return (
        b'{"input_tokens":%b,"cache_creation_input_tokens":0,"cache_read_input_tokens":%d,"output_tokens":%b,'
        b'"service_tier":"standard"}'
    ) % (number(lie, answer.input_tokens - cached), cached, number(lie, output))


def _stop(answer: Answer, scene: Scene) -> bytes:
    return b"null" if scene.script.nofinish else encode(answer.ending(FINISH))


def _tool_id(scene: Scene, n: int) -> str:
    return "" if scene.script.noid else f"toolu_{scene.tag}{n}"


def body(ask: Ask, answer: Answer, scene: Scene) -> bytes:
    """The whole unstreamed answer."""
    content: list[dict[str, object]] = []
    if answer.thinking:
        content.append({"type": "thinking", "thinking": answer.thinking, "signature": SIGNATURE})
    if answer.text or not answer.calls:
        content.append({"type": "text", "text": answer.text})
    for n, call in enumerate(answer.calls):
        told = msgspec.Raw(call.arguments.encode())
        content.append({"type": "tool_use", "id": _tool_id(scene, n), "name": call.name, "input": told})
    usage = b"" if scene.script.usage == "none" else b',"usage":' + _usage(answer, scene, answer.output_tokens)
    return b"".join(
        (_opening(scene), encode(content), b',"stop_reason":', _stop(answer, scene), b',"stop_sequence":null', usage)
    ) + (b"}")


def _opening(scene: Scene) -> bytes:
    named = encode(scene.shown)
    return b'{"id":"msg_%b","type":"message","role":"assistant","model":%b,"content":' % (scene.tag.encode(), named)


def _event(name: bytes, rest: bytes) -> bytes:
    return b'event: %b\ndata: {"type":"%b"%b}\n\n' % (name, name, rest)


def events(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    """The streamed answer, event by event."""
    lie = scene.script.usage
    usage = b"" if lie == "none" else b',"usage":' + _usage(answer, scene, 1 if answer.output_tokens else 0)
    message = b'%b[],"stop_reason":null,"stop_sequence":null%b}' % (_opening(scene), usage)
    yield _event(b"message_start", b',"message":' + message), 0
    yield b'event: ping\ndata: {"type": "ping"}\n\n', 0
    yield from _blocks(answer, scene)
    if not scene.script.nofinish:
        usage = b"" if lie == "none" else b',"usage":' + _usage(answer, scene, answer.output_tokens)
        delta = b',"delta":{"stop_reason":%b,"stop_sequence":null}%b' % (_stop(answer, scene), usage)
        for _ in range(1 + scene.script.twice):
            yield _event(b"message_delta", delta), 0
    if not scene.script.nodone:
        yield _event(b"message_stop", b""), 0
    if scene.script.afterdone:
        yield _delta(0, b'"text_delta","text":" too late"'), 0


def _blocks(answer: Answer, scene: Scene) -> Iterator[Event]:
    index = 0
    if answer.thinking:
        yield _start(index, b'{"type":"thinking","thinking":"","signature":""}'), 0
        for piece in pieces(answer.thinking):
            yield _delta(index, b'"thinking_delta","thinking":' + encode(piece)), 1
        yield _delta(index, b'"signature_delta","signature":' + encode(SIGNATURE)), 0
        yield _end(index), 0
        index += 1
    if answer.text or not answer.calls:
        yield _start(index, b'{"type":"text","text":""}'), 0
        for piece in pieces(answer.text):
            yield _delta(index, b'"text_delta","text":' + encode(piece)), 1
        yield _end(index), 0
        index += 1
    for n, call in enumerate(answer.calls):
        named: dict[str, object] = {"type": "tool_use", "id": _tool_id(scene, n), "name": call.name, "input": {}}
        yield _start(index + n, encode(named)), 1
        for piece, tokens in fragments(call.arguments):
            yield _delta(index + n, b'"input_json_delta","partial_json":' + encode(piece)), tokens
        yield _end(index + n), 0


def _start(index: int, block: bytes) -> bytes:
    return _event(b"content_block_start", b',"index":%d,"content_block":%b' % (index, block))


def _delta(index: int, typed: bytes) -> bytes:
    return _event(b"content_block_delta", b',"index":%d,"delta":{"type":%b}' % (index, typed))


def _end(index: int) -> bytes:
    return _event(b"content_block_stop", b',"index":%d' % index)


def error(fail: Fail) -> bytes:
    """The error in Anthropic's shape."""
    kind = fail.type or TYPES.get(fail.status, "api_error" if fail.status >= 500 else "invalid_request_error")
    told = {"type": "error", "error": {"type": kind, "message": fail.message}, "request_id": f"req_{fail.tag}"}
    return encode(told)


def stream_error(fail: Fail) -> bytes:
    """The error as an event of a stream."""
    return b"event: error\ndata: %b\n\n" % error(fail)
