"""What each generation of Claude models takes, under all the names it goes by."""

from __future__ import annotations

import pytest

from unigate.dialects.claude import Generation, generation_of

OLD = Generation(thinking="none", schemas=False)
FIRST_TO_THINK = Generation(schemas=False)
ONE_SAMPLER = Generation(samplers=1)
ADAPTIVE = Generation(thinking="adaptive", samplers=1, most_effort="max")
WITHOUT_SAMPLERS = Generation(thinking="adaptive", samplers=0)
NEWEST = Generation(thinking="adaptive", samplers=0, thinks_unasked=True)
NOT_CLAUDE = Generation()


@pytest.mark.parametrize(
    ("name", "generation"),
    [
        ("claude-2.1", OLD),
        ("anthropic.claude-instant-v1", OLD),
        ("claude-3-opus-20240229", OLD),
        ("anthropic/claude-3.5-haiku", OLD),
        ("claude-3-7-sonnet-20250219", FIRST_TO_THINK),
        ("claude-sonnet-4-20250514", FIRST_TO_THINK),
        ("claude-opus-4@20250514", FIRST_TO_THINK),
        ("claude-opus-4-1-20250805", ONE_SAMPLER),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", ONE_SAMPLER),
        ("claude-haiku-4-5", ONE_SAMPLER),
        ("us.anthropic.claude-opus-4-6-v1", ADAPTIVE),
        ("anthropic/claude-4.7-opus", WITHOUT_SAMPLERS),
        ("claude-opus-4-8", WITHOUT_SAMPLERS),
        ("claude-opus-5", NEWEST),
        ("claude-haiku-5-5", NEWEST),
        ("claude-mythos-preview", NEWEST),
        ("kimi-k2-thinking", NOT_CLAUDE),
    ],
)
def test_the_generation_is_told_by_the_name(name: str, generation: Generation) -> None:
    assert generation_of(name) == generation
