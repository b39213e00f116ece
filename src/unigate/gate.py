"""The gate: reads what a call asks for, lets it in or refuses it, and writes its record once it is over."""

from __future__ import annotations

import asyncio
import time

import msgspec

from unigate.accounting.record import FailedAttempt, Intent, Record, encode_entry
from unigate.call import Call
from unigate.capture import Books, Watched
from unigate.charge import Charge, Sum, reckon
from unigate.dialects.converted import Crossing
from unigate.dialects.dialect import Dialect
from unigate.errors import Refusal, StorageError
from unigate.target import Target
from unigate.tenancy import Capture
from unigate.upstream.signed import Exchange
from unigate.usage import Usage
from unigate.wire import multipart
from unigate.wire.body import decode_body, flag_of, text_of

__all__ = ["Gate", "Ledger"]

_LONGEST_NAME = 1000  # it is written down with each attempt, and remembered with each prepared head
_EMPTY = (b"null", b"[]")
_NONE = Capture.NONE


class Gate:
    """Judges calls, from their own bytes and their caller's rights."""

    def admit(self, call: Call, dialect: Dialect, path_model: str | None) -> None:
        """Fills in what the call asks for. Raises Refusal naming the parameter that is wrong."""
        call.size = len(call.content)
        if dialect.model_in == "form":
            model: str | None = _model_in_form(call, path_model)
        else:
            call.body = decode_body(call.content)
            model = path_model or text_of(call.body, "model")
            call.content = b""
            call.streamed = call.streamed or flag_of(call.body, "stream", dialect.streams_by_default)
            tools = call.body.get("tools")
            call.wants_tools = tools is not None and bytes(tools).strip() not in _EMPTY
            options = call.body.get("stream_options")
            call.wants_usage = options is not None and _asks_for_usage(options)
        if not model:
            reason = 'No model was named; add "model" to the request, such as "model": "gpt-4o-mini".'
            raise Refusal(400, "missing_model", reason, param="model")
        if len(model) > _LONGEST_NAME:
            reason = f"A model's name has at most {_LONGEST_NAME} characters."
            raise Refusal(400, "invalid_model", reason, param="model")
        call.model = model
        allowed = call.caller.models
        if allowed is not None and call.model not in allowed:
            names = ", ".join(sorted(allowed)) or "none"
            raise Refusal(
                403,
                "model_not_allowed",
                f"This key may not call '{call.model}'; it may call: {names}.",
                type="permission_error",
                param="model",
            )


def _asks_for_usage(options: msgspec.Raw) -> bool:
    try:
        return flag_of(decode_body(bytes(options)), "include_usage")
    except Refusal:
        return False  # the crossing refuses it where it matters


