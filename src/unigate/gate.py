"""The gate: reads what a call asks for, lets it in or refuses it, and writes its record once it is over."""

from __future__ import annotations

import asyncio
from time import perf_counter_ns
from typing import Final

import msgspec

from unigate.accounting.estimate import lets_others_answer
from unigate.accounting.record import LONGEST_NAME, SHORT_NAME, FailedAttempt, Intent, Record, encode_entry
from unigate.attempt import Attempt
from unigate.call import Call
from unigate.capture import Books
from unigate.charge import Charge, Sum, reckon
from unigate.dialects.dialect import Dialect
from unigate.errors import Refusal, StorageError
from unigate.tenancy import Capture
from unigate.usage import Usage
from unigate.wire import multipart
from unigate.wire.body import Body, decode_body, flag_of, text_of

__all__ = ["Gate", "Ledger"]

_SHORT_NAME: Final = SHORT_NAME
_EMPTY: Final = (b"null", b"[]")
_NONE: Final = Capture.NONE


class Gate:
    """Judges calls, from their own bytes and their caller's rights."""

    def admit(self, call: Call, dialect: Dialect, path_model: str | None) -> None:
        """Fills in what the call asks for. Raises Refusal naming the parameter that is wrong."""
        call.size = len(call.content)
        if dialect.model_in == "form":
            model: str | None = _model_in_form(call, path_model)
        else:
            call.body = body = decode_body(call.content)
            model = path_model or text_of(body, "model")
            call.content = b""
            call.streamed = call.streamed or flag_of(body, "stream", dialect.streams_by_default)
            tools = body.get("tools")
            call.wants_tools = tools is not None and bytes(tools).strip() not in _EMPTY
            options = body.get("stream_options")
            call.wants_usage = options is not None and _asks_for_usage(options)
        if not model:
            reason = 'No model was named; add "model" to the request, such as "model": "gpt-4o-mini".'
            raise Refusal(400, "missing_model", reason, param="model")
        if len(model) > _SHORT_NAME and len(model.encode()) > LONGEST_NAME:
            reason = f"A model's name has at most {LONGEST_NAME} bytes (UTF-8)."
            raise Refusal(400, "invalid_model", reason, param="model")
        call.model = model
        allowed = call.caller.models
        if allowed is not None and model not in allowed:
            names = ", ".join(sorted(allowed)) or "none"
            raise Refusal(
                403,
                "model_not_allowed",
                f"This key may not call '{model}'; it may call: {names}.",
                type="permission_error",
                param="model",
            )
        if allowed is not None and call.body is not None:
            _refuse_others(call.body)


def _refuse_others(body: Body) -> None:
    """Raises Refusal if a service is told of models that may answer instead: nobody can say which of them would."""
    if (name := lets_others_answer(body)) is not None:
        reason = f"This key may call some models only, and '{name}' lets others answer; leave it out."
        raise Refusal(403, "model_not_allowed", reason, type="permission_error", param=name)


def _asks_for_usage(options: msgspec.Raw) -> bool:
    try:
        return flag_of(decode_body(bytes(options)), "include_usage")
    except Refusal:
        return False  # the crossing refuses it where it matters


def _model_in_form(call: Call, path_model: str | None) -> str:
    boundary = multipart.boundary_of(call.headers.get(b"content-type", b""))
    if boundary is None:
        raise Refusal(400, "invalid_form", "This operation takes a multipart/form-data body with a boundary.")
    # Written anew, so that the upstream cannot find another boundary in it than the one that was judged by.
    call.content_type = b'multipart/form-data; boundary="%b"' % boundary
    place = multipart.find_field(call.content, boundary, b"model")
    named = call.content[place[0] : place[1]].decode("utf-8", "replace").strip() if place else ""
    model = path_model or named
    if not model.isprintable():
        raise Refusal(400, "invalid_model", "A model's name has no control characters.", param="model")
    return model


