"""Effort as words and as tokens."""

from __future__ import annotations

import pytest

from unigate.dialects.effort import budget_for, effort_for, takes_effort
from unigate.target import Quirks


def test_more_effort_is_more_tokens() -> None:
    words = ["none", "minimal", "low", "medium", "high", "xhigh", "max"]

    assert sorted(map(budget_for, words)) == [budget_for(word) for word in words]
    assert budget_for("none") == 0
    assert budget_for("heroic") == budget_for("medium")


@pytest.mark.parametrize(
    ("budget", "effort"),
    [(-1, "medium"), (0, "none"), (1024, "low"), (4096, "low"), (8192, "medium"), (16384, "high"), (31999, "high")],
)
def test_a_number_becomes_a_word_that_all_models_know(budget: int, effort: str) -> None:
    assert effort_for(budget) == effort


@pytest.mark.parametrize("word", ["none", "low", "medium", "high"])
def test_words_come_back(word: str) -> None:
    assert effort_for(budget_for(word)) == word


def test_a_model_that_is_known_not_to_think_takes_no_effort() -> None:
    some = Quirks(effort_models="^o[0-9]|gpt-5")

    assert [takes_effort(some, model) for model in ("o3", "gpt-5-mini", "gpt-4o")] == [True, True, False]
    assert takes_effort(Quirks(), "whatever")