def _model_in_form(call: Call, path_model: str | None) -> str:
    boundary = multipart.boundary_of(call.content_type)
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
        "_attempts",
        "_call",
        "_crossing",
        "_is_begun",
        "_scribe",
        "_sent_ns",
        "_target",
        "capturing",
        "charge",
        "exchange",
        "is_demo",
        "is_draining",
        "is_settled",
        "upstream_request_id",
    )

    def __init__(self, call: Call, books: Books, *, demo: bool) -> None:
        self._call = call
        self._scribe = books.journal
        self.capturing = books.shelf.capturing(call)
        self._attempts: list[FailedAttempt] = []
        self._target: Target | None = None
        self._crossing: Crossing | Watched | None = None
        self._sent_ns = 0
        self._is_begun = False
        # What is held for the call; None if nothing limits its caller.
        self.charge: Charge | None = None
        # The attempt's way to its upstream.
        self.exchange: Exchange | None = None
        self.is_demo = demo
        # Whether its client has left, and the answer is read to its end all the same.
        self.is_draining = False
        self.is_settled = False
        self.upstream_request_id = b""

    def intend(self, target: Target, crossing: Crossing | Watched) -> asyncio.Future[None] | None:
        """Notes that an attempt is about to be sent. Raises Refusal (503) if it cannot be written down."""
        call = self._call
        self._target = target
        self._crossing = crossing
        self.exchange = None
        self._sent_ns = time.perf_counter_ns()
        if self._attempts:
            call.ask_again(self._sent_ns)
        intent = Intent(
            call.id,
            len(self._attempts) + 1,
            call.started_ns,  # the window it is charged to, should nobody learn how it went
            call.operation,
            call.caller.key_id,
            call.caller.name,
            call.model,
            target.provider.name,
            target.model,
            call.caller.standing.project,
            call.caller.standing.organisation,
            self._held,
            self._budgets,
        )
        try:
            written = self._scribe.begin(encode_entry(intent))
        except StorageError as error:
            raise Refusal(503, "storage_full", f"The call was not sent: {error}", type="server_error") from error
        self._is_begun = True
        return written

    def attempt_failed(self, end: str) -> None:
        """Notes how the attempt failed: the kind of fault."""
        if self._target is not None:
            took_us = (time.perf_counter_ns() - self._sent_ns) // 1000
            self._attempts.append(FailedAttempt(self._target.provider.name, self._target.model, end, took_us))

    def settle(self, status: int, end: str, error: str | None = None) -> asyncio.Future[None] | None:
        """Writes the call's record, once; the client has not seen the end yet. Raises StorageError."""
        if self.is_settled:
            return None
        self.is_settled = True
        was_sent = self.exchange is not None and self.exchange.was_sent
        is_clean = end == "ok" or not was_sent
        if self.is_draining and end == "ok":
            end = "client_left"
        sum = self._reckon(end if was_sent else "unsent")
        if self.capturing is not None:
            sum = Sum(sum.usage, sum.nano, (*self.capturing.put_away(), *sum.flags))
        # Where nothing was begun, the room that is kept for running calls is not ours.
        write = self._scribe.append if self._is_begun else self._scribe.begin
        try:
            return write(encode_entry(self._record(status, end, error, sum)))
        finally:
            if self.charge is not None:
                self.charge.settle(sum, is_clean=is_clean)

    def close(self) -> bool:
        """Whether the call ended without a record, as only a defect makes it; it has one now, and holds nothing."""
        is_broken = not self.is_settled
        if is_broken and self.is_draining:
            return False
        try:
            if is_broken:
                self.settle(500, "broken", "internal_error")
        finally:
            if self.charge is not None:
                self.charge.settle(Sum(Usage(), self._held), is_clean=False)
        return is_broken

    @property
    def _held(self) -> int | None:
        """The nano-dollars that are held for the call."""
        return self.charge.held if self.charge is not None else None

    @property
    def _budgets(self) -> tuple[tuple[str, str], ...]:
        """The limits of money that this is held of."""
        return self.charge.budgets if self.charge is not None else ()

    def _reckon(self, end: str) -> Sum:
        if self._target is None:
            return Sum(Usage(), None)
        usage = self._crossing.usage if self._crossing and self._call.answered else None
        bound = self.charge.bound(self._target) if self.charge is not None else None
        sum = reckon(self._call, self._target, usage, end, bound)
        if sum.nano is None and self._held is not None:
            # A budget is never left uncharged: what nobody can reckon costs what was held for it.
            return Sum(sum.usage, self._held, (*sum.flags, "charged_as_held"))
        return sum

    def _record(self, status: int, end: str, error: str | None, sum: Sum) -> Record:
        call, target = self._call, self._target
        now = time.perf_counter_ns()
        answered, received = call.answered, call.received
        is_private = call.caller.standing.capture is _NONE
        client_id = call.headers.get(b"x-request-id") if not is_private else None
        # In the order of the fields: msgspec takes seven times as long to match them by name.
        return Record(
            call.id,
            call.started_ns,
            call.operation,
            status,
            end,
            (now - received) // 1000,
            call.caller.key_id,
            call.caller.name,
            call.model or None,
            call.streamed,
            target.provider.name if target else None,
            target.model if target else None,
            (answered - received) // 1000 if answered else None,
            call.overhead_us if answered else None,
            sum.usage,
            tuple(self._attempts) if self._attempts else (),
            error,
            call.peer if not is_private else None,
            client_id[:200].decode("latin-1") if client_id else None,
            self.upstream_request_id[:200].decode("latin-1") or None,
            self.is_demo,
            self._crossing.dropped if self._crossing and not is_private else (),
            call.caller.standing.project,
            call.caller.standing.organisation,
            sum.nano,
            target.price.version if target and target.price else None,
            self._held,
            sum.flags,
            self._budgets,
        )
