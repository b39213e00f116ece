"""The OpenAI chat and completions formats: request to ask, answer to bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
from msgspec.json import encode

from unigate.mock.ask import Answer, Ask, Event, Fail, Finish, Request, Scene, Tool
from unigate.mock.parts import Part, flat, fragments
from unigate.mock.usage import number
from unigate.mock.words import pieces

__all__ = ["chat_body", "chat_events", "completion_body", "completion_events", "error", "read_chat", "read_completion"]

FINISH = {
    Finish.STOP: "stop",
    Finish.LENGTH: "length",
    Finish.TOOLS: "tool_calls",
    Finish.FILTER: "content_filter",
}
TYPES = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    403: "permission_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
}
CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}


class Function(msgspec.Struct):
    """A function as a request names it."""

    name: str = ""
    parameters: msgspec.Raw = msgspec.Raw(b"{}")


class OfferedTool(msgspec.Struct):
    """A tool as a chat request offers it."""

    type: str = "function"
    function: Function | None = None
    name: str | None = None


class Choice(msgspec.Struct):
    """A choice of tool."""

    type: str = ""
    function: Function | None = None
    name: str | None = None


class JsonSchema(msgspec.Struct):
    """The JSON Schema of a response format."""

    schema: msgspec.Raw = msgspec.Raw(b"")


class Format(msgspec.Struct):
    """A response format."""

    type: str = "text"
    json_schema: JsonSchema | None = None


class StreamOptions(msgspec.Struct):
    """What a client wants to hear in a stream."""

    include_usage: bool = False


class Message(msgspec.Struct):
    """One message of a chat."""

    role: str = "user"
    content: str | list[Part] | None = None


class ChatRequest(msgspec.Struct):
    """What is read of a chat request."""

    messages: list[Message]
    model: str = ""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    tools: list[OfferedTool] | None = None
    tool_choice: str | Choice | None = None
    response_format: Format | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: int | None = None


class CompletionRequest(msgspec.Struct):
    """What is read of a completions request."""

    prompt: str | list[str | int | list[int]] = ""
    model: str = ""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    n: int | None = None


CHAT = msgspec.json.Decoder(ChatRequest)
COMPLETION = msgspec.json.Decoder(CompletionRequest)


def read_chat(request: Request) -> Ask:
    """What this chat request asks for."""
    told = CHAT.decode(request.body)
    texts = [flat(message.content) for message in told.messages]
    last = told.messages[-1].role if told.messages else ""
    users = [text for text, message in zip(texts, told.messages, strict=True) if message.role == "user"]
    chosen = told.tool_choice
    form = told.response_format
    return Ask(
        texts=texts,
        model=told.model,
        user_text=users[-1] if users else "",
        stream=bool(told.stream),
        include_usage=told.stream_options is not None and told.stream_options.include_usage,
        tool_result=texts[-1] if last in ("tool", "function") else None,
        tools=tuple(Tool(t.function.name, t.function.parameters) for t in told.tools or () if t.function),
        forced=chosen.function.name if isinstance(chosen, Choice) and chosen.function else None,
        may_call=chosen != "none",
        wants_json=form is not None and form.type in ("json_schema", "json_object"),
        schema=form.json_schema.schema if form and form.json_schema else msgspec.Raw(b""),
        limit=told.max_completion_tokens or told.max_tokens,
        choices=max(1, min(told.n or 1, 128)),
    )


def read_completion(request: Request) -> Ask:
    """What this completions request asks for."""
    told = COMPLETION.decode(request.body)
    texts = [told.prompt] if isinstance(told.prompt, str) else [p for p in told.prompt if isinstance(p, str)]
    return Ask(
        texts=texts,
        model=told.model,
        user_text=texts[-1] if texts else "",
        stream=bool(told.stream),
        include_usage=told.stream_options is not None and told.stream_options.include_usage,
        limit=told.max_tokens,
        choices=max(1, min(told.n or 1, 128)),
    )


def usage(ask: Ask, answer: Answer, scene: Scene, output: int | None = None) -> bytes:
    """The usage object, with as much output as is told."""
    lie = scene.script.usage
    said = answer.output_tokens * ask.choices if output is None else output
    return (
        b'{"prompt_tokens":%b,"completion_tokens":%b,"total_tokens":%b,"prompt_tokens_details":{"cached_tokens":%d},'
        b'"completion_tokens_details":{"reasoning_tokens":%d}}'
    ) % (
        number(lie, answer.input_tokens),
        number(lie, said),
        number(lie, answer.input_tokens + said),
        min(scene.script.cached, answer.input_tokens),
        min(scene.script.think, said),
    )


def _finish(answer: Answer, scene: Scene) -> bytes:
    if scene.script.nofinish:
        return b"null"
    return encode(answer.ending(FINISH))


def _tool_calls(answer: Answer, scene: Scene) -> bytes:
    calls = [
        {
            "id": "" if scene.script.noid else f"call_{scene.tag}{n}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for n, call in enumerate(answer.calls)
    ]
    return encode(calls)


def _message(answer: Answer, scene: Scene) -> bytes:
    refused = answer.finish is Finish.REFUSAL
    content = b"null" if refused or (answer.calls and not answer.text) else encode(answer.text)
    parts = [b'{"role":"assistant","content":', content, b',"refusal":', encode(answer.text) if refused else b"null"]
    if answer.thinking:
        parts += [b',"reasoning_content":', encode(answer.thinking)]
    if answer.calls:
        parts += [b',"tool_calls":', _tool_calls(answer, scene)]
    return b"".join(parts) + b',"annotations":[]}'


def chat_body(ask: Ask, answer: Answer, scene: Scene) -> bytes:
    """The whole unstreamed chat answer."""
    tail = b',"message":%b,"logprobs":null,"finish_reason":%b}' % (_message(answer, scene), _finish(answer, scene))
    choices = b",".join([b'{"index":%d' % n + tail for n in range(ask.choices)])
    return b"".join((_opening(scene, b"chatcmpl-", b"chat.completion"), choices, b"]", _closing(ask, answer, scene)))


def _opening(scene: Scene, prefix: bytes, kind: bytes) -> bytes:
    return b'{"id":"%b%b","object":"%b","created":%d,"model":%b,"choices":[' % (
        prefix,
        scene.tag.encode(),
        kind,
        scene.created,
        encode(scene.shown),
    )


def _closing(ask: Ask, answer: Answer, scene: Scene) -> bytes:
    if scene.script.usage == "none":
        return b"}"
    return b',"usage":%b,"system_fingerprint":"fp_mock"}' % usage(ask, answer, scene)


def chat_events(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    """The streamed chat answer, event by event."""
    script = scene.script
    opening = b"data: " + _opening(scene, b"chatcmpl-", b"chat.completion.chunk")
    tail = _tail(ask, answer, scene)
    if script.emptyfirst:
        yield b'data: {"id":"","object":"","created":0,"model":"","choices":[],"prompt_filter_results":[]}\n\n', 0
    for choice in range(ask.choices):
        frame = opening + b'{"index":%d,"delta":{' % choice
        said = 0
        for delta, tokens in _deltas(answer, scene):
            said += tokens
            yield b"".join((frame, delta, b'},"finish_reason":null}]', tail(said), b"}\n\n")), tokens
        if not script.nofinish:
            end = frame + b'},"finish_reason":%b}]' % _finish(answer, scene)
            for _ in range(1 + script.twice):
                yield end + tail(answer.output_tokens) + b"}\n\n", 0
    yield from ending(opening, ask, answer, scene)


def _tail(ask: Ask, answer: Answer, scene: Scene) -> Callable[[int], bytes]:
    def told(said: int) -> bytes:
        return b',"usage":' + usage(ask, answer, scene, said)

    def silent(said: int) -> bytes:
        return b""

    return told if scene.script.usage == "repeated" else silent


def ending(opening: bytes, ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    """The last events of an OpenAI stream: the usage, if it is told, and the end mark."""
    script = scene.script
    if script.usage != "none" and (ask.include_usage or script.usage == "always"):
        yield b'%b],"usage":%b}\n\n' % (opening, usage(ask, answer, scene)), 0
    if not script.nodone:
        for _ in range(1 + script.twice):
            yield b"data: [DONE]\n\n", 0
    if script.afterdone:
        yield opening + b'{"index":0,"delta":{"content":" too late"},"finish_reason":null}]}\n\n', 0


def _deltas(answer: Answer, scene: Scene) -> Iterator[Event]:
    role = b'"role":"assistant",' if scene.script.repeatrole else b""
    yield b'"role":"assistant","content":""', 0
    for piece in pieces(answer.thinking):
        yield b'%b"reasoning_content":%b' % (role, encode(piece)), 1
    field = b'"refusal":' if answer.finish is Finish.REFUSAL else b'"content":'
    for piece in pieces(answer.text):
        yield role + field + encode(piece), 1
    for n, call in enumerate(answer.calls):
        told = "" if scene.script.noid else f"call_{scene.tag}{n}"
        yield (
            b'"tool_calls":%b'
            % encode([{"index": n, "id": told, "type": "function", "function": {"name": call.name, "arguments": ""}}]),
            1,
        )
        yield from _argument_deltas(n, call.arguments)


def _argument_deltas(n: int, arguments: str) -> Iterator[Event]:
    for piece, tokens in fragments(arguments):
        yield b'"tool_calls":[{"index":%d,"function":{"arguments":%b}}]' % (n, encode(piece)), tokens


def completion_body(ask: Ask, answer: Answer, scene: Scene) -> bytes:
    """The whole unstreamed completions answer."""
    tail = b',"text":%b,"logprobs":null,"finish_reason":%b}' % (encode(answer.text), _finish(answer, scene))
    choices = b",".join([b'{"index":%d' % n + tail for n in range(ask.choices)])
    return b"".join((_opening(scene, b"cmpl-", b"text_completion"), choices, b"]", _closing(ask, answer, scene)))


def completion_events(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    """The streamed completions answer, event by event."""
    opening = b"data: " + _opening(scene, b"cmpl-", b"text_completion")
    for choice in range(ask.choices):
        frame = opening + b'{"index":%d,"logprobs":null,"text":' % choice
        for piece in pieces(answer.text):
            yield b'%b%b,"finish_reason":null}]}\n\n' % (frame, encode(piece)), 1
        if not scene.script.nofinish:
            yield b'%b"","finish_reason":%b}]}\n\n' % (frame, _finish(answer, scene)), 0
    yield from ending(opening, ask, answer, scene)


def error(fail: Fail) -> bytes:
    """The error in OpenAI's shape."""
    kind = fail.type or TYPES.get(fail.status, "server_error" if fail.status >= 500 else "invalid_request_error")
    code = fail.code or CODES.get(fail.status)
    return encode({"error": {"message": fail.message, "type": kind, "param": None, "code": code}})


def stream_error(fail: Fail) -> bytes:
    """The error as an event of a stream."""
    return b"data: " + error(fail) + b"\n\n"
