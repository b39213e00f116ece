"""What a call is charged: held of its caller's limits before it is sent, and settled once it is over."""

from __future__ import annotations

from typing import Final

from unigate.accounting.cost import cost_of, sane
from unigate.accounting.estimate import Claim, is_free
from unigate.accounting.likely import estimated_input
from unigate.admission.headers import limit_lines
from unigate.admission.needs import Terms, terms_of
from unigate.admission.wallet import Permit, Purse
from unigate.call import Call, Caller
from unigate.clock import Wall
from unigate.errors import Kind
from unigate.lender import Lender
from unigate.routing.catalog import Way
from unigate.tariff import Tariff
from unigate.tier import ANY, asked_tier
from unigate.usage import Usage

__all__ = ["Cashier", "Charge", "Sum", "reckon"]

_ANTHROPIC: Final = "anthropic."  # how the operations of its format begin
# The answer, or the way to it, broke in the middle: what was consumed by then is owed, whoever broke it.
_CUT: Final = frozenset(
    {
        *(Kind.CONNECTION.value, Kind.FIRST_BYTE_TIMEOUT.value, Kind.IDLE_TIMEOUT.value, Kind.TOTAL_TIMEOUT.value),
        *(Kind.TRUNCATED.value, Kind.PROTOCOL.value, Kind.ENCODING.value, Kind.TOO_LARGE.value, Kind.INVALID.value),
        *("client_left", "drained", "broken"),
    }
)


class Sum:
    """What a call came to: believable usage, nano-dollars or None where nobody knows, and what was noteworthy."""

    __slots__ = ("flags", "is_untold", "least", "nano", "usage")

    def __init__(
        self,
        usage: Usage,
        nano: int | None,
        flags: tuple[str, ...] = (),
        *,
        least: int = 0,
        is_untold: bool = False,
    ) -> None:
        self.usage = usage
        self.nano = nano
        self.flags = flags
        # What it cost at least, in nano-dollars, where the rest is not known.
        self.least = least
        # Whether an answer came and nobody told how many tokens it has.
        self.is_untold = is_untold

    def beside(self, held: int | None) -> Sum:
        """What is charged where so many nano-dollars were held; None is nothing that asks for money."""
        if held is None:
            return self
        if self.nano is None:
            # A budget is never left uncharged: what nobody can reckon costs what was held for it.
            return self.at(max(held, self.least), (*self.flags, "charged_as_held"))
        if self.nano > held and "over_hold" not in self.flags:
            # Dearer than anything that was asked for: the account serves calls in a tier that they do not name.
            return self.at(self.nano, (*self.flags, "over_hold"))
        return self

    def at(self, nano: int | None, flags: tuple[str, ...]) -> Sum:
        """The same for so many nano-dollars, with these notes."""
        return Sum(self.usage, nano, flags, least=self.least, is_untold=self.is_untold)


class Charge:
    """What one call holds, for as long as it runs."""

    __slots__ = ("_lender", "_permit", "_tokens", "budgets", "claim", "held")

    def __init__(self, lender: Lender, permit: Permit, purse: Purse, terms: Terms) -> None:
        self._lender = lender
        self._permit = permit
        # What it can consume at most.
        self.claim = terms.claim
        # The nano-dollars it holds, None if no limit of money asks, and the limits of money it holds them of.
        self.held = terms.need.nano if purse.budget is not None else None
        self.budgets = purse.budgets
        self._tokens = terms.need.tokens

    def settle(self, sum: Sum, *, is_clean: bool) -> None:
        """Gives back what was not taken; a slot a moment later where an exchange was broken off."""
        usage = sum.usage
        tokens = (usage.input_tokens or 0) + (usage.output_tokens or 0)
        if sum.is_untold:  # a limit of tokens is never left uncharged either
            tokens = max(tokens, self._tokens)
        self._permit.settle(sum.nano or 0, tokens)
        if is_clean:
            self._permit.leave()
        else:
            self._lender.leave_later(self._permit)


