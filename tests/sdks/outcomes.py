"""Writes what became of each pair of a client and a provider into .cache/matrix, for scripts/matrix.py to read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / ".cache" / "matrix"


def note(item: pytest.Item, report: pytest.TestReport) -> None:
    """Adds a finished case of the matrix to the file of its pair."""
    place = dict(item.user_properties).get("matrix")
    if place is None or report.when != "call":
        return
    pair, case = place
    path = FOLDER / f"{pair}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    told = json.loads(path.read_text()) if path.exists() else {}
    told[case] = dict(item.user_properties).get("outcome", "green") if report.outcome == "passed" else "failed"
    path.write_text(json.dumps(told, indent=0, sort_keys=True))
