"""Which path speaks which format."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import unquote

import msgspec

from unigate.mock import answers_anthropic as anthropic
from unigate.mock import answers_bedrock as bedrock
from unigate.mock import answers_cohere as cohere
from unigate.mock import answers_coze as coze
from unigate.mock import answers_dify as dify
from unigate.mock import answers_gemini as gemini
from unigate.mock import answers_ollama as ollama
from unigate.mock import answers_openai as openai
from unigate.mock import answers_responses as responses
from unigate.mock import (
    endpoints,
    endpoints_cohere,
    endpoints_gemini,
    frames,
    google_token,
    proof,
    reads_anthropic,
    reads_bedrock,
    reads_gemini,
    reads_openai,
    reads_responses,
    shelf_ollama,
    stamps,
)
from unigate.mock.ask import Heard, Request
from unigate.mock.dialect import Dialect, Route, conversation, counting

__all__ = ["OPENAI_ERROR", "find"]

OPENAI_ERROR = openai.error

CHAT = Dialect(reads_openai.read_chat, openai.chat_body, openai.chat_events)
COMPLETION = Dialect(reads_openai.read_completion, openai.completion_body, openai.completion_events)
RESPONSES = Dialect(reads_responses.read, responses.body, responses.events, prove=proof.items)
MESSAGES = Dialect(reads_anthropic.read, anthropic.body, anthropic.events, prove=proof.blocks)
GENERATE = Dialect(
    reads_gemini.read, gemini.body, gemini.events, b"text/event-stream", wordless=True, prove=proof.first_calls
)
COHERE = Dialect(cohere.read, cohere.body, cohere.events, b"text/event-stream")
FRAMES = b"application/vnd.amazon.eventstream"
CONVERSE = Dialect(reads_bedrock.read, bedrock.body, bedrock.events, FRAMES, frames.frame, prove=proof.blocks)
LINES = b"application/x-ndjson"
OLLAMA_CHAT = Dialect(ollama.read_chat, ollama.chat_body, ollama.chat_events, LINES)
OLLAMA_GENERATE = Dialect(ollama.read_generate, ollama.generate_body, ollama.generate_events, LINES)
GENERATE_ARRAY = msgspec.structs.replace(
    GENERATE, events=gemini.events_array, stream_type=b"application/json; charset=UTF-8"
)


def _anthropic(hear: Callable[[Request], Heard]) -> Route:
    return Route(hear, anthropic.error, anthropic.stream_error, stamps.anthropic)


def _gemini(hear: Callable[[Request], Heard]) -> Route:
    return Route(hear, gemini.error, gemini.stream_error, stamps.none, gemini.stranger)


def _cohere(hear: Callable[[Request], Heard]) -> Route:
    return Route(hear, cohere.error, cohere.stream_error, stamps.cohere)


def _coze(hear: Callable[[Request], Heard]) -> Route:
    # What a chat has said is fetched later, so that no two chats are the same.
    return Route(hear, coze.error, coze.stream_error, stamps.none, error_status=coze.status, repeatable=False)


def _ollama(hear: Callable[[Request], Heard]) -> Route:
    return Route(hear, ollama.error, ollama.stream_error, stamps.none)


POST = {
    "/chat/completions": Route(partial(conversation, CHAT)),
    "/completions": Route(partial(conversation, COMPLETION)),
    "/embeddings": Route(endpoints.embeddings),
    "/responses": Route(partial(conversation, RESPONSES), openai.error, responses.stream_error),
    "/messages": _anthropic(partial(conversation, MESSAGES)),
    "/messages/count_tokens": _anthropic(partial(counting, reads_anthropic.read, anthropic.count)),
    "/images/generations": Route(endpoints.images),
    "/audio/speech": Route(endpoints.speech),
    "/audio/transcriptions": Route(endpoints.transcriptions),
    "/audio/translations": Route(endpoints.transcriptions),
    "/moderations": Route(endpoints.moderations),
    "/rerank": Route(endpoints.rerank),
    "/v2/chat": _cohere(partial(conversation, COHERE)),
    "/v2/embed": _cohere(endpoints_cohere.embed),
    "/v2/rerank": _cohere(endpoints_cohere.rerank),
    "/chat-messages": Route(dify.chat, dify.error, dify.stream_error, stamps.dify),
    google_token.PATH: Route(google_token.exchange, google_token.error, stamp=stamps.none, repeatable=False),
    "/v3/chat": _coze(coze.chat),
    "/v3/chat/retrieve": _coze(coze.retrieve),
    "/v3/chat/message/list": _coze(coze.messages),
    "/api/chat": _ollama(partial(conversation, OLLAMA_CHAT)),
    "/api/generate": _ollama(partial(conversation, OLLAMA_GENERATE)),
    "/api/embed": _ollama(ollama.embed),
    "/api/show": _ollama(shelf_ollama.show),
}
GET = {
    "/api/tags": _ollama(shelf_ollama.tags),
    "/api/version": _ollama(shelf_ollama.version),
    "/v3/chat/retrieve": POST["/v3/chat/retrieve"],
    "/v3/chat/message/list": POST["/v3/chat/message/list"],
}
VERBS = {
    "generateContent": _gemini(partial(conversation, GENERATE)),
    "streamGenerateContent": _gemini(partial(conversation, GENERATE_ARRAY)),
    "countTokens": _gemini(partial(counting, reads_gemini.read, gemini.count)),
    "embedContent": _gemini(endpoints_gemini.embed),
    "batchEmbedContents": _gemini(endpoints_gemini.embed_batch),
    "rawPredict": POST["/messages"],
    "streamRawPredict": POST["/messages"],
}
BEDROCK = Route(
    partial(conversation, CONVERSE),
    bedrock.error,
    bedrock.stream_error,
    stamps.aws,
    bedrock.stranger,
    repeatable=False,  # a frame has a checksum over the call's number too
)
STREAM_SSE = VERBS["generateContent"]
MODELS = Route(endpoints.models)
DEPLOYMENTS = "/openai/deployments/"


def find(request: Request) -> Route | None:
    """The route of this request; a model that the path names is put into the request."""
    path = request.path
    if request.method == "GET":
        return GET.get(path) or _models(request)
    if request.method != "POST":
        return None
    route = POST.get(path.removeprefix("/v1"))
    if route is not None:
        return route
    if path.startswith(DEPLOYMENTS):
        return _deployment(request)
    if "/model/" in path:
        return _bedrock(request)
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


def _bedrock(request: Request) -> Route | None:
    name, _, verb = request.path.partition("/model/")[2].rpartition("/")
    request.model = unquote(name)
    return BEDROCK if verb in ("converse", "converse-stream") else None


def _verb(request: Request, rest: str) -> Route | None:
    model, _, verb = rest.rpartition(":")
    request.model = unquote(model)
    if verb == "streamGenerateContent" and request.query.get("alt") == "sse":
        return STREAM_SSE
    return VERBS.get(verb)
