"""What a call needs of its caller's limits: the most it can cost and consume on any of its ways."""

from __future__ import annotations

from typing import Final

from unigate.accounting.estimate import Bound, Claim, claim_of, is_free
from unigate.accounting.worst import reason_unpriced, worst_case
from unigate.admission.refusals import unpriced
from unigate.admission.wallet import Need, Purse
from unigate.call import Call
from unigate.routing.catalog import Way

__all__ = ["Terms", "terms_of"]

# Where neither the request nor the model limits the answer, this much is held of a limit of tokens.
_USUAL_OUTPUT: Final = 16_384


class Terms:
    """What is held for a call, the ways that may be gone for it, and what it claims wherever it goes."""

    __slots__ = ("claim", "need", "ways")

    def __init__(self, need: Need, ways: tuple[Way, ...], claim: Claim) -> None:
        self.need = need
        self.ways = ways
        self.claim = claim


def terms_of(call: Call, purse: Purse, ways: tuple[Way, ...], ceiling: int | None) -> Terms:
    """The terms for a call; `ceiling` is what is held where nobody knows the cost.

    Raises Refusal (403) if money is limited, no way's cost is known, and there is no ceiling.
    """
    budget, limit = purse.budget, purse.token_limit
    if budget is not None and is_free(call.operation):
        budget = None
    claim = claim_of(call.operation, call.body, call.size)
    kept: list[Way] = []
    nano = tokens = 0
    for way in ways:
        tariff = way.tariff
        bound = claim.bound(tariff)
        if budget is not None:
            cost = worst_case(tariff, bound) if tariff is not None else None
            if cost is None and (cost := ceiling) is None:
                continue  # a call of a budget goes no way whose cost nobody knows
            nano = max(nano, cost)
        if limit is not None:
            tokens = max(tokens, _tokens(call.size, claim, bound, limit))
        kept.append(way)
    if not kept and budget is not None:
        tariff = ways[0].tariff
        raise unpriced(call.model, reason_unpriced(tariff, claim.bound(tariff)), budget.shown)
    return Terms(Need(nano, tokens), tuple(kept), claim)


def _tokens(size: int, claim: Claim, bound: Bound, limit: int) -> int:
    """What is held of a limit of tokens; an answer nobody limited is held as far as the limit goes."""
    fed = size if bound.input_tokens is None else bound.input_tokens
    if bound.output_tokens is None:
        return max(fed, min(fed + _USUAL_OUTPUT, limit))
    most = fed + bound.output_tokens
    return most if most <= limit or claim.made is not None else max(fed, limit)
