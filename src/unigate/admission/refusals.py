"""What a client reads when a limit says no: which scope, which limit, how large it is, and what to do."""

from __future__ import annotations

from typing import Final

from unigate.admission.bank_words import Verdict
from unigate.admission.wallet import Need, Part
from unigate.admission.windows import MONEY, end_of
from unigate.errors import Refusal
from unigate.tenancy import Quota, QuotaKind

__all__ = ["refusal_for", "refuse_known", "unavailable", "unpriced"]

_SECOND: Final = 1_000_000_000
_PERIODS: Final = {
    QuotaKind.USD_DAY: "of this UTC day",
    QuotaKind.USD_MONTH: "of this UTC month",
    QuotaKind.USD_TOTAL: "in total",
}
_WORDS: Final = {
    QuotaKind.REQUESTS: "requests per minute",
    QuotaKind.TOKENS: "tokens per minute",
    QuotaKind.SLOTS: "calls at once",
}
_RETRY: Final = (("x-should-retry", "true"),)
_NO_RETRY: Final = (("x-should-retry", "false"),)


def refusal_for(quota: Quota, need: int, verdict: Verdict, wait: int, at_ns: int) -> Refusal:
    """The refusal of a call that needs so much of a limit, after the bank's verdict; `wait` is in seconds."""
    if verdict is Verdict.UNKNOWN:
        return unavailable(quota)
    if quota.kind in MONEY:
        return _spent(quota, need, at_ns) if verdict is Verdict.SPENT else _reserved(quota, need)
    if verdict is Verdict.SPENT:
        return _too_large(quota, need)
    return _limited(quota, wait)


def refuse_known(part: Part, need: Need, at_ns: int, second: int) -> None:
    """Raises the Refusal that needs no asking: what is spent stays spent, and a minute's uses stay for a minute."""
    allowance, quota = part.allowance, part.quota
    amount = need.of(quota.kind)
    if amount > quota.limit - allowance.gone:
        raise refusal_for(quota, amount, Verdict.SPENT, 0, at_ns)
    limit, until = allowance.refused_until
    if limit == quota.limit and until > second:
        raise refusal_for(quota, amount, Verdict.RESERVED, until - second, at_ns)


def unavailable(quota: Quota) -> Refusal:
    """The refusal of a call that nobody can say about whether its limit allows it."""
    what = "budget" if quota.kind in MONEY else "limit"
    return Refusal(
        503,
        "budget_unavailable",
        f"The {what} of {quota.shown} cannot be asked for right now, so the call was not sent; repeat it in a moment.",
        type="server_error",
        headers=(("retry-after", "1"), *_RETRY),
    )


def unpriced(model: str, reason: str, shown: str) -> Refusal:
    """The refusal of a call that nobody knows the cost of, for a caller with a budget."""
    return Refusal(
        403,
        "model_unpriced",
        f"What this call of '{model}' can cost is not known ({reason}), and {shown} has a budget of money. "
        "Give the model a price in the configuration, or change the request.",
        type="permission_error",
        param="model",
        headers=_NO_RETRY,
    )


def _spent(quota: Quota, need: int, at_ns: int) -> Refusal:
    end = end_of(quota.kind, at_ns)
    until = (("retry-after", str(max((end - at_ns) // _SECOND + 1, 1))),) if end is not None else ()
    when = "wait for the next period or raise the budget" if end is not None else "raise the budget"
    return Refusal(
        429,
        "insufficient_quota",
        f"The budget of {quota.shown}, {_usd(quota.limit)} {_PERIODS[quota.kind]}, has too little left for this call, "
        f"which may cost up to {_usd(need)}; {when}, or ask for fewer output tokens.",
        type="insufficient_quota",
        headers=(*until, *_NO_RETRY),
    )


def _reserved(quota: Quota, need: int) -> Refusal:
    return Refusal(
        429,
        "budget_reserved",
        f"What is left of the budget of {quota.shown}, {_usd(quota.limit)} {_PERIODS[quota.kind]}, is reserved by "
        f"running calls, and this one may cost up to {_usd(need)}; repeat it when they are done.",
        type="rate_limit_error",
        headers=(("retry-after", "1"), *_RETRY),
    )


def _limited(quota: Quota, wait: int) -> Refusal:
    wait = max(wait, 1)
    return Refusal(
        429,
        "rate_limit_exceeded",
        f"{quota.shown[:1].upper()}{quota.shown[1:]} is at its limit of {quota.limit} {_WORDS[quota.kind]}; "
        f"repeat the call in {wait} s.",
        type="rate_limit_error",
        headers=(("retry-after", str(wait)), *_RETRY),
    )


def _too_large(quota: Quota, need: int) -> Refusal:
    return Refusal(
        429,
        "rate_limit_exceeded",
        f"This call may take {need} tokens, and the limit of {quota.shown} is {quota.limit} {_WORDS[quota.kind]}; "
        "ask for fewer output tokens or send a shorter request.",
        type="rate_limit_error",
        headers=_NO_RETRY,
    )


def _usd(nano: int) -> str:
    """Dollars with as many digits as the amount has, at least cents."""
    whole, part = divmod(nano, _SECOND)
    digits = f"{part:09d}".rstrip("0")
    return f"${whole}.{digits:0<2}"
