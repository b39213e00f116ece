"""Writes what became of each pair of a client and a provider into .cache/matrix, for scripts/matrix.py to read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".cache" / "matrix"


@dataclass(frozen=True)
class Outcome:
    """What became of one case: `green`, `dropped`, `refused` or `failed`.

    `noticed` is how often the feature was taken out, each time with the promise found broken.
    """

    outcome: str
    noticed: int = 0


def note(pair: str, cases: Mapping[str, Outcome]) -> None:
    """Keeps all cases of one pair."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    told = {case: asdict(outcome) for case, outcome in cases.items()}
    (FOLDER / f"{pair}.json").write_text(json.dumps({"cases": told}, indent=0, sort_keys=True))
