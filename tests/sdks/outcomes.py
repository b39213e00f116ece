"""Writes what became of each pair of a client and a provider into .cache/matrix, for scripts/matrix.py to read."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / ".cache" / "matrix"
# All workers of one run share this name; without workers the process is the run.
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))


def note(item: pytest.Item, report: pytest.TestReport) -> None:
    """Adds a finished case of the matrix to its pair's file, which holds the cases of one run only.

    `noticed` is how often the feature was taken out, each time with the promise found broken.
    """
    told = dict(item.user_properties)
    if report.when != "call" or "matrix" not in told:
        return
    pair, case = told["matrix"]
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{pair}.json").open("a+") as page:
        fcntl.flock(page, fcntl.LOCK_EX)
        page.seek(0)
        found = json.loads(page.read() or "{}")
        cases = found["cases"] if found.get("run") == RUN else {}
        outcome = told.get("outcome", "unproved") if report.outcome == "passed" else "failed"
        cases[case] = {"outcome": outcome, "noticed": told.get("noticed", 0)}
        page.truncate(0)
        page.write(json.dumps({"run": RUN, "cases": cases}, sort_keys=True))
