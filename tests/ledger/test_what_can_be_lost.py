"""The page of what can be lost names tests that exist, in both languages the same; planted bugs are all listed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = ("what-can-be-lost.md", "what-can-be-lost.zh.md")
BUGS = ("contributing/planted-bugs.md", "contributing/planted-bugs.zh.md")
TEST = re.compile(r"`(test_\w+)`")


def named(page: str) -> set[str]:
    return set(TEST.findall((DOCS / page).read_text("utf-8")))


def existing() -> set[str]:
    texts = (path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    return {name for text in texts for name in re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE)}


@pytest.mark.parametrize("page", (*PAGES, *BUGS))
def test_every_test_that_the_page_names_exists(page: str) -> None:
    assert named(page)
    assert named(page) - existing() == set()


def test_both_languages_name_the_same_tests() -> None:
    assert named(PAGES[0]) == named(PAGES[1])
    assert named(BUGS[0]) == named(BUGS[1])


@pytest.mark.parametrize("page", BUGS)
def test_every_bug_is_listed(page: str) -> None:
    told = subprocess.run(
        [sys.executable, ROOT / "scripts" / "planted.py", "--list"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    names = re.findall(r"^([a-z-]+)\t", told.stdout, re.MULTILINE)
    assert len(names) >= 20
    assert re.findall(r"^\| `([a-z-]+)` \|", (DOCS / page).read_text("utf-8"), re.MULTILINE) == names
