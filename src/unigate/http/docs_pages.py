"""The pages that describe the API, /docs and /redoc, with everything they load: nothing comes from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from importlib.resources.abc import Traversable

import fastapi_offline
from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from unigate.http import pages

__all__ = ["pages_router"]

# Swagger UI and Redoc put styles into elements; Redoc searches in a worker that it makes itself.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; worker-src 'self' blob:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "png": "image/png"}


class _Pages:
    """Reads files on demand: they are asked for rarely, and memory is for records."""

    def __init__(self, admin_document: Callable[[], dict[str, object]]) -> None:
        own, libraries = files(pages), files(fastapi_offline) / "static"
        self._admin_document = admin_document
        self._document = b""
        self._files: dict[str, Traversable] = {
            **{name: own / name for name in ("docs.html", "docs.js", "redoc.html", "redoc.js", "pages.css")},
            **{
                name: libraries / name
                for name in ("swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js", "favicon.png")
            },
        }

    def docs(self) -> Response:
        return self._page("docs.html")

    def redoc(self) -> Response:
        return self._page("redoc.html")

    def asset(self, name: str) -> Response:
        if name not in self._files or name.endswith(".html"):
            raise HTTPException(404)
        kind = _TYPES[name.rpartition(".")[2]]
        return Response(self._files[name].read_bytes(), media_type=kind, headers={"cache-control": "max-age=3600"})

    def document(self) -> Response:
        if not self._document:
            from unigate.http.openapi import build_document  # and with it all dialects; administration needs none

            self._document = build_document(self._admin_document())
        return Response(self._document, media_type="application/json", headers={"cache-control": "no-cache"})

    def _page(self, name: str) -> Response:
        headers = {"content-security-policy": _POLICY, "cache-control": "no-cache"}
        return Response(self._files[name].read_bytes(), media_type="text/html", headers=headers)


def pages_router(admin_document: Callable[[], dict[str, object]]) -> APIRouter:
    """The pages' routes; `admin_document` describes the administration."""
    pages_ = _Pages(admin_document)
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/docs", pages_.docs, methods=["GET"])
    router.add_api_route("/redoc", pages_.redoc, methods=["GET"])
    router.add_api_route("/docs/assets/{name}", pages_.asset, methods=["GET"])
    router.add_api_route("/openapi.json", pages_.document, methods=["GET"])
    return router
