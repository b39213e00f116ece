"""The Gemini generateContent format: request to ask, answer to bytes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import msgspec
from msgspec.json import encode

from unigate.mock.ask import Answer, Ask, Event, Fail, Finish, Heard, Reply, Request, Scene, Tool
from unigate.mock.endpoints import DIMENSIONS, vector
from unigate.mock.usage import number
from unigate.mock.words import pieces, tokens_of

__all__ = ["body", "count", "embed", "embed_batch", "error", "events", "events_array", "read", "stream_error"]

FINISH = {Finish.STOP: "STOP", Finish.LENGTH: "MAX_TOKENS", Finish.REFUSAL: "SAFETY", Finish.FILTER: "SAFETY"}
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
SIGNATURE = "c2NyaXB0ZWQgdXBzdHJlYW0gc2lnbmF0dXJl"


class FunctionResponse(msgspec.Struct):
    """What a function has returned."""

    name: str = ""
    response: msgspec.Raw = msgspec.Raw(b"{}")


class Part(msgspec.Struct, rename="camel"):
    """One part of a content."""

    text: str | None = None
    function_response: FunctionResponse | None = None


class Content(msgspec.Struct):
    """One turn of a conversation."""

    parts: list[Part] = []
    role: str | None = None


class Declaration(msgspec.Struct, rename="camel"):
    """A function as a request offers it."""

    name: str
    parameters: msgspec.Raw = msgspec.Raw(b"")
    parameters_json_schema: msgspec.Raw = msgspec.Raw(b"{}")


class Tools(msgspec.Struct, rename="camel"):
    """A group of offered functions."""

    function_declarations: list[Declaration] = []


class CallingConfig(msgspec.Struct, rename="camel"):
    """Which functions may be called."""

    mode: str = "AUTO"
    allowed_function_names: list[str] = []


class ToolConfig(msgspec.Struct, rename="camel"):
    """How tools are used."""

    function_calling_config: CallingConfig | None = None


class GenerationConfig(msgspec.Struct, rename="camel"):
    """How the answer shall look."""

    max_output_tokens: int | None = None
    candidate_count: int | None = None
    response_mime_type: str = ""
    response_schema: msgspec.Raw = msgspec.Raw(b"")
    response_json_schema: msgspec.Raw = msgspec.Raw(b"")


class GenerateRequest(msgspec.Struct, rename="camel"):
    """What is read of a generate request."""

    contents: list[Content] = []
    system_instruction: Content | None = None
    tools: list[Tools] = []
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig | None = None


GENERATE = msgspec.json.Decoder(GenerateRequest)


def _flat(content: Content | None) -> str:
    return "".join([part.text for part in content.parts if part.text]) if content else ""


def _result(content: Content) -> str | None:
    found = [part.function_response for part in content.parts if part.function_response]
    return " ".join([bytes(result.response).decode() for result in found]) if found else None


def read(request: Request) -> Ask:
    """What this generate request asks for."""
    told = GENERATE.decode(request.body)
    config = told.generation_config or GenerationConfig()
    calling = told.tool_config.function_calling_config if told.tool_config else None
    users = [text for content in told.contents if content.role in ("user", None) for text in [_flat(content)] if text]
    offered = [declared for tools in told.tools for declared in tools.function_declarations]
    return Ask(
        texts=[_flat(told.system_instruction), *map(_flat, told.contents)],
        model=request.model,
        user_text=users[-1] if users else "",
        stream=":stream" in request.path,
        tool_result=_result(told.contents[-1]) if told.contents else None,
        tools=tuple(Tool(tool.name, tool.parameters or tool.parameters_json_schema) for tool in offered),
        forced=next(iter(calling.allowed_function_names), None) if calling else None,
        may_call=calling is None or calling.mode.upper() != "NONE",
        wants_json=config.response_mime_type == "application/json",
        schema=config.response_schema or config.response_json_schema,
        limit=config.max_output_tokens,
        choices=max(1, min(config.candidate_count or 1, 8)),
    )


def count(ask: Ask, scene: Scene) -> Reply:
    """The answer to a count of tokens."""
    return Reply(b'{"totalTokens":%b}' % number(scene.script.usage, tokens_of(ask.texts)))


def _usage(ask: Ask, answer: Answer, scene: Scene, output: int) -> bytes:
    lie = scene.script.usage
    thoughts = min(scene.script.think, output)
    rest = b',"thoughtsTokenCount":%d' % thoughts if thoughts else b""
    rest += b',"cachedContentTokenCount":%d' % scene.script.cached if scene.script.cached else b""
    return b'{"promptTokenCount":%b,"candidatesTokenCount":%b,"totalTokenCount":%b%b}' % (
        number(lie, answer.input_tokens),
        number(lie, output - thoughts),
        number(lie, answer.input_tokens + output),
        rest,
    )


def _tail(ask: Ask, answer: Answer, scene: Scene, output: int) -> bytes:
    usage = b""
    if scene.script.usage != "none":
        usage = b',"usageMetadata":' + _usage(ask, answer, scene, output)
    return b'%b,"modelVersion":%b,"responseId":"%b"}' % (usage, encode(scene.shown), scene.tag.encode())


def _call_parts(answer: Answer, scene: Scene) -> list[bytes]:
    parts: list[bytes] = []
    for n, call in enumerate(answer.calls):
        told = b"" if scene.script.noid else b',"id":"%b%d"' % (scene.tag.encode(), n)
        named = encode(call.name)
        parts.append(b'{"functionCall":{"name":%b,"args":%b%b}}' % (named, call.arguments.encode(), told))
    return parts


def _finish(answer: Answer, scene: Scene) -> bytes:
    if scene.script.nofinish:
        return b""
    return b',"finishReason":' + encode(answer.ending(FINISH))


def _candidate(parts: list[bytes], finish: bytes, index: int = 0) -> bytes:
    content = b'"content":{"parts":[%b],"role":"model"}' % b",".join(parts)
    return b'{%b%b,"index":%d}' % (content, finish, index)


def body(ask: Ask, answer: Answer, scene: Scene) -> bytes:
    """The whole unstreamed answer."""
    parts = [b'{"text":%b,"thought":true}' % encode(answer.thinking)] if answer.thinking else []
    if answer.text and answer.finish is not Finish.REFUSAL:
        parts.append(b'{"text":%b}' % encode(answer.text))
    parts += _call_parts(answer, scene)
    candidates = [_candidate(parts, _finish(answer, scene), n) for n in range(ask.choices)]
    tail = _tail(ask, answer, scene, answer.output_tokens * ask.choices)
    return b'{"candidates":[%b]%b' % (b",".join(candidates), tail)


def _objects(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    said = 0
    for text, field in ((answer.thinking, b',"thought":true'), (answer.text, b"")):
        for piece in pieces(text):
            said += 1
            part = b'{"text":%b%b}' % (encode(piece), field)
            yield b'{"candidates":[%b]%b' % (_candidate([part], b""), _tail(ask, answer, scene, said)), 1
    parts = _call_parts(answer, scene) or [b'{"text":"","thoughtSignature":"%b"}' % SIGNATURE.encode()]
    for _ in range(1 + scene.script.twice):
        last = _candidate(parts, _finish(answer, scene))
        yield b'{"candidates":[%b]%b' % (last, _tail(ask, answer, scene, answer.output_tokens)), 0


def _billed(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    left = answer.output_tokens
    for told, tokens in _objects(ask, answer, scene):
        left -= tokens
        yield told, tokens if tokens else max(left, 0)
        left = left if tokens else 0


def events(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    """The streamed answer as server-sent events."""
    for told, tokens in _billed(ask, answer, scene):
        yield b"data: %b\r\n\r\n" % told, tokens


def events_array(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    """The streamed answer as one JSON array that grows."""
    lead = b"["
    for told, tokens in _billed(ask, answer, scene):
        yield lead + told, tokens
        lead = b",\r\n"
    yield b"" if scene.script.nodone else b"]", 0


class EmbedRequest(msgspec.Struct, rename="camel"):
    """What is read of one embedding's request."""

    content: Content
    output_dimensionality: int | None = None


