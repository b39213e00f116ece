"""How a process at the side gives way to the doors that share its core."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

__all__ = ["step_back", "unhurried"]

_Item = TypeVar("_Item")
# Where both want the same core, a call goes before its record: the door has written it down already.
_NICENESS = 10
# Seconds of work at a stretch, while few want the core and while many do.
_SHORT = 0.000_3
_LONG = 0.004
_NAP = 0.000_01
_CROWDED = 0.001


def unhurried(items: Iterable[_Item]) -> Iterator[_Item]:
    """The items one by one, in short pieces between which whoever else wants this core has it."""
    piece, began = _SHORT, time.perf_counter()
    for item in items:
        yield item
        if (now := time.perf_counter()) - began > piece:
            time.sleep(_NAP)
            began = time.perf_counter()
            # Who naps as often while others keep the core never gets done.
            piece = min(piece * 2, _LONG) if began - now > _CROWDED else _SHORT


def step_back() -> None:
    """Lets doors and the bank go before this thread; on Linux each has a niceness of its own."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
