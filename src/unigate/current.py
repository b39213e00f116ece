"""Which snapshot holds now: one place, into which a door puts the next, and where each call looks once."""

from __future__ import annotations

from unigate.snapshot import Snapshot

__all__ = ["Current"]


class Current:
    """The snapshot of this moment."""

    __slots__ = ("snapshot",)

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