class EmbedBatchRequest(msgspec.Struct):
    """What is read of a request for several embeddings."""

    requests: list[EmbedRequest]


def embed(request: Request) -> Heard:
    """Answers one embedding."""
    told = msgspec.json.decode(request.body, type=EmbedRequest)
    return Heard(request.model, False, partial(_embed, told))


def _embed(told: EmbedRequest, scene: Scene) -> Reply:
    return Reply(encode({"embedding": _values(told)}), input_tokens=tokens_of([_flat(told.content)]))


def embed_batch(request: Request) -> Heard:
    """Answers several embeddings."""
    told = msgspec.json.decode(request.body, type=EmbedBatchRequest)
    return Heard(request.model, False, partial(_embed_batch, told))


def _embed_batch(told: EmbedBatchRequest, scene: Scene) -> Reply:
    tokens = tokens_of(_flat(one.content) for one in told.requests)
    return Reply(encode({"embeddings": [_values(one) for one in told.requests]}), input_tokens=tokens)


def _values(told: EmbedRequest) -> dict[str, list[float]]:
    return {"values": vector(_flat(told.content), told.output_dimensionality or DIMENSIONS)}


def error(fail: Fail) -> bytes:
    """The error in Google's shape."""
    status = fail.type or STATUSES.get(fail.status, "INTERNAL" if fail.status >= 500 else "INVALID_ARGUMENT")
    told: dict[str, object] = {"code": fail.status, "message": fail.message, "status": status}
    if fail.code:
        told["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": fail.code}]
    return encode({"error": told})


def stream_error(fail: Fail) -> bytes:
    """The error in the middle of a stream: plain JSON, although the stream is labelled as events."""
    return error(fail)
