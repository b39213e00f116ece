"""What each generation of Claude models takes, by a model's name, wherever it is served.

https://platform.claude.com/docs/en/about-claude/models/migration-guide and
https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking. A wrong parameter is a 400 there.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

__all__ = ["Generation", "generation_of"]


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """What the models of one generation understand."""

    # `none`, `budget` (told in tokens), or `adaptive` (told as a word, the model decides how much).
    thinking: str = "budget"
    # Whether they think although nobody asked for it.
    thinks_unasked: bool = False
    # The word for more than `high`.
    most_effort: str = "xhigh"
    # How many of temperature and top_p may be set; with none of them, top_k must not be set either.
    samplers: int = 2
    # Whether an answer, or a strict tool's arguments, can be bound to a JSON Schema.
    schemas: bool = True


_NAME = re.compile(r"claude(?:-instant)?(?:-v?(\d)(?:-(\d)(?!\d))?)?(?:-[a-z]+)?(?:-(\d)(?!\d)(?:-(\d)(?!\d))?)?")
_NEWEST = (9, 0)
# From which version on; services that are not Anthropic's speak the format of 3.7, with schemas or without.
_GENERATIONS: tuple[tuple[tuple[int, int], Generation], ...] = (
    ((5, 0), Generation(thinking="adaptive", thinks_unasked=True, samplers=0)),
    ((4, 7), Generation(thinking="adaptive", samplers=0)),
    ((4, 6), Generation(thinking="adaptive", samplers=1, most_effort="max")),
    ((4, 1), Generation(samplers=1)),
    ((3, 7), Generation(schemas=False)),
    ((0, 0), Generation(thinking="none", schemas=False)),
)
_OTHERS = Generation()


@lru_cache(maxsize=1024)
def generation_of(model: str) -> Generation:
    """The generation of a model; a Claude without a number is the newest."""
    found = _NAME.search(re.sub(r"[.@_]", "-", model.lower()))
    if found is None:
        return _OTHERS
    major = found.group(1) or found.group(3)
    minor = found.group(2) if found.group(1) else found.group(4)
    version = (int(major), int(minor or 0)) if major else _NEWEST
    return next(one for least, one in _GENERATIONS if version >= least)
