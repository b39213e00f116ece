"""Which path speaks which format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import unquote

import msgspec

from unigate.mock import answers_anthropic as anthropic
from unigate.mock import answers_gemini as gemini
from unigate.mock import answers_openai as openai
from unigate.mock import answers_responses as responses
from unigate.mock import endpoints
from unigate.mock.answer import compose
from unigate.mock.ask import Answer, Ask, Event, Fail, Heard, Reply, Request, Scene

__all__ = ["OPENAI_ERROR", "Route", "credential", "find"]

OPENAI_ERROR = openai.error
SSE = b"text/event-stream; charset=utf-8"


class Route(msgspec.Struct, frozen=True):
    """What answers one path, and the shape of its errors."""

    hear: Callable[[Request], Heard]
    error: Callable[[Fail], bytes] = openai.error
    stream_error: Callable[[Fail], bytes] = openai.stream_error


class Dialect(msgspec.Struct, frozen=True):
    """A format of conversations: how it is read and how it is written."""

    read: Callable[[Request], Ask]
    body: Callable[[Ask, Answer, Scene], bytes]
    events: Callable[[Ask, Answer, Scene], Iterator[Event]]
    stream_type: bytes = SSE


def conversation(dialect: Dialect, request: Request) -> Heard:
    """Understands a conversation in this dialect."""
    ask = dialect.read(request)
    return Heard(ask.model, ask.stream, partial(_converse, dialect, ask))


def _converse(dialect: Dialect, ask: Ask, scene: Scene) -> Reply:
    answer = compose(ask, scene)
    if ask.stream:
        events = dialect.events(ask, answer, scene)
        return Reply(events=events, content_type=dialect.stream_type, input_tokens=answer.input_tokens)
    told = answer.output_tokens * ask.choices
    return Reply(dialect.body(ask, answer, scene), input_tokens=answer.input_tokens, output_tokens=told)


Count = Callable[[Ask, Scene], Reply]


def counting(read: Callable[[Request], Ask], count: Count, request: Request) -> Heard:
    """Understands a question for the number of tokens."""
    ask = read(request)
    return Heard(ask.model, False, partial(count, ask))


CHAT = Dialect(openai.read_chat, openai.chat_body, openai.chat_events)
COMPLETION = Dialect(openai.read_completion, openai.completion_body, openai.completion_events)
RESPONSES = Dialect(responses.read, responses.body, responses.events)
MESSAGES = Dialect(anthropic.read, anthropic.body, anthropic.events)
GENERATE = Dialect(gemini.read, gemini.body, gemini.events, b"text/event-stream")
GENERATE_ARRAY = Dialect(gemini.read, gemini.body, gemini.events_array, b"application/json; charset=UTF-8")


def _anthropic(hear: Callable[[Request], Heard]) -> Route:
    return Route(hear, anthropic.error, anthropic.stream_error)


def _gemini(hear: Callable[[Request], Heard]) -> Route:
    return Route(hear, gemini.error, gemini.stream_error)


POST = {
    "/chat/completions": Route(partial(conversation, CHAT)),
    "/completions": Route(partial(conversation, COMPLETION)),
    "/embeddings": Route(endpoints.embeddings),
    "/responses": Route(partial(conversation, RESPONSES), openai.error, responses.stream_error),
    "/messages": _anthropic(partial(conversation, MESSAGES)),
    "/messages/count_tokens": _anthropic(partial(counting, anthropic.read, anthropic.count)),
    "/images/generations": Route(endpoints.images),
    "/audio/speech": Route(endpoints.speech),
    "/audio/transcriptions": Route(endpoints.transcriptions),
    "/audio/translations": Route(endpoints.transcriptions),
    "/moderations": Route(endpoints.moderations),
    "/rerank": Route(endpoints.rerank),
}
VERBS = {
    "generateContent": _gemini(partial(conversation, GENERATE)),
    "streamGenerateContent": _gemini(partial(conversation, GENERATE_ARRAY)),
    "countTokens": _gemini(partial(counting, gemini.read, gemini.count)),
    "embedContent": _gemini(gemini.embed),
    "batchEmbedContents": _gemini(gemini.embed_batch),
    "rawPredict": POST["/messages"],
    "streamRawPredict": POST["/messages"],
}
STREAM_SSE = VERBS["generateContent"]
MODELS = Route(endpoints.models)
DEPLOYMENTS = "/openai/deployments/"


def find(request: Request) -> Route | None:
    """The route of this request; a model that the path names is put into the request."""
    path = request.path
    if request.method == "GET":
        return _models(request)
    if request.method != "POST":
        return None
    route = POST.get(path.removeprefix("/v1"))
    if route is not None:
        return route
    if path.startswith(DEPLOYMENTS):
        return _deployment(request)
    _, found, rest = path.rpartition("/models/")
    if found:
        return _verb(request, rest)
    return next((route for ending, route in POST.items() if path.endswith(ending)), None)


def _models(request: Request) -> Route | None:
    _, found, name = request.path.partition("/models")
    if not found or (name and name[0] != "/"):
        return None
    request.model = unquote(name[1:])
    return MODELS


def _deployment(request: Request) -> Route | None:
    rest = request.path.removeprefix(DEPLOYMENTS)
    for ending, route in POST.items():
        if rest.endswith(ending):
            request.model = unquote(rest.removesuffix(ending))
            return route
    return None


def _verb(request: Request, rest: str) -> Route | None:
    model, _, verb = rest.rpartition(":")
    request.model = unquote(model)
    if verb == "streamGenerateContent" and request.query.get("alt") == "sse":
        return STREAM_SSE
    return VERBS.get(verb)


KEY_HEADERS = frozenset((b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key"))


def credential(request: Request) -> str:
    """The credential the request shows, wherever a provider would look for it."""
    for name, value in request.headers:
        if len(name) <= 14 and name.lower() in KEY_HEADERS:
            told = value.decode("latin-1")
            return told[7:] if told[:7].lower() == "bearer " else told
    return request.query.get("key", "")
