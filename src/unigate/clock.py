"""The clocks that are passed in wherever something depends on time, so that a test can hold them."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Wall", "wall"]

Wall = Callable[[], int]
"""Nanoseconds since 1970-01-01 UTC; may jump, so it dates things and never times them."""

wall: Wall = time.time_ns
