"""Takes a request, finds what speaks its path, and plans every byte of the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from unigate.mock import guard, routes, stamps
from unigate.mock.ask import Fail, Refused, Reply, Request, Scene
from unigate.mock.bill import Bill
from unigate.mock.chats import Chats
from unigate.mock.dialect import Route
from unigate.mock.faults import Steps
from unigate.mock.guard import Guard
from unigate.mock.head import Top
from unigate.mock.memory import Known, Memory, digest, record
from unigate.mock.output import output, plain
from unigate.mock.schema import BadSchema
from unigate.mock.script import BadScript, Script
from unigate.mock.scripts import Scripts
from unigate.mock.settings import Settings

__all__ = ["Desk", "Plan", "Settings"]

PLAIN = Script()


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
        self._guard = Guard(settings)
        self.bill = bill
        self._number = 0
        self._scripts = Scripts()
        self._memory = Memory()
        self._chats = Chats()

    def plan(self, request: Request, *, local: bool) -> Plan:
        """The answer to this request."""
        credential = guard.credential(request)
        trusted = self._guard.trusts(request, credential)
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
            return self._refusal(request, route, self._guard.refusal(request, credential, route))
        if route is None:
            wrong = f"Nothing answers {request.method} {request.path} here."
            return self._refusal(request, None, Fail(404, wrong, code="not_found"))
        try:
            plan = self._answer(request, route, credential)
            keep = route.repeatable and request.method == "POST" and request.http11
            return self._kept(request, plan) if keep else plan
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, BadScript, BadSchema) as error:
            return self._refusal(request, route, Fail(400, f"The request is not understood: {error}"))
        except Refused as refused:
            return self._refusal(request, route, refused.fail)

    def _answer(self, request: Request, route: Route, credential: str) -> Plan:
        heard = route.hear(request)
        model = request.model or heard.model
        if not model and heard.named:
            return self._refusal(request, route, Fail(400, "The request names no model."))
        script, text, words = self._scripts.read(model)
        shown = "unigate-demo" if self._settings.demo else model
        told = self._settings
        lines = (script, text, words, told.demo, credential, told.google_token, request.body, self._chats)
        scene = Scene(self._number, model, shown, *lines)
        if script.status >= 400 or (script.error is not None and script.inband is None):
            return self._fail(request, route, scene)
        reply = heard.answer(scene)
        if script.inband is not None and reply.events is None:
            reply.body, reply.output_tokens = route.error(_scripted_fail(scene)), 0
        status = script.status or (307 if script.redirect else 200)
        if not request.http11:
            scene = msgspec.structs.replace(scene, script=msgspec.structs.replace(script, close=True))
        error = b"" if script.inband is None else route.stream_error(_scripted_fail(scene))
        top = _top(reply, status, route, None, scene.tag.encode())
        steps = output(reply, top, scene.script, error)
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
        if script.status < 400:
            script = msgspec.structs.replace(script, status=400)
        fail = msgspec.structs.replace(_scripted_fail(scene), status=script.status)
        reply = Reply(route.error(fail))
        status = route.error_status(fail)
        steps = output(reply, _top(reply, status, route, fail, scene.tag.encode()), script, b"")
        return Plan(steps, script, status, self._number, scene.model, keep_alive=request.keep_alive)

    def _refusal(self, request: Request, route: Route | None, fail: Fail) -> Plan:
        shape = route.error if route is not None else routes.OPENAI_ERROR
        tag = f"mock{self._number:08d}"
        reply = Reply(shape(msgspec.structs.replace(fail, tag=tag)))
        status = route.error_status(fail) if route is not None else fail.status
        steps = plain(reply, _top(reply, status, route, fail, tag.encode()), PLAIN)
        return Plan(steps, PLAIN, status, self._number, keep_alive=request.keep_alive)

    def _books(self, request: Request, allowed: bool) -> Plan:
        told: dict[tuple[str, str], Callable[[], bytes]] = {
            ("GET", "/mock/bill"): self.bill.totals,
            ("GET", "/mock/calls"): self.bill.calls,
            ("DELETE", "/mock/calls"): self._forget,
        }
        page = told.get((request.method, request.path))
        status = 403 if not allowed else 404 if page is None else 200
        body = page() if page is not None and allowed else b'{"error":"no such page, or not yours to read"}'
        reply = Reply(body)
        steps = plain(reply, _top(reply, status, None, None, b"mock"), PLAIN)
        return Plan(steps, PLAIN, status, keep_alive=request.keep_alive, counted=False)

    def _forget(self) -> bytes:
        self.bill.reset()
        self._scripts.forget()
        return b"{}"


def _top(reply: Reply, status: int, route: Route | None, fail: Fail | None, tag: bytes) -> Top:
    stamp = route.stamp if route is not None else stamps.none
    return Top(status, reply.content_type, stamp(tag, fail), tag)


def _scripted_fail(scene: Scene) -> Fail:
    script = scene.script
    kind, _, code = (script.error or "").partition("/")
    status = script.status or (500 if script.inband is not None else 400)
    message = script.message or f"The script asked for status {status}."
    if script.echo_key:
        message = f"{message} The credential was {scene.credential}."
    return Fail(status, message, kind or None, code or None, scene.tag, script.retry_after)
