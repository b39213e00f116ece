"""The keeper's side of HTTP: administration under /admin/v1, and the pages that describe the API."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import unigate
from unigate.dialects.openai_errors import error_body
from unigate.errors import Refusal, StorageError, Told
from unigate.http.admin.access import OPERATOR_MARK, Access, Routes
from unigate.http.admin.calls import CallsApi
from unigate.http.admin.groups import GroupsApi
from unigate.http.admin.history import HistoryApi
from unigate.http.admin.keys import KeysApi
from unigate.http.admin.money import MoneyApi
from unigate.http.admin.providers import ProvidersApi
from unigate.http.docs_pages import pages_router
from unigate.snapshot import Settings
from unigate.storage.registry import Registry

__all__ = ["OperatorOnly", "admin_router", "build_app"]

_LARGEST_BODY = 64 * 1024
_ERROR: dict[str, object] = {
    "description": "Refused, or not possible now; `message` says why · 被拒绝或暂不可用，原因见 `message`",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
_STOPPING = Told(
    status=503, code="server_shutting_down", message="The gateway is stopping; try again.", type="server_error"
)
_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))


def admin_router(registry: Registry, access: Access, settings: Settings) -> APIRouter:
    """All routes under /admin/v1; each proves who asks, and names the right it needs."""
    router = APIRouter(
        prefix="/admin/v1", dependencies=[Depends(access.prove)], responses={"4XX": _ERROR, "503": _ERROR}
    )
    routes = Routes(router)
    KeysApi(registry).add_to(routes)
    GroupsApi(registry).add_to(routes)
    MoneyApi(registry, settings).add_to(routes)
    CallsApi(registry).add_to(routes)
    ProvidersApi(registry, settings).add_to(routes)
    HistoryApi(registry).add_to(routes)
    return router


def build_app(registry: Registry, access: Access, settings: Settings) -> ASGIApp:
    """Everything the keeper serves to the doors."""
    app = FastAPI(
        title="Unigate",
        version=unigate.__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it would send callers to whatever host they named
    )
    app.include_router(admin_router(registry, access, settings))
    app.include_router(pages_router(app.openapi))
    for kind in (Refusal, StorageError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _answer_error)
    return _Framed(app)


class OperatorOnly:
    """The same app for whoever may open the operator's socket: administration alone, and no key is asked for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if not path.startswith("/admin/v1/"):
            await _error_answer(_not_found(path))(scope, receive, send)
            return
        await self._app({**scope, OPERATOR_MARK: True}, receive, send)


class _Framed:
    """Bounds every request's body, and gives every answer the headers that keep browsers careful."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        left = _LARGEST_BODY
        is_answered = False

        async def receive_bounded() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, f"The body may have {_LARGEST_BODY} bytes.")
            return message

        async def send_framed(message: Message) -> None:
            nonlocal is_answered
            if message["type"] == "http.response.start":
                is_answered = True
                message = {**message, "headers": [*message["headers"], *_HEADERS]}
            await send(message)

        try:
            await self._app(scope, receive_bounded, send_framed)
        except asyncio.CancelledError:  # the server cancels only what is left when it ends
            if not is_answered:
                await _error_answer(_STOPPING)(scope, receive, send_framed)


async def _answer_error(request: Request, error: Exception) -> Response:
    return _error_answer(_told(request, error))


def _error_answer(told: Told) -> Response:
    headers = dict(told.headers)
    return Response(error_body(told), told.status, headers, media_type="application/json")


def _told(request: Request, error: Exception) -> Told:
    match error:
        case Refusal():
            return error.told
        case StorageError():
            return Told(status=503, code="storage_failed", message=str(error), type="server_error")
        case RequestValidationError():
            return _invalid(error)
        case HTTPException(status_code=404):
            return _not_found(request.url.path)
        case HTTPException(status_code=405):
            return _not_allowed(request)
        case HTTPException():
            headers = tuple((error.headers or {}).items())
            return Told(status=error.status_code, code="bad_request", message=error.detail, headers=headers)
        case _:
            message = "The gateway's keeper failed on this request; its log has the cause."
            return Told(status=500, code="internal_error", message=message, type="server_error")


def _not_found(path: str) -> Told:
    message = f"There is nothing at '{path[:200]}'. GET /docs lists what there is."
    return Told(status=404, code="not_found", message=message)


_METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")


def _not_allowed(request: Request) -> Told:
    """With all methods of the path: each of them is a route of its own, and the first alone would say its own."""
    path = request.url.path
    asked = [{**request.scope, "method": method} for method in _METHODS]
    takes = [one["method"] for one in asked if any(route.matches(one)[0] is Match.FULL for route in request.app.routes)]
    allowed = ", ".join(takes)
    message = f"'{path[:200]}' takes {allowed}, not {request.method}."
    return Told(status=405, code="method_not_allowed", message=message, headers=(("allow", allowed),))


def _invalid(error: RequestValidationError) -> Told:
    """The first thing that is wrong with a request, by the name of its field."""
    first = _Problem.model_validate(error.errors()[0])
    names = [str(part) for part in first.loc if part not in ("body", "path", "query")]
    is_object_wanted = first.type == "model_attributes_type"
    if first.type == "json_invalid":  # its place is one in the text
        return Told(status=400, code="invalid_json", message="The body is not valid JSON.")
    if is_object_wanted and not names:
        reason = "The body must be a JSON object, sent with 'content-type: application/json'."
        return Told(status=400, code="invalid_json", message=reason)
    param = ".".join(names) or None
    reason = "Input should be an object; {} has nothing in it" if is_object_wanted else first.msg
    message = f"'{param}': {reason}." if param else f"The body: {reason}."
    return Told(status=400, code="invalid_value", message=message, param=param)


class _Problem(BaseModel):
    """One entry of FastAPI's list of what is wrong."""

    type: str
    loc: tuple[str | int, ...]
    msg: str