class Cashier:
    """Holds what calls need of their callers' limits."""

    def __init__(self, lender: Lender, clock: Wall, ceiling: int | None = None) -> None:
        self._lender = lender
        self._clock = clock
        self._ceiling = ceiling

    def purse(self, call: Call) -> Purse | None:
        """The limits of a call's caller; None if it has none."""
        quotas = call.caller.standing.quotas
        return self._lender.wallet.purse(quotas, call.started_ns) if quotas else None

    def terms(self, call: Call, purse: Purse, ways: tuple[Way, ...]) -> Terms:
        """What a call has to hold, and the ways it may go. Raises Refusal (403) if no way's cost is known."""
        return terms_of(call, purse, ways, self._ceiling)

    def hold(self, purse: Purse, terms: Terms) -> Charge | None:
        """The charge of a call, from what is at hand; None if that is too little."""
        permit = self._lender.wallet.take_from(purse, terms.need)
        return Charge(self._lender, permit, purse, terms) if permit is not None else None

    async def wait(self, call: Call, purse: Purse, terms: Terms) -> Charge:
        """The same after asking the bank, when it is the call's turn. Raises Refusal."""
        if not self._lender.is_dated:
            await self._lender.until_dated(purse.quotas[0])
            call.started_ns = self._clock()
        permit = await self._lender.permit(purse.quotas, terms.need, call.started_ns)
        return Charge(self._lender, permit, purse, terms)

    def lines(self, call: Call, purse: Purse) -> bytes:
        """What a limited caller is told of its limits with every answer, as header lines."""
        return limit_lines(purse, self._clock, is_theirs=call.operation.startswith(_ANTHROPIC))

    def told(self, caller: Caller, is_theirs: bool) -> bytes:
        """The same for who asks without a call; `is_theirs` is by the names that Anthropic's clients read."""
        quotas = caller.standing.quotas
        if not quotas:
            return b""
        purse = self._lender.wallet.purse(quotas, self._clock())
        return limit_lines(purse, self._clock, is_theirs=is_theirs)


def reckon(
    call: Call, tariff: Tariff | None, usage: Usage | None, end: str, claim: Claim | None, unsent: tuple[str, ...] = ()
) -> Sum:
    """What a call came to by a tariff; `usage` is None if nothing of an answer came, or nothing was sent at all.

    What it claimed is None where nothing was held for it.

    The tier of service that counts is the one that the answer tells; else the one that was asked for, unless the field
    is among those that were left `unsent`.
    """
    if is_free(call.operation):
        return Sum(usage or Usage(), 0)
    has_begun = usage is not None and bool(usage.output_tokens)
    is_cut = end in _CUT or (end != "ok" and has_begun)
    if end != "ok" and not is_cut:
        return Sum(usage or Usage(), 0)  # refused before a word of it came, and nobody bills that
    if usage is None:
        usage = Usage(output_tokens=0, estimated=True)
    likely = estimated_input(call.body, call.size) if is_cut else None
    bound = claim.bound(tariff) if claim is not None else None
    believed, flags = sane(usage, bound, tariff, likely)
    has_fees = bound is not None and (bound.has_hosted_tools or bound.has_surcharge)
    tier = usage.tier
    if tier is None and call.body and (claim is None or claim.is_final or claim.tier):
        tier = asked_tier(call.body, unsent)
    is_other = bool(tier) and tier != ANY
    if is_other and tariff is not None and tier in tariff.tiers:
        tariff = tariff.tiers[tier]
        flags = (*flags, f"tier:{tier}")
    elif is_other:
        flags = (*flags, "tier_unpriced")
    nano = cost_of(tariff, believed) if tariff is not None else None
    if believed.estimated and is_cut:
        flags = (*flags, "estimated")
    is_untold = believed.output_tokens is None and claim is not None and not claim.is_final
    return Sum(believed, None if has_fees else nano, flags, least=nano or 0, is_untold=is_untold)
