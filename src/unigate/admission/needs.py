"""What a call needs of its caller's limits: the most it can cost and consume on any of its ways."""

from __future__ import annotations

from typing import NamedTuple

from unigate.accounting.estimate import Bound, bound_of, is_free, reason_unpriced, worst_case
from unigate.admission.refusals import unpriced
from unigate.admission.wallet import Need
from unigate.admission.windows import MONEY
from unigate.call import Call
from unigate.routing.catalog import Way
from unigate.tenancy import Quota, QuotaKind

__all__ = ["Terms", "terms_of"]

_MONEY = frozenset(MONEY)
# Where neither the request nor the model limits the answer, this much is held of a limit of tokens.
_USUAL_OUTPUT = 16_384


class Terms(NamedTuple):
    """What is held for a call, and the ways that may be gone for it, each with what bounds the call there."""

    need: Need
    ways: tuple[Way, ...]
    bounds: tuple[Bound, ...]


def terms_of(call: Call, quotas: tuple[Quota, ...], ways: tuple[Way, ...], ceiling: int | None) -> Terms:
    """The terms for a call; `ceiling` is what is held where nobody knows the cost.

    Raises Refusal (403) if money is limited, no way's cost is known, and there is no ceiling.
    """
    bounds = tuple(bound_of(call.operation, call.body, call.size, way.target.price) for way in ways)
    nano = 0
    budget = next((quota for quota in quotas if quota.kind in _MONEY), None)
    if budget is not None and not is_free(call.operation):
        costs = tuple(_cost(way, bound, ceiling) for way, bound in zip(ways, bounds, strict=True))
        if None in costs:
            ways, bounds, costs = _priced(call, budget, (ways, bounds, costs))
        nano = max(cost for cost in costs if cost is not None)
    limit = min((quota.limit for quota in quotas if quota.kind is QuotaKind.TOKENS), default=None)
    tokens = 0 if limit is None else max(_tokens(call, bound, limit) for bound in bounds)
    return Terms(Need(nano, tokens), ways, bounds)


def _cost(way: Way, bound: Bound, ceiling: int | None) -> int | None:
    price = way.target.price
    cost = worst_case(price, bound) if price is not None else None
    return ceiling if cost is None else cost


def _priced(
    call: Call, budget: Quota, all: tuple[tuple[Way, ...], tuple[Bound, ...], tuple[int | None, ...]]
) -> tuple[tuple[Way, ...], tuple[Bound, ...], tuple[int | None, ...]]:
    """The ways whose cost has a bound: a call of a budget goes no other."""
    ways, bounds, costs = all
    kept = tuple(place for place, cost in enumerate(costs) if cost is not None)
    if not kept:
        raise unpriced(call.model, reason_unpriced(ways[0].target.price, bounds[0]), budget.shown)
    return tuple(ways[i] for i in kept), tuple(bounds[i] for i in kept), tuple(costs[i] for i in kept)


def _tokens(call: Call, bound: Bound, limit: int) -> int:
    """What is held of a limit of tokens; an answer nobody limited is held as far as the limit goes."""
    fed = call.size if bound.input_tokens is None else bound.input_tokens
    if bound.output_tokens is not None:
        most = fed + bound.output_tokens
        if most <= limit:
            return most
        asked = bound_of(call.operation, call.body, call.size, None).output_tokens
        return most if asked is not None else max(fed, limit)
    return max(fed, min(fed + _USUAL_OUTPUT, limit))
