"""The OpenAI chat and completions formats: request to ask, answer to bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest

from msgspec.json import encode

from unigate.mock.ask import Answer, Ask, Event, Fail, Finish, Scene
from unigate.mock.likely import entries
from unigate.mock.parts import fragments
from unigate.mock.usage import number, shares
from unigate.mock.words import pieces

__all__ = ["chat_body", "chat_events", "completion_body", "completion_events", "error", "stream_error"]

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


def usage(ask: Ask, answer: Answer, scene: Scene, output: int | None = None) -> bytes:
    """The usage object, with as much output as is told."""
    lie = scene.script.usage
    said = answer.output_tokens * ask.choices if output is None else output
    told = shares(answer.input_tokens, scene.script)
    written = b',"cache_write_tokens":%d' % told.written if told.written else b""
    return (
        b'{"prompt_tokens":%b,"completion_tokens":%b,"total_tokens":%b,"prompt_tokens_details":{"cached_tokens":%d%b},'
        b'"completion_tokens_details":{"reasoning_tokens":%d}}'
    ) % (
        number(lie, answer.input_tokens),
        number(lie, said),
        number(lie, answer.input_tokens + said),
        told.read,
        written,
        min(answer.reasoned, said),
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
    return b"".join(parts) + b',"annotations":%b}' % _annotations(answer)


def _annotations(answer: Answer) -> bytes:
    told = [
        {
            "type": "url_citation",
            "url_citation": {"start_index": c.start, "end_index": c.end, "title": c.title, "url": c.url},
        }
        for c in answer.cites
    ]
    return encode(told)


def _likely(ask: Ask, text: str) -> bytes:
    return b"null" if ask.logprobs is None else b'{"content":%b,"refusal":null}' % encode(entries(text, ask.logprobs))


def chat_body(ask: Ask, answer: Answer, scene: Scene) -> bytes:
    """The whole unstreamed chat answer."""
    told = (_message(answer, scene), _likely(ask, answer.text), _finish(answer, scene))
    tail = b',"message":%b,"logprobs":%b,"finish_reason":%b}' % told
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
        for delta, tokens in _deltas(ask, answer, scene):
            said += tokens
            yield b"".join((frame, delta, b',"finish_reason":null}]', tail(said), b"}\n\n")), tokens
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


def _deltas(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    """The deltas of one choice, each with its closing brace and whatever stands beside it."""
    role = b'"role":"assistant",' if scene.script.repeatrole else b""
    refused = answer.finish is Finish.REFUSAL
    yield b'"role":"assistant",' + (b'"content":null,"refusal":""}' if refused else b'"content":""}'), 0
    for piece in pieces(answer.thinking):
        yield b'%b"reasoning_content":%b}' % (role, encode(piece)), 1
    field = b'"refusal":' if refused else b'"content":'
    for piece in pieces(answer.text):
        likely = b"" if ask.logprobs is None else b',"logprobs":' + _likely(ask, piece)
        yield b"%b%b%b}%b" % (role, field, encode(piece), likely), 1
    if answer.cites:
        yield b'"annotations":%b}' % _annotations(answer), 0
    for delta, tokens in (_mixed if scene.script.interleave else _in_turn)(answer, scene):
        yield b'"tool_calls":[%b]}' % delta, tokens


def _in_turn(answer: Answer, scene: Scene) -> Iterator[Event]:
    for n in range(len(answer.calls)):
        yield from _call_deltas(answer, scene, n)


def _mixed(answer: Answer, scene: Scene) -> Iterator[Event]:
    """The deltas of all calls, one of each in turn, as providers send them that work on several at once."""
    calls = [_call_deltas(answer, scene, n) for n in range(len(answer.calls))]
    for together in zip_longest(*calls):
        yield from (delta for delta in together if delta is not None)


def _call_deltas(answer: Answer, scene: Scene, n: int) -> Iterator[Event]:
    call = answer.calls[n]
    told = "" if scene.script.noid else f"call_{scene.tag}{n}"
    started = {"index": n, "id": told, "type": "function", "function": {"name": call.name, "arguments": ""}}
    yield encode(started), 1
    for piece, tokens in fragments(call.arguments):
        yield b'{"index":%d,"function":{"arguments":%b}}' % (n, encode(piece)), tokens


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
