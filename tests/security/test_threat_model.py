"""The threat model names for each promise a test that exists, the same in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def named(page: str) -> list[str]:
    return re.findall(r"`(tests/[^`]+)`", (ROOT / "docs" / page).read_text("utf-8"))


@pytest.mark.parametrize("place", sorted(set(named("threat-model.md"))))
def test_a_promise_names_a_test_that_exists(place: str) -> None:
    file, _, function = place.partition("::")

    assert f"def {function}" in (ROOT / file).read_text("utf-8")


def test_both_languages_promise_the_same() -> None:
    assert named("threat-model.md") == named("threat-model.zh.md")
