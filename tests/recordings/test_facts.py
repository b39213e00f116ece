"""The committed facts are what a careful reader finds in the recordings, and they copy none of what was said."""

from __future__ import annotations

import json
from collections.abc import Callable

from recordings.option import PROPERTY
from recordings.reader.judge import judge
from recordings.replay import FACTS, Json, Recording, facts

# Names, ids and reasons are one word, and none is longer; this one says what arguments are.
LONGEST_NAME = 100
PHRASES = {"not JSON"}
NEWS = "Read the difference, then run: cd tests && python -m recordings.write_facts"


def test_the_facts_are_what_the_recordings_hold(
    recorded: list[Recording], record_property: Callable[[str, object], None]
) -> None:
    record_property(PROPERTY, len(recorded))
    committed = facts()

    read = {recording.id: judge(recording) for recording in recorded}

    changed = [name for name in {*read, *committed} if read.get(name) != committed.get(name)]
    assert changed == [], NEWS


def test_no_request_and_no_answer_is_left_out(recorded: list[Recording]) -> None:
    committed = facts()

    without_answer = [recording.id for recording in recorded if "answer" not in committed[recording.id]]
    without_request = [
        recording.id
        for recording in recorded
        if (recording.request is not None) != ("request" in committed[recording.id])
    ]

    assert (without_answer, without_request) == ([], [])


def test_the_facts_copy_nothing_that_was_said() -> None:
    assert FACTS.stat().st_size < 1_000_000
    for fact in facts().values():
        words = [word for word in strings({**fact, "odd": None}) if word not in PHRASES]
        assert [word for word in words if " " in word or len(word) > LONGEST_NAME] == [], fact["id"]


def test_the_lines_are_sorted_and_stand_alone() -> None:
    names = [json.loads(line)["id"] for line in FACTS.read_text(encoding="utf-8").splitlines()]

    assert names == sorted(set(names))


def strings(value: Json) -> list[str]:
    """All strings in it, the keys of objects included."""
    if isinstance(value, dict):
        return [*value, *(text for element in value.values() for text in strings(element))]
    if isinstance(value, list):
        return [text for element in value for text in strings(element)]
    return [value] if isinstance(value, str) else []
