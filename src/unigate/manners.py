"""How a process at the side gives way to the doors that share its core."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TypeVar

__all__ = ["unhurried"]

_Item = TypeVar("_Item")
_AT_A_TIME = 64


def unhurried(items: Iterable[_Item]) -> Iterator[_Item]:
    """The items one by one; every few of them, a door that waits for this core goes first."""
    for number, item in enumerate(items):
        if number % _AT_A_TIME == 0:
            # Linux takes a core from whoever only computes at the next tick, up to 4 ms later; a system call is sooner.
            os.sched_yield()
        yield item
