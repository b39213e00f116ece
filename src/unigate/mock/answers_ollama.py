"""Ollama's own format: request to ask, answer to lines of JSON.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md and recorded answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import msgspec
from msgspec.json import encode

from unigate.mock.ask import Answer, Ask, Event, Fail, Finish, Heard, Reply, Request, Scene, Tool
from unigate.mock.endpoints import DIMENSIONS, vector
from unigate.mock.likely import entries
from unigate.mock.reads_openai import OfferedTool, stops
from unigate.mock.usage import number, stamped
from unigate.mock.words import pieces, tokens_of

__all__ = [
    "chat_body",
    "chat_events",
    "embed",
    "error",
    "generate_body",
    "generate_events",
    "read_chat",
    "read_generate",
    "stream_error",
]

FINISH = {Finish.STOP: "stop", Finish.LENGTH: "length"}
LOAD_NS = 20_000_000
TOKEN_NS = 10_000_000


class Message(msgspec.Struct):
    """One message of a chat."""

    role: str = "user"
    content: str = ""


class Options(msgspec.Struct):
    """The options that count here."""

    num_predict: int | None = None
    stop: str | list[str] | None = None


class ChatRequest(msgspec.Struct):
    """What is read of a chat request."""

    messages: list[Message] = []
    model: str = ""
    stream: bool | None = None
    tools: list[OfferedTool] | None = None
    format: msgspec.Raw = msgspec.Raw(b"null")
    options: Options | None = None
    think: bool | str | None = None
    logprobs: bool = False
    top_logprobs: int = 0


class GenerateRequest(msgspec.Struct):
    """What is read of a generate request."""

    model: str = ""
    prompt: str = ""
    system: str = ""
    stream: bool | None = None
    format: msgspec.Raw = msgspec.Raw(b"null")
    options: Options | None = None
    think: bool | str | None = None
    logprobs: bool = False
    top_logprobs: int = 0


CHAT = msgspec.json.Decoder(ChatRequest)
GENERATE = msgspec.json.Decoder(GenerateRequest)


def _limit(options: Options | None) -> int | None:
    told = options.num_predict if options else None
    return told if told is not None and told >= 0 else None


def _schema(form: msgspec.Raw) -> msgspec.Raw:
    return form if bytes(form).startswith(b"{") else msgspec.Raw(b"")


def _wants_json(form: msgspec.Raw) -> bool:
    return bytes(form) not in (b"null", b'""')


def read_chat(request: Request) -> Ask:
    """What this chat request asks for; a stream unless it says no."""
    told = CHAT.decode(request.body)
    users = [message.content for message in told.messages if message.role == "user"]
    last = told.messages[-1] if told.messages else Message()
    return Ask(
        texts=[message.content for message in told.messages],
        model=told.model,
        user_text=users[-1] if users else "",
        stream=told.stream is not False,
        tool_result=last.content if last.role == "tool" else None,
        tools=tuple(Tool(t.function.name, t.function.parameters) for t in told.tools or () if t.function),
        wants_json=_wants_json(told.format),
        schema=_schema(told.format),
        limit=_limit(told.options),
        stops=stops(told.options.stop) if told.options else (),
        thinks=told.think is not False,
        logprobs=told.top_logprobs if told.logprobs else None,
    )


def read_generate(request: Request) -> Ask:
    """What this generate request asks for; a stream unless it says no."""
    told = GENERATE.decode(request.body)
    return Ask(
        texts=[told.system, told.prompt],
        model=told.model,
        user_text=told.prompt,
        stream=told.stream is not False,
        wants_json=_wants_json(told.format),
        schema=_schema(told.format),
        limit=_limit(told.options),
        stops=stops(told.options.stop) if told.options else (),
        thinks=told.think is not False,
        logprobs=told.top_logprobs if told.logprobs else None,
    )


def _line(scene: Scene, said: bytes, rest: bytes) -> bytes:
    at = stamped(scene.created)
    return b'{"model":%b,"created_at":"%b",%b%b}' % (encode(scene.shown), at, said, rest)


def _done(answer: Answer, scene: Scene) -> bytes:
    reason = b"" if scene.script.nofinish else b'"done_reason":%b,' % encode(answer.ending(FINISH))
    spent = answer.output_tokens * TOKEN_NS
    return b',%b"done":true,"total_duration":%d,"load_duration":%d%b' % (
        reason,
        LOAD_NS + spent,
        LOAD_NS,
        b"" if scene.script.usage == "none" else _counts(answer, scene, answer.output_tokens),
    )


def _counts(answer: Answer, scene: Scene, output: int) -> bytes:
    lie = scene.script.usage
    return b',"prompt_eval_count":%b,"prompt_eval_duration":%d,"eval_count":%b,"eval_duration":%d' % (
        number(lie, answer.input_tokens),
        answer.input_tokens * TOKEN_NS,
        number(lie, output),
        output * TOKEN_NS,
    )


def _call(answer: Answer, scene: Scene, n: int) -> dict[str, object]:
    call = answer.calls[n]
    # A call whose arguments are broken comes as text, for a line of broken JSON would break the stream as well.
    told = call.arguments if scene.script.badargs else msgspec.Raw(call.arguments.encode())
    named: dict[str, object] = {"function": {"index": n, "name": call.name, "arguments": told}}
    return named if scene.script.noid else {"id": f"call_{scene.tag}{n}"} | named


def _message(text: str, thinking: str = "", calls: bytes = b"") -> bytes:
    thought = b',"thinking":' + encode(thinking) if thinking else b""
    called = b',"tool_calls":' + calls if calls else b""
    return b'"message":{"role":"assistant","content":%b%b%b}' % (encode(text), thought, called)


def chat_body(ask: Ask, answer: Answer, scene: Scene) -> bytes:
    """The whole unstreamed chat answer."""
    calls = encode([_call(answer, scene, n) for n in range(len(answer.calls))]) if answer.calls else b""
    said = _message(answer.text, answer.thinking, calls) + _likely(ask, answer.text)
    return _line(scene, said, _done(answer, scene))


def _likely(ask: Ask, text: str) -> bytes:
    return b"" if ask.logprobs is None else b',"logprobs":' + encode(entries(text, ask.logprobs))


def _chat_pieces(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    for piece in pieces(answer.thinking):
        yield _message("", piece), 1
    for piece in pieces(answer.text):
        yield _message(piece) + _likely(ask, piece), 1
    told = answer.output_tokens - answer.reasoned
    for n in range(len(answer.calls)):
        # Each call comes whole on a line of its own; the last one tells the tokens of all.
        tokens = told if n == len(answer.calls) - 1 else 0
        yield _message("", "", encode([_call(answer, scene, n)])), tokens


def chat_events(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    """The streamed chat answer, line by line."""
    yield from _lines(_chat_pieces(ask, answer, scene), _message(""), answer, scene)


def _lines(said: Iterator[Event], nothing: bytes, answer: Answer, scene: Scene) -> Iterator[Event]:
    script = scene.script
    output = 0
    for piece, tokens in said:
        output += tokens
        counts = _counts(answer, scene, output) if script.usage == "repeated" else b""
        yield _line(scene, piece, b',"done":false' + counts) + b"\n", tokens
    if not script.nodone:
        for _ in range(1 + script.twice):
            yield _line(scene, nothing, _done(answer, scene)) + b"\n", 0
    if script.afterdone:
        yield _line(scene, nothing, b',"done":false') + b"\n", 0


def _response(text: str, thinking: str = "") -> bytes:
    thought = b',"thinking":' + encode(thinking) if thinking else b""
    return b'"response":%b%b' % (encode(text), thought)


def generate_body(ask: Ask, answer: Answer, scene: Scene) -> bytes:
    """The whole unstreamed generated text."""
    said = _response(answer.text, answer.thinking) + _likely(ask, answer.text)
    return _line(scene, said, _done(answer, scene) + b',"context":[1,2,3]')


def generate_events(ask: Ask, answer: Answer, scene: Scene) -> Iterator[Event]:
    """The streamed generated text, line by line."""
    thoughts = ((_response("", piece), 1) for piece in pieces(answer.thinking))
    words = ((_response(piece) + _likely(ask, piece), 1) for piece in pieces(answer.text))
    yield from _lines(_chain(thoughts, words), _response(""), answer, scene)


def _chain(*parts: Iterator[Event]) -> Iterator[Event]:
    for part in parts:
        yield from part


class EmbedRequest(msgspec.Struct):
    """What is read of an embedding's request."""

    model: str = ""
    input: str | list[str] = ""
    dimensions: int | None = None


def embed(request: Request) -> Heard:
    """Answers embeddings, always as a list of lists."""
    told = msgspec.json.decode(request.body, type=EmbedRequest)
    return Heard(told.model, False, partial(_embed, told))


def _embed(told: EmbedRequest, scene: Scene) -> Reply:
    texts = [told.input] if isinstance(told.input, str) else told.input
    tokens = tokens_of(texts)
    body: dict[str, object] = {
        "model": scene.shown,
        "embeddings": [vector(text, told.dimensions or DIMENSIONS) for text in texts],
        "total_duration": LOAD_NS + tokens * TOKEN_NS,
        "load_duration": LOAD_NS,
    }
    if scene.script.usage != "none":
        body["prompt_eval_count"] = msgspec.Raw(number(scene.script.usage, tokens))
    return Reply(encode(body), content_type=b"application/json; charset=utf-8", input_tokens=tokens)


def error(fail: Fail) -> bytes:
    """The error in Ollama's shape: one sentence."""
    return encode({"error": fail.message})


def stream_error(fail: Fail) -> bytes:
    """The error as a line of a stream."""
    return error(fail) + b"\n"
