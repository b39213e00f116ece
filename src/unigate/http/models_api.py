"""What clients ask before they call: which models there are, in the shape that each dialect's clients read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from unigate.call import Caller
from unigate.current import Current
from unigate.dialects.ollama_chat import shelf
from unigate.errors import Refusal
from unigate.http import model_lists
from unigate.http.paths import unquoted
from unigate.http.request import Request
from unigate.reply import Reply
from unigate.routing.catalog import Model
from unigate.wire.body import decode_body, text_of

__all__ = ["Limits", "ModelsApi"]

_JSON = b"content-type: application/json\r\n"


Limits = Callable[[Caller, bool], bytes]
"""What a caller is told of its limits, as header lines; whether by the names that Anthropic's clients read."""


class _Shape(msgspec.Struct, frozen=True):
    """How one maker's clients read models."""

    listed: Callable[[Iterable[Model]], bytes]
    one: Callable[[Model], bytes]


_OPENAI = _Shape(model_lists.openai_list, model_lists.openai_model)
# Google's libraries ask under /v1 too when told to; nothing but these headers tells them from others.
_BY_HEADER: Mapping[bytes, _Shape] = {
    b"anthropic-version": _Shape(model_lists.anthropic_list, model_lists.anthropic_model),
    b"x-goog-api-key": _Shape(model_lists.gemini_list, model_lists.gemini_model),
    b"x-goog-api-client": _Shape(model_lists.gemini_list, model_lists.gemini_model),
}


class ModelsApi:
    """Lists the models that a caller may use, and describes them one by one."""

    def __init__(self, current: Current, limits: Limits) -> None:
        self._current = current
        self._limits = limits

    async def listed(self, request: Request, reply: Reply) -> None:
        """GET /models, as the clients of OpenAI's, Anthropic's or Google's format read it."""
        self._tell(request, reply, _shape_for(request).listed(self._allowed(request)))

    async def one(self, request: Request, reply: Reply) -> None:
        """GET /models/{name}, for the same three."""
        self._tell(request, reply, _shape_for(request).one(self._found(request, _named(request))))

    async def gemini_listed(self, request: Request, reply: Reply) -> None:
        """GET /v1beta/models."""
        self._tell(request, reply, model_lists.gemini_list(self._allowed(request)))

    async def gemini_one(self, request: Request, reply: Reply) -> None:
        """GET /v1beta/models/{name}."""
        self._tell(request, reply, model_lists.gemini_model(self._found(request, _named(request))))

    async def ollama_listed(self, request: Request, reply: Reply) -> None:
        """GET /api/tags."""
        self._tell(request, reply, shelf.tags_body(model.id for model in self._allowed(request)))

    async def ollama_running(self, request: Request, reply: Reply) -> None:
        """GET /api/ps."""
        self._tell(request, reply, shelf.running_body())

    async def ollama_one(self, request: Request, reply: Reply) -> None:
        """POST /api/show. Raises Refusal (400) if no model is named."""
        body = decode_body(request.take_body())
        name = text_of(body, "model") or text_of(body, "name")
        if not name:
            raise Refusal(400, "missing_model", 'No model was named; add "model".', param="model")
        self._tell(request, reply, shelf.show_body(self._found(request, name).id))

    async def ollama_version(self, request: Request, reply: Reply) -> None:
        """GET /api/version."""
        self._tell(request, reply, shelf.version_body())

    def _tell(self, request: Request, reply: Reply, content: bytes) -> None:
        lines = self._limits(request.caller, b"anthropic-version" in request.headers) if request.caller else b""
        reply.whole(200, _JSON + lines, content)

    def _allowed(self, request: Request) -> Iterator[Model]:
        allowed = request.caller.models if request.caller else None
        return (model for model in self._current.snapshot.catalog.models() if allowed is None or model.id in allowed)

    def _found(self, request: Request, name: str) -> Model:
        """The list's line for a name. Raises Refusal (404) if there is none for this caller."""
        catalog = self._current.snapshot.catalog
        allowed = request.caller.models if request.caller else None
        if allowed is not None and name not in allowed:
            raise catalog.unknown(name)
        return catalog.find(name)


def _shape_for(request: Request) -> _Shape:
    return next((shape for header, shape in _BY_HEADER.items() if header in request.headers), _OPENAI)


def _named(request: Request) -> str:
    return unquoted(request.path.partition(b"/models/")[2])
