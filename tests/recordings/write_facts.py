"""Writes facts.jsonl anew from the recordings: `cd tests && python -m recordings.write_facts`.

A line is {"id", "api", "format", "kind": "stream" | "whole" | "error", "answer": {...}, "request"?: {...}, "odd"?:
"..."}. What stands in an answer and in a request is said in `reader/found.py`; what a format's numbers and words are
taken to mean, in the first lines of its reader. Texts are told by hash and length, JSON by the hash of its canonical
form (`reader/look.py`).

Read the difference before you commit it: the facts are what the translators are judged by.
"""

from __future__ import annotations

import json

from recordings.reader.judge import judge
from recordings.replay import FACTS, load

__all__ = ["lines", "main"]


def lines() -> list[str]:
    """One line per recording, in the order of their ids."""
    return [json.dumps(judge(recording), ensure_ascii=False) for recording in load()]


def main() -> None:
    """Replaces the file, unless there is nothing to read."""
    written = lines()
    if not written:
        raise SystemExit("No recordings were found: set UNIGATE_TRAFFIC to their folder.")
    FACTS.write_text("".join(f"{line}\n" for line in written), encoding="utf-8")
    print(f"{FACTS}: {len(written)} recordings")


if __name__ == "__main__":
    main()
