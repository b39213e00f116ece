"""The keeper's side of HTTP: administration under /admin/v1, and the pages that describe the API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Path
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import unigate
from unigate.admission.keys import Keyring, identify
from unigate.dialects.openai_errors import error_body
from unigate.errors import Refusal, StorageError, Told
from unigate.http.docs_pages import pages_router
from unigate.storage.registry import KeyLine, Registry

__all__ = ["AdminApi", "OperatorOnly", "build_app"]

_LARGEST_BODY = 64 * 1024
_OPERATOR = "unigate.operator"
_ERROR: dict[str, object] = {
    "description": "Refused, or not possible now; `message` says why · 被拒绝或暂不可用，原因见 `message`",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
_STOPPING = Told(
    status=503, code="server_shutting_down", message="The gateway is stopping; try again.", type="server_error"
)
_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))


class Key(BaseModel):
    """A key as it is listed."""

    id: str = Field(examples=["key_3f9c0d2b7a61"])
    object: Literal["key"] = "key"
    name: str = Field(examples=["team-a"])
    role: Literal["client", "admin"]
    models: list[str] | None = Field(description="Names the key may call; null for all.", examples=[None])
    source: Literal["store", "file"] = Field(description="`file`: named in the configuration file, read-only here.")
    created: int | None = Field(description="Seconds since 1970; null for keys of the file.", examples=[1764000000])


class MadeKey(Key):
    """A key that was just made."""

    key: str = Field(description="The key itself, shown this once.", examples=["sk-ug-…"])


class Keys(BaseModel):
    """All keys."""

    object: Literal["list"] = "list"
    data: list[Key]


class Revoked(BaseModel):
    """A key that was ended."""

    id: str
    object: Literal["key"] = "key"
    deleted: Literal[True] = True


class KeyToMake(BaseModel):
    """What a new key is to be."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(
        min_length=1, max_length=200, pattern=r"^\S(.*\S)?$", description="Who uses it.", examples=["team-a"]
    )
    role: Literal["client", "admin"] = Field("client", description="`admin` may also change settings.")
    models: list[Annotated[str, Field(min_length=1, max_length=500)]] | None = Field(
        None, max_length=1000, description="Names it may call; all if left out.", examples=[["gpt-3.5-turbo"]]
    )


class AdminApi:
    """The routes under /admin/v1; each needs an admin key, or the operator's own socket."""

    def __init__(self, registry: Registry, keyring: Callable[[], Keyring]) -> None:
        self._registry = registry
        self._keyring = keyring

    def router(self) -> APIRouter:
        """The routes, ready to be included in an app."""
        router = APIRouter(
            prefix="/admin/v1",
            dependencies=[Depends(self._prove)],
            responses={"4XX": _ERROR, "503": _ERROR},
        )
        add = router.add_api_route
        add("/keys", self.list_keys, methods=["GET"], operation_id="list_keys", summary="List keys · 列出密钥")
        add(
            "/keys",
            self.make_key,
            methods=["POST"],
            operation_id="make_key",
            summary="Make a key · 新建密钥",
            status_code=201,
        )
        add(
            "/keys/{id}",
            self.revoke_key,
            methods=["DELETE"],
            operation_id="revoke_key",
            summary="Revoke a key · 吊销密钥",
        )
        return router

    # FastAPI runs plain functions in threads, which is where a database belongs; their docstrings become the document.

    def list_keys(self) -> Keys:
        """All keys, without their texts, which are kept nowhere.

        列出所有密钥；密钥原文不保存，无法再次查看。
        """
        return Keys(data=[_key(line) for line in self._registry.lines()])

    def make_key(self, wanted: KeyToMake) -> MadeKey:
        """Makes a key and shows its text this once; the doors accept it within a second.

        新建密钥，原文只在此次返回；一秒之内即可使用。
        """
        made = self._registry.create(wanted.name, wanted.role, wanted.models)
        return MadeKey(**_key(made.line).model_dump(), key=made.text)

    def revoke_key(self, id: Annotated[str, Path(max_length=200, description="The key's id.")]) -> Revoked:
        """Ends a key for good; the doors refuse it within a second. A key of the configuration file is a 409.

        永久吊销密钥，一秒之内生效；配置文件中的密钥不能在此吊销（409）。
        """
        return Revoked(id=self._registry.revoke(id).id)

    async def _prove(self, request: Request) -> None:
        if request.scope.get(_OPERATOR) is True:
            return
        headers: dict[bytes, bytes] = dict(request.scope["headers"])
        if identify(headers, request.scope["query_string"], self._keyring()).role != "admin":
            raise Refusal(403, "not_allowed", "This needs an admin key.", type="permission_error")


def build_app(registry: Registry, keyring: Callable[[], Keyring]) -> ASGIApp:
    """Everything the keeper serves to the doors."""
    app = FastAPI(
        title="Unigate",
        version=unigate.__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it would send callers to whatever host they named
    )
    app.include_router(AdminApi(registry, keyring).router())
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
        await self._app({**scope, _OPERATOR: True}, receive, send)


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


def _key(line: KeyLine) -> Key:
    return Key.model_validate({**msgspec.to_builtins(line)})


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
        case HTTPException():
            headers = tuple((error.headers or {}).items())
            return Told(status=error.status_code, code="bad_request", message=error.detail, headers=headers)
        case _:
            message = "The gateway's keeper failed on this request; its log has the cause."
            return Told(status=500, code="internal_error", message=message, type="server_error")


def _not_found(path: str) -> Told:
    message = f"There is nothing at '{path[:200]}'. GET /docs lists what there is."
    return Told(status=404, code="not_found", message=message)


def _invalid(error: RequestValidationError) -> Told:
    """The first thing that is wrong with a request, by the name of its field."""
    first = _Problem.model_validate(error.errors()[0])
    names = [str(part) for part in first.loc if part not in ("body", "path", "query")]
    known = _BODY_PROBLEMS.get(first.type)
    if known is not None:
        return Told(status=400, code="invalid_json", message=known)
    param = ".".join(names) or None
    message = f"'{param}': {first.msg}." if param else f"The body: {first.msg}."
    return Told(status=400, code="invalid_value", message=message, param=param)


_BODY_PROBLEMS = {
    "json_invalid": "The body is not valid JSON.",
    "model_attributes_type": "The body must be a JSON object, sent with 'content-type: application/json'.",
}


class _Problem(BaseModel):
    """One entry of FastAPI's list of what is wrong."""

    type: str
    loc: tuple[str | int, ...]
    msg: str
