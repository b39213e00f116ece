"""The client API: which path means which operation, who may use it, and how a request becomes a call."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from typing import Final
from weakref import ref

import msgspec

import unigate
from unigate.accounting.record import Record, encode_entry
from unigate.admission.addresses import Networks
from unigate.admission.keys import identify
from unigate.call import Call, Caller
from unigate.clock import Wall
from unigate.config import ServerSettings
from unigate.current import Current
from unigate.dialects.table import DIALECTS
from unigate.errors import Refusal, StorageError, Told
from unigate.http.models_api import Limits, ModelsApi
from unigate.http.paths import Place, listed_places, place_of
from unigate.http.request import Handler, Request, Route
from unigate.journal import Journal
from unigate.pipeline import Pipeline
from unigate.reply import Reply, write_error
from unigate.snapshot import Snapshot
from unigate.tenancy import Capture

__all__ = ["ClientApi"]

log: Final = logging.getLogger("unigate.door")

_JSON: Final = b"content-type: application/json\r\n"
# What the SDKs send from a page, and what they look for in an answer.
_CORS_HEADERS: Final = (
    b"authorization, content-type, x-api-key, api-key, x-goog-api-key, x-goog-api-client, openai-beta,"
    b" openai-organization, openai-project, anthropic-version, anthropic-beta,"
    b" anthropic-dangerous-direct-browser-access"
)
_READ: Final = (b"GET", b"HEAD")
_METHODS: Final = (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS")


class ClientApi:
    """The desk of a door: every path is denied unless it is listed here."""

    def __init__(
        self,
        current: Current,
        pipeline: Pipeline,
        journal: Journal,
        keeper: Handler,
        *,
        server: ServerSettings,
        wall: Wall,
        limits: Limits,
    ) -> None:
        self._current = current
        self._pipeline = pipeline
        self._journal = journal
        self._wall = wall
        self._origins = frozenset(origin.encode() for origin in server.cors_origins)
        self._proxies = Networks(server.trusted_proxies)
        self._has_proxies = bool(server.trusted_proxies)
        self.is_ready = True
        # Whether the database was heard of lately, so that an unknown key is truly unknown.
        self.is_current = True
        self._keeper = keeper
        self._models = ModelsApi(current, limits)
        self._routes = self._listed()

    def _listed(self) -> Mapping[bytes, Route]:
        routes: dict[bytes, Route] = {
            b"/": Route(_READ, self._root, None),
            b"/health": Route(_READ, self._health, None),
            b"/health/ready": Route(_READ, self._ready, None),
        }
        for path in (b"/docs", b"/redoc", b"/openapi.json"):
            routes[path] = Route(_READ, self._keeper, None)
        for prefix in (b"", b"/v1"):
            routes[prefix + b"/models"] = Route(_READ, self._models.listed)
        routes[b"/v1beta/models"] = Route(_READ, self._models.gemini_listed, shape=_GEMINI)
        routes[b"/api/tags"] = Route(_READ, self._models.ollama_listed, shape=_OLLAMA)
        routes[b"/api/ps"] = Route(_READ, self._models.ollama_running, shape=_OLLAMA)
        routes[b"/api/show"] = Route((b"POST",), self._models.ollama_one, shape=_OLLAMA)
        routes[b"/api/version"] = Route(_READ, self._models.ollama_version, None, shape=_OLLAMA)
        routes |= {path: self._call_route(place) for path, place in listed_places().items()}
        return routes

    def _call_route(self, place: Place) -> Route:
        dialect = place.dialect
        return Route((b"POST",), self._carrier(place), shape=dialect.errors, id_header=dialect.id_header)

    # --- the desk

    def admit(self, request: Request) -> Handler:
        """The handler of a request, its caller proved. Raises Refusal: 401, 403, 404 or 405."""
        if self._origins and b"origin" in request.headers:
            request.extra = self._cors_lines(request)
            if request.method == b"OPTIONS" and request.extra:
                return self._preflight
        verdict, snapshot = request.verdict, self._current.snapshot
        if verdict.snapshot is None or verdict.snapshot() is not snapshot:
            return self._judge(request, snapshot)
        assert verdict.route is not None
        self._begin(request, verdict.route)
        if verdict.caller is not None:
            request.caller = verdict.caller
            self._check(request, verdict.caller)
        return verdict.route.handler

    def _judge(self, request: Request, snapshot: Snapshot) -> Handler:
        """The handler of a request whose head was not seen before."""
        route = self._routes.get(request.path) or self._by_pattern(request)
        if route is None:
            path = request.path[:200].decode("utf-8", "replace")
            raise Refusal(404, "not_found", f"There is nothing at '{path}'. GET /docs lists what there is.")
        self._begin(request, route)
        if route.role is not None:
            request.caller = self._prove(request, snapshot)
            if route.role == "admin" and request.caller.role != "admin":
                raise Refusal(403, "not_allowed", "This needs an admin key.", type="permission_error")
        if request.method not in route.methods:
            allowed = ", ".join(method.decode() for method in route.methods)
            reason = f"This path takes {allowed}, not {request.method[:20].decode('latin-1')}."
            raise Refusal(405, "method_not_allowed", reason, headers=(("allow", allowed),))
        verdict = request.verdict
        verdict.route, verdict.caller, verdict.snapshot = route, request.caller, ref(snapshot)
        return route.handler

    def _begin(self, request: Request, route: Route) -> None:
        request.shape = route.shape
        if route.id_header:
            request.extra += b"%b: %b\r\n" % (route.id_header, request.id)

    def _prove(self, request: Request, snapshot: Snapshot) -> Caller:
        """Who sent a request, and that the key may be used now and from there. Raises Refusal."""
        try:
            caller = identify(request.headers, request.query, snapshot.keyring)
        except Refusal as refusal:
            if refusal.told.code == "invalid_api_key" and not self.is_current:
                reason = "The API key is not known here, and newer keys cannot be looked up just now; try again."
                retry = (("retry-after", "1"),)
                raise Refusal(503, "keys_unavailable", reason, type="server_error", headers=retry) from refusal
            raise
        self._check(request, caller)
        return caller

    def _check(self, request: Request, caller: Caller) -> None:
        """Makes sure that a key may be used now and from there. Raises Refusal."""
        if self._has_proxies:
            request.peer = self._proxies.origin(request.peer, request.headers)
        if caller.guard is not None:
            caller.guard.check(self._wall(), request.peer)

    def _by_pattern(self, request: Request) -> Route | None:
        """Paths that carry a name: a model to call, one to describe, the keeper's pages."""
        path = request.path
        place = place_of(path, request.query)
        if place is not None:
            return self._call_route(place)
        for prefix in (b"/v1/models/", b"/models/"):
            if path.startswith(prefix) and len(path) > len(prefix):
                return Route(_READ, self._models.one)
        if path.startswith(b"/v1beta/models/") and len(path) > 15:
            return Route(_READ, self._models.gemini_one, shape=_GEMINI)
        if path.startswith(b"/docs/assets/") and b".." not in path:
            return Route(_READ, self._keeper, None)
        if path.startswith(b"/admin/v1/") and b".." not in path:
            return Route(_METHODS, self._keeper, "admin")
        return None

    def refuse(self, request: Request, reply: Reply, refusal: Refusal) -> None:
        """Answers with an error in the client's own shape, and records it."""
        write_error(reply, refusal.told, request.shape)
        self._note(request, refusal.told, "refused")

    def broken(self, request: Request, reply: Reply, error: Exception) -> None:
        """Answers for a defect of ours; the traceback goes to the log, never to the client."""
        request_id = request.id.decode()
        log.error("call.broke request_id=%s", request_id, exc_info=error)
        told = Told(
            status=500,
            code="internal_error",
            message=f"The gateway failed on this call; its log has the cause under {request_id}.",
            type="server_error",
            should_retry=False,
        )
        if reply.is_open:
            reply.break_off()
        else:
            write_error(reply, told, request.shape)
        if not reply.is_recorded:
            self._note(request, told, "broken")

    def _note(self, request: Request, told: Told, end: str) -> None:
        caller = request.caller
        record = Record(
            id=request.id.decode(),
            at_ns=self._wall(),
            operation=f"{request.method[:20].decode('latin-1')} {request.path[:200].decode('latin-1')}",
            status=told.status,
            end=end,
            total_us=0,
            key=caller.key_id if caller else None,
            name=caller.name if caller else None,
            error=told.code,
            peer=request.peer if caller is None or caller.standing.capture is not Capture.NONE else None,
        )
        try:
            self._journal.begin(encode_entry(record))
        except StorageError as error:
            log.warning("record.lost request_id=%s reason=%s", record.id, error)

    # --- calls

    def _carrier(self, place: Place) -> Handler:
        dialect = place.dialect

        def carry(request: Request, reply: Reply) -> Awaitable[None]:
            caller = request.caller
            assert caller is not None, "a carried path always proves its caller"
            call = Call(
                request.id.decode(),
                dialect.name,
                caller,
                request.headers,
                peer=request.peer,
                started_ns=self._wall(),
            )
            call.received = request.received_ns
            call.content = request.take_body()
            call.streamed = place.streamed
            return self._pipeline.carry(call, dialect, place.model, reply)

        return carry

    # --- what the door answers itself

    async def _root(self, request: Request, reply: Reply) -> None:
        content = {"name": "unigate", "docs": "/docs", "health": "/health", "models": "/v1/models"}
        reply.whole(200, _JSON, msgspec.json.encode(content))

    async def _health(self, request: Request, reply: Reply) -> None:
        content: dict[str, object] = {"status": "ok"}
        if self._may_see(request):
            content["version"] = unigate.__version__
            content["providers"] = sorted(self._current.snapshot.catalog.providers)
        reply.whole(200, _JSON, msgspec.json.encode(content))

    def _may_see(self, request: Request) -> bool:
        try:
            return self._prove(request, self._current.snapshot).role == "admin"
        except Refusal:
            return False

    async def _ready(self, request: Request, reply: Reply) -> None:
        status, word = (200, "ready") if self.is_ready else (503, "stopping")
        reply.whole(status, _JSON, msgspec.json.encode({"status": word}))

    # --- CORS (https://fetch.spec.whatwg.org/#http-cors-protocol)

    def _cors_lines(self, request: Request) -> bytes:
        origin = request.headers[b"origin"]
        if b"*" in self._origins:
            origin = b"*"
        elif origin not in self._origins:
            return b""
        return (
            b"access-control-allow-origin: %b\r\nvary: origin\r\n"
            b"access-control-expose-headers: x-request-id, request-id, retry-after, x-should-retry, x-unigate-model,"
            b" x-unigate-provider, x-unigate-dropped\r\n" % origin
        )

    async def _preflight(self, request: Request, reply: Reply) -> None:
        lines = (
            b"access-control-allow-methods: GET, POST\r\naccess-control-allow-headers: %b\r\n"
            b"access-control-max-age: 600\r\n" % _CORS_HEADERS
        )
        reply.open(204, lines)
        reply.finish()


_GEMINI: Final = DIALECTS["gemini.generate"].errors
_OLLAMA: Final = DIALECTS["ollama.chat"].errors
