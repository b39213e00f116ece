"""What a call can cost at most, of all that it can consume."""

from __future__ import annotations

from unigate.accounting.estimate import Bound
from unigate.tariff import Tariff

__all__ = ["reason_unpriced", "worst_case"]


def worst_case(tariff: Tariff, bound: Bound) -> int | None:
    """The nano-dollars that a call within its bound costs at most; None if nothing bounds them.

    A tier that was asked for may not be the one that serves it, so the ordinary one counts as well.
    """
    if bound.has_hosted_tools or bound.has_surcharge:
        return None
    ordinary = _worst(tariff, bound)
    if not bound.tier or ordinary is None:
        return ordinary
    other = _worst(tariff.tiers[bound.tier], bound)
    return None if other is None else max(ordinary, other)


def _worst(tariff: Tariff, bound: Bound) -> int | None:
    fed, made = bound.input_tokens, bound.output_tokens
    dearest_in, dearest_out = tariff.dearest_in, tariff.dearest_out
    if tariff.long is not None and (fed is None or fed >= tariff.long_from):
        dearest_in, dearest_out = max(dearest_in, tariff.long_dearest_in), max(dearest_out, tariff.long_dearest_out)
    if (dearest_in and fed is None) or (dearest_out and made is None):
        return None
    total = dearest_in * (fed or 0) + dearest_out * (made or 0)
    return -(-total // tariff.per) + tariff.per_call


def reason_unpriced(tariff: Tariff | None, bound: Bound) -> str:
    """Why nobody can say what a call costs at most, for the sentence a refused client reads."""
    if tariff is None:
        return "no price is known for it"
    if bound.has_hosted_tools:
        return "the request uses tools that run at the provider, for a fee"
    if bound.has_surcharge:
        return "the request asks for a service whose price is not known, or lets other models answer"
    if bound.input_tokens is None:
        return "the request refers to more than its text, and the model's context window is not known"
    return "neither the request nor the table of prices limits the length of the answer"
