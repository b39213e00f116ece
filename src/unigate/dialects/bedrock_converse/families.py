"""What Bedrock's families of models take beside what Converse says for all of them, by a model's name.

https://docs.aws.amazon.com/bedrock/latest/userguide/inference-reasoning.html, .../prompt-caching.html,
https://docs.aws.amazon.com/nova/latest/nova2-userguide/using-converse-api.html. A field that a family does not know is
a 400 there.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

__all__ = ["Family", "family_of"]


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """What the models of one family understand."""

    # How they are told to think: `claude`, `word` (OpenAI's), `nova`, or not at all.
    thinking: str = ""
    # Where top_k stands among the fields of the model's own: a path.
    top_k: tuple[str, ...] = ()
    # Whether they keep what a mark asks for, and refuse no request for it.
    caches: bool = False


_FAMILIES: tuple[tuple[re.Pattern[str], Family], ...] = (
    (re.compile("claude"), Family(thinking="claude", top_k=("top_k",), caches=True)),
    (re.compile("nova-2"), Family(thinking="nova", top_k=("inferenceConfig", "topK"), caches=True)),
    (re.compile("nova"), Family(top_k=("inferenceConfig", "topK"), caches=True)),
    (re.compile("gpt-oss"), Family(thinking="word")),
)
_OTHERS = Family()


@lru_cache(maxsize=1024)
def family_of(model: str) -> Family:
    """The family of a model; one whose address hides its name is taken as of none."""
    return next((family for name, family in _FAMILIES if name.search(model.lower())), _OTHERS)
