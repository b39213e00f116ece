"""The Anthropic Messages format: request to ask, answer to bytes."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.json import encode

from unigate.mock.ask import Answer, Ask, Cite, Event, Fail, Finish, Reply, Scene
from unigate.mock.parts import fragments
from unigate.mock.proof import sign
from unigate.mock.usage import number, shares
from unigate.mock.words import pieces, tokens_of

__all__ = ["body", "count", "error", "events", "stream_error"]

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
USAGE = b"""{"input_tokens":%b,"cache_creation_input_tokens":%d,"cache_read_input_tokens":%d,\
"cache_creation":{"ephemeral_5m_input_tokens":%d,"ephemeral_1h_input_tokens":0},"output_tokens":%b%b,\
"service_tier":"standard"}"""
Json = dict[str, object]


def count(ask: Ask, scene: Scene) -> Reply:
    """The answer to a count of tokens."""
    return Reply(b'{"input_tokens":%b}' % number(scene.script.usage, tokens_of(ask.texts)))


def _usage(answer: Answer, scene: Scene, output: int) -> bytes:
    lie = scene.script.usage
    told = shares(answer.input_tokens, scene.script)
    thought = min(answer.reasoned, output)
    details = b',"output_tokens_details":{"thinking_tokens":%d}' % thought if thought else b""
    counts = (number(lie, told.fresh), told.written, told.read, told.written, number(lie, output), details)
    return USAGE % counts


def _ending(ask: Ask, answer: Answer, scene: Scene) -> bytes:
    """The reason to stop, the sequence it stopped at and, of a refusal, what kind it is."""
    if scene.script.nofinish:
        return b'"stop_reason":null,"stop_sequence":null'
    at = answer.stopped if answer.finish is Finish.SEQUENCE else None
    reason = answer.ending(FINISH)
    kind = b'{"type":"refusal","category":null,"explanation":null}' if reason == "refusal" else b"null"
    return b'"stop_reason":%b,"stop_sequence":%b,"stop_details":%b' % (encode(reason), encode(at), kind)


def _tool_id(scene: Scene, n: int) -> str:
    return "" if scene.script.noid else f"toolu_{scene.tag}{n}"


def _content(answer: Answer, scene: Scene) -> Iterator[Json]:
    if answer.thinking:
        yield {"type": "thinking", "thinking": answer.thinking, "signature": sign(answer.thinking)}
    if answer.redacted:
        yield {"type": "redacted_thinking", "data": answer.redacted}
    if answer.text or not answer.calls:
        text: Json = {"type": "text", "text": answer.text}
        yield {"citations": list(map(_cited, answer.cites))} | text if answer.cites else text
    for n, call in enumerate(answer.calls):
        told = msgspec.Raw(call.arguments.encode())
        yield {"type": "tool_use", "id": _tool_id(scene, n), "name": call.name, "input": told}


def _cited(cite: Cite) -> Json:
    return {
        "type": "web_search_result_location",
        "cited_text": cite.quote,
        "url": cite.url,
        "title": cite.title,
        "encrypted_index": sign(cite.url),
    }


def body(ask: Ask, answer: Answer, scene: Scene) -> bytes:
    """The whole unstreamed answer."""
    usage = b"" if scene.script.usage == "none" else b',"usage":' + _usage(answer, scene, answer.output_tokens)
    content = encode(list(_content(answer, scene)))
    return b"".join((_opening(scene), content, b",", _ending(ask, answer, scene), usage, b"}"))


def _opening(scene: Scene) -> bytes:
    named = encode(scene.shown)
    return b'{"id":"msg_%b","type":"message","role":"assistant","model":%b,"content":' % (scene.tag.encode(), named)


def _event(name: bytes, rest: bytes) -> bytes:
    return b'event: %b\ndata: {"type":"%b"%b}\n\n' % (name, name, rest)


def events(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    """The streamed answer, event by event."""
    lie = scene.script.usage
    usage = b"" if lie == "none" else b',"usage":' + _usage(answer, scene, 1 if answer.output_tokens else 0)
    message = b'%b[],"stop_reason":null,"stop_sequence":null,"stop_details":null%b}' % (_opening(scene), usage)
    yield _event(b"message_start", b',"message":' + message), 0
    yield b'event: ping\ndata: {"type": "ping"}\n\n', 0
    yield from _blocks(answer, scene)
    if not scene.script.nofinish:
        usage = b"" if lie == "none" else b',"usage":' + _usage(answer, scene, answer.output_tokens)
        delta = b',"delta":{%b}%b' % (_ending(ask, answer, scene), usage)
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
        yield _delta(index, b'"signature_delta","signature":' + encode(sign(answer.thinking))), 0
        yield _end(index), 0
        index += 1
    if answer.redacted:
        yield _start(index, b'{"type":"redacted_thinking","data":%b}' % encode(answer.redacted)), 0
        yield _end(index), 0
        index += 1
    if answer.text or not answer.calls:
        yield from _spoken(answer, index)
        index += 1
    for n, call in enumerate(answer.calls):
        named: Json = {"type": "tool_use", "id": _tool_id(scene, n), "name": call.name, "input": {}}
        yield _start(index + n, encode(named)), 1
        yield _delta(index + n, b'"input_json_delta","partial_json":""'), 0
        for piece, tokens in fragments(call.arguments):
            yield _delta(index + n, b'"input_json_delta","partial_json":' + encode(piece)), tokens
        yield _end(index + n), 0


def _spoken(answer: Answer, index: int) -> Iterator[Event]:
    yield _start(index, b'{%b"type":"text","text":""}' % (b'"citations":[],' if answer.cites else b"")), 0
    for piece in pieces(answer.text):
        yield _delta(index, b'"text_delta","text":' + encode(piece)), 1
    for cite in answer.cites:
        yield _delta(index, b'"citations_delta","citation":' + encode(_cited(cite))), 0
    yield _end(index), 0


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
