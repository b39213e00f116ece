"""How hard a model should think: as a word, and as a number of tokens."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["budget_for", "effort_for"]

_BUDGETS: Mapping[str, int] = {
    "none": 0,
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 24576,
    "xhigh": 32768,
    "max": 65536,
}


def budget_for(effort: str) -> int:
    """The tokens that a word stands for; an unknown word is taken as `medium`."""
    return _BUDGETS.get(effort, _BUDGETS["medium"])


def effort_for(budget: int) -> str:
    """The least word that stands for at least so many tokens."""
    return next((effort for effort, tokens in _BUDGETS.items() if tokens >= budget), "xhigh")
