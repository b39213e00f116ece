"""Takes a request, finds what speaks its path, and plans every byte of the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from unigate.mock import head, routes
from unigate.mock.ask import Fail, Reply, Request, Scene
from unigate.mock.bill import Bill
from unigate.mock.bodies import bomb, encoded, encoded_steps, spoiled
from unigate.mock.faults import Step, Steps, chunked, headed, merged, scripted, split, sse, stop, whole
from unigate.mock.memory import Known, Memory, digest, record
from unigate.mock.routes import Route
from unigate.mock.schema import BadSchema
from unigate.mock.script import BadScript, Script
from unigate.mock.scripts import Scripts

__all__ = ["Desk", "Plan", "Settings"]

PLAIN = Script()


class Settings(msgspec.Struct, frozen=True):
    """How the scripted upstream was started."""

    host: str = "127.0.0.1"
    port: int = 0
    key: str = ""
    demo: bool = False
    fault: str = ""
    tls_cert: str = ""
    tls_key: str = ""


class Plan(NamedTuple):
    """One answer, ready to be carried out, and what is known about the call."""

    steps: Steps
    script: Script
    status: int
    number: int = 0
    model: str = ""
    stream: bool = False
    input_tokens: int = 0
    keep_alive: bool = True
    counted: bool = True
    credential: str = ""
    body_sha256: str = ""


class Desk:
    """Plans each answer; remembers how many calls there were and which scripts have been read."""

    def __init__(self, settings: Settings, bill: Bill) -> None:
        self._settings = settings
        self.bill = bill
        self._number = 0
        self._scripts = Scripts()
        self._memory = Memory()

    def plan(self, request: Request, *, local: bool) -> Plan:
        """The answer to this request."""
        credential = routes.credential(request)
        trusted = not self._settings.key or credential == self._settings.key
        if request.path.startswith("/mock/"):
            return self._books(request, trusted or local)
        self._number += 1
        known = self._memory.find((request.target, request.body)) if trusted and request.http11 else None
        if known is not None:
            return self._again(known, request, credential)
        return self._fresh(request, credential, trusted)._replace(
            credential=credential, body_sha256=digest(request.body)
        )

    def _again(self, known: Known, request: Request, credential: str) -> Plan:
        return Plan(
            known.steps(b"mock%08d" % self._number),
            known.script,
            known.status,
            self._number,
            known.model,
            known.stream,
            known.input_tokens,
            request.keep_alive and not known.script.close,
            True,
            credential,
            known.body_sha256,
        )

    def _fresh(self, request: Request, credential: str, trusted: bool) -> Plan:
        route = routes.find(request)
        if not trusted:
            masked = f"{credential[:3]}***" if credential else "(none)"
            return self._refusal(request, route, Fail(401, f"Incorrect API key provided: {masked}."))
        if route is None:
            wrong = f"Nothing answers {request.method} {request.path} here."
            return self._refusal(request, None, Fail(404, wrong, code="not_found"))
        try:
            plan = self._answer(request, route, credential)
            return self._kept(request, plan) if request.method == "POST" and request.http11 else plan
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, BadScript, BadSchema) as error:
            return self._refusal(request, route, Fail(400, f"The request is not understood: {error}"))

    def _answer(self, request: Request, route: Route, credential: str) -> Plan:
        heard = route.hear(request)
        model = request.model or heard.model
        if not model and request.method == "POST":
            return self._refusal(request, route, Fail(400, "The request names no model."))
        script, text, words = self._scripts.read(model)
        shown = "unigate-demo" if self._settings.demo else model
        scene = Scene(self._number, model, shown, script, text, words, self._settings.demo, credential)
        if script.status >= 400 or script.error is not None:
            return self._fail(request, route, scene)
        reply = heard.answer(scene)
        if script.inband is not None and reply.events is None:
            reply.body, reply.output_tokens = route.error(_scripted_fail(scene)), 0
        status = script.status or (307 if script.redirect else 200)
        if not request.http11:
            scene = msgspec.structs.replace(scene, script=msgspec.structs.replace(script, close=True))
        steps = self._steps(reply, status, route, scene)
        keep = request.keep_alive and not script.close and request.http11
        return Plan(steps, script, status, self._number, model, heard.stream, reply.input_tokens, keep)

    def _kept(self, request: Request, plan: Plan) -> Plan:
        key, tag = (request.target, request.body), b"mock%08d" % self._number
        if tag in request.body or not self._memory.worth(key, plan.script, plan.stream):
            return plan
        parts = record(plan.steps, tag, joined=not plan.script.pace)
        told = (plan.script, plan.status, plan.model, plan.stream, plan.input_tokens)
        known = Known(*told, digest(request.body), parts)
        self._memory.keep(key, known)
        return plan._replace(steps=known.steps(tag))

    def _fail(self, request: Request, route: Route, scene: Scene) -> Plan:
        script = scene.script
        body = route.error(_scripted_fail(scene))
        if script.status < 400:
            script = msgspec.structs.replace(script, status=400)
        steps = self._steps(Reply(body), script.status, route, scene)
        return Plan(steps, script, script.status, self._number, scene.model, keep_alive=request.keep_alive)

    def _refusal(self, request: Request, route: Route | None, fail: Fail) -> Plan:
        shape = route.error if route is not None else routes.OPENAI_ERROR
        body = shape(msgspec.structs.replace(fail, tag=f"mock{self._number:08d}"))
        steps = self._whole(Reply(body), fail.status, PLAIN, b"mock%08d" % self._number)
        return Plan(steps, PLAIN, fail.status, self._number, keep_alive=request.keep_alive)

    def _books(self, request: Request, allowed: bool) -> Plan:
        told: dict[tuple[str, str], Callable[[], bytes]] = {
            ("GET", "/mock/bill"): self.bill.totals,
            ("GET", "/mock/calls"): self.bill.calls,
            ("DELETE", "/mock/calls"): self._forget,
        }
        page = told.get((request.method, request.path))
        status = 403 if not allowed else 404 if page is None else 200
        body = page() if page is not None and allowed else b'{"error":"no such page, or not yours to read"}'
        steps = self._whole(Reply(body), status, PLAIN, b"mock")
        return Plan(steps, PLAIN, status, keep_alive=request.keep_alive, counted=False)

    def _forget(self) -> bytes:
        self.bill.reset()
        self._scripts.forget()
        return b"{}"

    def _steps(self, reply: Reply, status: int, route: Route, scene: Scene) -> Steps:
        script, tag = scene.script, scene.tag.encode()
        halt = stop(script)
        if halt is not None and halt.point.where == "head":
            return iter((Step(b"", then=halt.then),))
        steps = self._streamed(reply, status, route, scene) if reply.events else self._whole(reply, status, script, tag)
        if halt is not None and halt.point.where == "status":
            steps = iter((Step(next(steps).payload[:20], then=halt.then),))
        if script.interim:
            steps = headed(head.interim(script), steps)
        if script.merge:
            steps = merged(steps)
        return split(steps, script.split) if script.split > 0 else steps

    def _streamed(self, reply: Reply, status: int, route: Route, scene: Scene) -> Steps:
        script = scene.script
        assert reply.events is not None
        events = reply.events
        if script.chars is not None or script.body:
            events = ((spoiled(event, script), tokens) for event, tokens in events)
        error = b"" if script.inband is None else route.stream_error(_scripted_fail(scene))
        steps = encoded_steps(scripted(sse(events, script), script, error), script)
        framing = -1 if script.close else None
        top = head.build(status, reply.content_type, framing, script, scene.tag.encode())
        return headed(top, steps if script.close else chunked(steps, script))

    def _whole(self, reply: Reply, status: int, script: Script, tag: bytes) -> Steps:
        body = spoiled(reply.body, script)
        if script.encoding == "bomb":
            steps = chunked((Step(piece) for piece in bomb(body, script)), script)
            return headed(head.build(status, reply.content_type, None, script, tag), steps)
        body = encoded(body, script)
        steps = whole(body, reply.output_tokens, script)
        if script.badchunk or script.trailers:
            return headed(head.build(status, reply.content_type, None, script, tag), chunked(steps, script))
        framing = -1 if script.close else len(body) + script.short
        extra = [Step(b"!" * script.long)] if script.long else []
        return headed(head.build(status, reply.content_type, framing, script, tag), _chain(steps, extra))


def _chain(steps: Steps, extra: list[Step]) -> Steps:
    yield from steps
    yield from extra


def _scripted_fail(scene: Scene) -> Fail:
    script = scene.script
    kind, _, code = (script.error or "").partition("/")
    message = script.message or f"The script asked for status {script.status or 400}."
    if script.echo_key:
        message = f"{message} The credential was {scene.credential}."
    return Fail(script.status or 500, message, kind or None, code or None, scene.tag)
