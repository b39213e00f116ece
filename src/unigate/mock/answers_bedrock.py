"""Bedrock's Converse format: request to ask, answer to JSON or to the events of a binary stream.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html and recorded answers.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator

import msgspec
from msgspec.json import encode

from unigate.mock.ask import Answer, Ask, Cite, Event, Fail, Finish, Scene
from unigate.mock.frames import exception, named
from unigate.mock.parts import fragments
from unigate.mock.proof import sign
from unigate.mock.stamps import aws_type
from unigate.mock.usage import number, shares
from unigate.mock.words import pieces

__all__ = ["body", "error", "events", "stranger", "stream_error"]

FINISH = {
    Finish.STOP: "end_turn",
    Finish.LENGTH: "max_tokens",
    Finish.TOOLS: "tool_use",
    Finish.REFUSAL: "guardrail_intervened",
    Finish.FILTER: "content_filtered",
    Finish.SEQUENCE: "stop_sequence",
}
PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
Json = dict[str, object]


def _usage(answer: Answer, scene: Scene) -> Json:
    lie, script = scene.script.usage, scene.script
    told = shares(answer.input_tokens, script)
    usage: Json = {
        "inputTokens": msgspec.Raw(number(lie, told.fresh)),
        "outputTokens": msgspec.Raw(number(lie, answer.output_tokens)),
        "serverToolUsage": {},
        "totalTokens": msgspec.Raw(number(lie, answer.input_tokens + answer.output_tokens)),
    }
    if script.cached or script.cachewrite:
        usage |= {"cacheReadInputTokens": told.read, "cacheReadInputTokenCount": told.read}
        usage |= {"cacheWriteInputTokens": told.written, "cacheWriteInputTokenCount": told.written}
    return usage


def _call_id(scene: Scene, n: int) -> str:
    return "" if scene.script.noid else f"tooluse_{scene.tag}{n}"


def _sealed(answer: Answer) -> str:
    # A blob travels as base64 of whatever is in it; here that is text in base64 already.
    return base64.b64encode(answer.redacted.encode()).decode()


def _source(cite: Cite) -> Json:
    return {
        "location": {"web": {"domain": "example.com", "url": cite.url}},
        "source": cite.url,
        "sourceContent": [{"text": cite.quote}],
        "title": cite.title,
    }


def _spoken(answer: Answer) -> Json:
    if not answer.cites:
        return {"text": answer.text}
    return {"citationsContent": {"citations": list(map(_source, answer.cites)), "content": [{"text": answer.text}]}}


def _content(answer: Answer, scene: Scene) -> Iterator[Json]:
    if answer.thinking:
        thought = {"signature": sign(answer.thinking), "text": answer.thinking}
        yield {"reasoningContent": {"reasoningText": thought}}
    if answer.redacted:
        yield {"reasoningContent": {"redactedContent": _sealed(answer)}}
    if answer.text or not answer.calls:
        yield _spoken(answer)
    for n, call in enumerate(answer.calls):
        told = msgspec.Raw(call.arguments.encode())
        yield {"toolUse": {"input": told, "name": call.name, "toolUseId": _call_id(scene, n)}}


def body(ask: Ask, answer: Answer, scene: Scene) -> bytes:
    """The whole unstreamed answer."""
    message = {"content": list(_content(answer, scene)), "role": "assistant"}
    told: Json = {"metrics": {"latencyMs": 1}, "output": {"message": message}}
    if not scene.script.nofinish:
        told["stopReason"] = answer.ending(FINISH)
    if scene.script.usage != "none":
        told["usage"] = _usage(answer, scene)
    return encode(told)


def _event(kind: str, told: Json) -> bytes:
    """An event with padding, so that its length tells nothing about its words."""
    payload = encode(dict(sorted({**told, "p": ""}.items())))
    padding = PADDING[: 2 + len(payload) * 7 % 60].encode()
    return named(kind, payload.replace(b'"p":""', b'"p":"%b"' % padding, 1))


def _delta(index: int, delta: Json) -> bytes:
    return _event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})


def _stop(index: int) -> bytes:
    return _event("contentBlockStop", {"contentBlockIndex": index})


def events(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    """The streamed answer, each event named and not yet framed."""
    script = scene.script
    yield _event("messageStart", {"role": "assistant"}), 0
    yield from _blocks(answer, scene)
    if not script.nofinish:
        for _ in range(1 + script.twice):
            yield _event("messageStop", {"stopReason": answer.ending(FINISH)}), 0
    if not script.nodone and script.usage != "none":
        yield _event("metadata", {"metrics": {"latencyMs": 1}, "usage": _usage(answer, scene)}), 0
    if script.afterdone:
        yield _delta(0, {"text": " too late"}), 0


def _blocks(answer: Answer, scene: Scene) -> Iterator[Event]:
    index = 0
    for block in (_thinking, _redacted, _text):
        told = list(block(answer))
        for delta, tokens in told:
            yield _delta(index, delta), tokens
        if told:
            yield _stop(index), 0
            index += 1
    for n in range(len(answer.calls)):
        yield from _called(answer, scene, n, index + n)


Deltas = Iterator[tuple[Json, int]]


def _thinking(answer: Answer) -> Deltas:
    for piece in pieces(answer.thinking):
        yield {"reasoningContent": {"text": piece}}, 1
    if answer.thinking:
        yield {"reasoningContent": {"signature": sign(answer.thinking)}}, 0


def _redacted(answer: Answer) -> Deltas:
    if answer.redacted:
        yield {"reasoningContent": {"redactedContent": _sealed(answer)}}, 0


def _text(answer: Answer) -> Deltas:
    for piece in pieces(answer.text):
        yield {"text": piece}, 1
    for cite in answer.cites:
        yield {"citation": _source(cite)}, 0
    if not answer.calls:
        yield {"text": ""}, 0


def _called(answer: Answer, scene: Scene, n: int, index: int) -> Iterator[Event]:
    call = answer.calls[n]
    start = {"toolUse": {"name": call.name, "toolUseId": _call_id(scene, n)}}
    yield _event("contentBlockStart", {"contentBlockIndex": index, "start": start}), 1
    for piece, tokens in fragments(call.arguments):
        yield _delta(index, {"toolUse": {"input": piece}}), tokens
    yield _stop(index), 0


def error(fail: Fail) -> bytes:
    """The error in AWS's shape: its type stands in a header."""
    return encode({"message": fail.message})


def stream_error(fail: Fail) -> bytes:
    """The error as an exception in the stream."""
    kind = aws_type(fail)
    return exception(kind[:1].lower() + kind[1:], error(fail))


def stranger(masked: str) -> Fail:
    """The refusal of a Bedrock API key that nobody knows."""
    return Fail(403, "Authentication failed: Please make sure your API Key is valid.")