class Ledger:
    """Writes down one call: an intent before each attempt, one record at the end whatever happens."""

    __slots__ = (
        "_attempt",
        "_budgets",
        "_call",
        "_failed",
        "_held",
        "_is_begun",
        "_is_demo",
        "_scribe",
        "capturing",
        "charge",
        "is_draining",
        "is_settled",
    )

    def __init__(self, call: Call, books: Books, *, demo: bool) -> None:
        self._call = call
        self._scribe = books.journal
        self.capturing = books.shelf.capturing(call)
        self._attempt: Attempt | None = None
        self._failed: list[FailedAttempt] = []
        self._is_begun = False
        self._is_demo = demo
        # What the call holds; None if nothing limits its caller, and once it is given back. In nano-dollars, and of
        # which limits of money:
        self.charge: Charge | None = None
        self._held: int | None = None
        self._budgets: tuple[tuple[str, str], ...] = ()
        # Whether its client has left, and the answer is read to its end all the same.
        self.is_draining = False
        self.is_settled = False

    def hold(self, charge: Charge) -> None:
        """From now on the call holds something of its caller's limits."""
        self.charge = charge
        self._held, self._budgets = charge.held, charge.budgets

    def intend(self, attempt: Attempt) -> asyncio.Future[None] | None:
        """Notes that an attempt is about to be sent. Raises Refusal (503) if it cannot be written down."""
        call, way = self._call, attempt.way
        self._attempt = attempt
        if self._failed:
            call.ask_again(self._failed[-1].us * 1000)
        caller = call.caller
        standing = caller.standing
        intent = Intent(
            call.id,
            len(self._failed) + 1,
            call.started_ns,  # the window it is charged to, should nobody learn how it went
            call.operation,
            caller.key_id,
            caller.name,
            call.model,
            way.provider,
            way.model,
            standing.project,
            standing.organisation,
            self._held,
            self._budgets,
        )
        try:
            written = self._scribe.begin(encode_entry(intent))
        except StorageError as error:
            raise Refusal(503, "storage_full", f"The call was not sent: {error}", type="server_error") from error
        self._is_begun = True
        return written

    @property
    def was_sent(self) -> bool:
        """Whether any byte of the latest attempt can have reached its upstream."""
        exchange = self._attempt.exchange if self._attempt is not None else None
        return exchange is not None and exchange.was_sent

    def attempt_failed(self, end: str) -> None:
        """Notes how the attempt failed: the kind of fault."""
        asked, attempt = self._call.asked, self._attempt
        if attempt is not None:
            took_us = (perf_counter_ns() - asked) // 1000 if asked else 0
            self._failed.append(FailedAttempt(attempt.way.provider, attempt.way.model, end, took_us))

    def settle(self, status: int, end: str, error: str | None = None) -> asyncio.Future[None] | None:
        """Writes the call's record, once; the client has not seen the end yet. Raises StorageError."""
        if self.is_settled:
            return None
        self.is_settled = True
        was_sent = self.was_sent
        is_clean = end == "ok" or not was_sent
        if self.is_draining and end == "ok":
            end = "client_left"
        sum = self._reckon(end if was_sent else "unsent")
        if self.capturing is not None:
            sum = sum.at(sum.nano, (*self.capturing.put_away(), *sum.flags))
        try:
            entry = encode_entry(self._record(status, end, error, sum))
            # Where nothing was begun, the room that is kept for running calls is not ours.
            return self._scribe.append(entry) if self._is_begun else self._scribe.begin(entry)
        finally:
            self._give_back(sum, is_clean=is_clean)

    def close(self) -> bool:
        """Whether the call ended without a record, as only a defect makes it; it has one now, and holds nothing."""
        is_broken = not self.is_settled
        if is_broken and self.is_draining:
            return False
        try:
            if is_broken:
                self.settle(500, "broken", "internal_error")
        finally:
            if self.charge is not None:  # not even its record could be made
                self._give_back(Sum(Usage(), self._held), is_clean=False)
        return is_broken

    def _give_back(self, sum: Sum, *, is_clean: bool) -> None:
        charge, self.charge = self.charge, None
        if charge is not None:
            charge.settle(sum, is_clean=is_clean)

    def _reckon(self, end: str) -> Sum:
        attempt, charge = self._attempt, self.charge
        if attempt is None:
            return Sum(Usage(), None)
        tariff = attempt.way.tariff
        usage = attempt.crossing.usage if self._call.answered else None
        claim = charge.claim if charge is not None else None
        return reckon(self._call, tariff, usage, end, claim, attempt.crossing.dropped).beside(self._held)

    def _record(self, status: int, end: str, error: str | None, sum: Sum) -> Record:
        call, attempt = self._call, self._attempt
        caller, received, answered = call.caller, call.received, call.answered
        way = attempt.way if attempt is not None else None
        tariff = way.tariff if way is not None else None
        standing = caller.standing
        is_private = standing.capture is _NONE
        client_id = call.headers.get(b"x-request-id") if not is_private else None
        upstream_id = attempt.upstream_request_id if attempt is not None else b""
        # In the order of the fields: msgspec takes seven times as long to match them by name.
        return Record(
            call.id,
            call.started_ns,
            call.operation,
            status,
            end,
            (perf_counter_ns() - received) // 1000,
            caller.key_id,
            caller.name,
            call.model or None,
            call.streamed,
            way.provider if way is not None else None,
            way.model if way is not None else None,
            (answered - received) // 1000 if answered else None,
            call.overhead_us if answered else None,
            sum.usage,
            tuple(self._failed),
            error,
            call.peer if not is_private else None,
            client_id[:200].decode("latin-1") if client_id else None,
            upstream_id[:200].decode("latin-1") or None,
            self._is_demo,
            attempt.crossing.dropped if attempt is not None and not is_private else (),
            standing.project,
            standing.organisation,
            sum.nano,
            tariff.version if tariff is not None else None,
            self._held,
            sum.flags,
            self._budgets,
        )
