"""What a call is charged: held of its caller's limits before it is sent, and settled once it is over."""

from __future__ import annotations

from typing import NamedTuple

from unigate.accounting.cost import cost_of, sane
from unigate.accounting.estimate import Bound, is_free
from unigate.accounting.likely import estimated_input
from unigate.admission.headers import limit_lines
from unigate.admission.needs import terms_of
from unigate.admission.wallet import Permit
from unigate.call import Call
from unigate.clock import Wall
from unigate.errors import Kind
from unigate.lender import Lender
from unigate.routing.catalog import Way
from unigate.target import Target
from unigate.usage import Usage

__all__ = ["Cashier", "Charge", "Sum", "reckon"]

# The answer, or the way to it, broke in the middle: what was consumed by then is owed, whoever broke it.
_CUT = frozenset(
    {
        *(Kind.CONNECTION.value, Kind.FIRST_BYTE_TIMEOUT.value, Kind.IDLE_TIMEOUT.value, Kind.TOTAL_TIMEOUT.value),
        *(Kind.TRUNCATED.value, Kind.PROTOCOL.value, Kind.ENCODING.value, Kind.TOO_LARGE.value, Kind.INVALID.value),
        *("client_left", "drained", "broken"),
    }
)


class Sum(NamedTuple):
    """What a call came to: believable usage, nano-dollars or None where nobody knows, and what was noteworthy."""

    usage: Usage
    nano: int | None
    flags: tuple[str, ...]


class Charge:
    """What one call holds, for as long as it runs."""

    __slots__ = ("_bounds", "_lender", "permit")

    def __init__(self, lender: Lender, permit: Permit, bounds: dict[int, Bound]) -> None:
        self._lender = lender
        self.permit = permit
        self._bounds = bounds

    def bound(self, target: Target) -> Bound | None:
        """What bounds the call at a target."""
        return self._bounds.get(id(target))

    def settle(self, sum: Sum, *, is_clean: bool) -> None:
        """Gives back what was not taken; a slot a moment later where an exchange was broken off."""
        usage = sum.usage
        self.permit.settle(sum.nano or 0, (usage.input_tokens or 0) + (usage.output_tokens or 0))
        if is_clean:
            self.permit.leave()
        else:
            self._lender.leave_later(self.permit)


class Cashier:
    """Holds what calls need of their callers' limits."""

    def __init__(self, lender: Lender, clock: Wall, ceiling: int | None = None) -> None:
        self._lender = lender
        self._clock = clock
        self._ceiling = ceiling

    async def hold(self, call: Call, ways: tuple[Way, ...]) -> tuple[Charge, tuple[Way, ...]]:
        """The charge of a call, and the ways it may go. Raises Refusal."""
        quotas = call.caller.standing.quotas
        purse = self._lender.wallet.purse(quotas, call.started_ns)
        terms = terms_of(call, purse, ways, self._ceiling)
        permit = self._lender.wallet.take_from(purse, terms.need)
        if not isinstance(permit, Permit):
            if not self._lender.is_dated:
                await self._lender.until_dated(quotas[0])
                call.started_ns = self._clock()
            permit = await self._lender.permit(quotas, terms.need, call.started_ns)
        bounds = {id(way.target): bound for way, bound in zip(terms.ways, terms.bounds, strict=True)}
        return Charge(self._lender, permit, bounds), terms.ways

    def lines(self, call: Call) -> bytes:
        """What a limited caller is told of its limits with every answer, as header lines."""
        purse = self._lender.wallet.purse(call.caller.standing.quotas, call.started_ns)
        return limit_lines(purse, call.operation, self._clock)


def reckon(call: Call, target: Target, usage: Usage | None, end: str, bound: Bound | None) -> Sum:
    """What a call came to at a target; `usage` is None if nothing of an answer came, or nothing was sent at all."""
    if is_free(call.operation):
        return Sum(usage or Usage(), 0, ())
    has_begun = usage is not None and bool(usage.output_tokens)
    is_cut = end in _CUT or (end != "ok" and has_begun)
    if end != "ok" and not is_cut:
        return Sum(usage or Usage(), 0, ())  # refused before a word of it came, and nobody bills that
    if usage is None:
        usage = Usage(output_tokens=0, estimated=True)
    likely = estimated_input(call.body, call.size) if is_cut else None
    believed, flags = sane(usage, bound, target.price, likely)
    has_fees = bound is not None and (bound.has_hosted_tools or bound.has_surcharge)
    nano = cost_of(target.price, believed) if target.price is not None and not has_fees else None
    if believed.estimated and is_cut:
        flags = (*flags, "estimated")
    return Sum(believed, nano, flags)
