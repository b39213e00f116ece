"""What each generation of Gemini's models understands, by the model's name."""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache

__all__ = ["Generation", "generation_of", "is_pro"]


class Generation(Enum):
    """How a model is told to think: not at all, with a budget of tokens, or with a level."""

    PLAIN = "plain"
    BUDGETS = "budgets"
    LEVELS = "levels"


# Level and budget exclude each other, and either is refused by the models before it:
# https://ai.google.dev/gemini-api/docs/thinking
_PLAIN = re.compile(r"gemini-(?:1\.|2\.0|exp|pro-vision)|gemma|learnlm")
_BUDGETS = re.compile(r"gemini-2|gemini-robotics-er-1")


@lru_cache(maxsize=1024)
def generation_of(model: str) -> Generation:
    """The generation of a model; a name that tells none is taken for one of the newest."""
    if _PLAIN.search(model):
        return Generation.PLAIN
    return Generation.BUDGETS if _BUDGETS.search(model) else Generation.LEVELS


def is_pro(model: str) -> bool:
    """Whether a model cannot be kept from thinking."""
    return "pro" in model.split("-")
