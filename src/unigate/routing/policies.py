"""In which order a route's targets are tried: pure functions from targets to an order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from unigate.target import Target

__all__ = ["POLICIES", "Policy"]

Policy = Callable[[tuple[Target, ...], Random], tuple[Target, ...]]


def ordered(targets: tuple[Target, ...], random: Random) -> tuple[Target, ...]:
    """As the operator listed them."""
    return targets


def weighted(targets: tuple[Target, ...], random: Random) -> tuple[Target, ...]:
    """Drawn without replacement, each with a chance in proportion to its weight."""
    # Efraimidis and Spirakis: sorting by u^(1/w) draws a weighted order in one pass.
    return tuple(sorted(targets, key=lambda target: random.random() ** (1 / target.weight), reverse=True))


POLICIES: Mapping[str, Policy] = {"ordered": ordered, "weighted": weighted}
