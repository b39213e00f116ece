"""How hard a model should think: as a word, and as a number of tokens.

The numbers are ours, for no two services agree on them: every model that takes a budget takes one from 1024 to 24576
(Anthropic's least, and the most of Gemini 2.5 Flash).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from unigate.target import Quirks

__all__ = ["budget_for", "effort_for", "takes_effort"]

_BUDGETS: Final[Mapping[str, int]] = {
    "none": 0,
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 24576,
    "max": 32768,
}
# `minimal` and `xhigh` are known to few models, so that no number becomes one of them.
_UP_TO: Final[tuple[tuple[int, str], ...]] = ((0, "none"), (4096, "low"), (12288, "medium"))


def budget_for(effort: str) -> int:
    """The tokens that a word stands for; an unknown word is taken as `medium`."""
    return _BUDGETS.get(effort, _BUDGETS["medium"])


def effort_for(budget: int) -> str:
    """The nearest word that all reasoning models know; a budget below nothing, which leaves it open, is `medium`."""
    if budget < 0:
        return "medium"
    return next((word for most, word in _UP_TO if budget <= most), "high")


@lru_cache(maxsize=1024)
def takes_effort(quirks: Quirks, model: str) -> bool:
    """Whether a model may be told how hard to think: one that does not reason refuses it."""
    return not quirks.effort_models or re.search(quirks.effort_models, model) is not None
