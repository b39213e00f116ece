"""What a run has measured so far, what it could not, and how long it took."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.load import Sample


@dataclass
class Results:
    """Samples by row and subject, and the reason for each that is missing."""

    samples: dict[str, dict[str, list[Sample]]] = field(default_factory=dict[str, dict[str, list[Sample]]])
    errors: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    began: float = field(default_factory=time.monotonic)

    def add(self, row: str, subject: str, sample: Sample) -> None:
        """Keeps one sample."""
        self.samples.setdefault(row, {}).setdefault(subject, []).append(sample)
        self.say(f"{row:28} {subject:8} {brief(sample)}")

    def fail(self, row: str, subject: str, reason: str) -> None:
        """Notes why a figure is missing, and withdraws what was measured of it."""
        reason = " ".join(reason.split())[:400]
        self.errors.setdefault(row, {})[subject] = reason
        self.samples.get(row, {}).pop(subject, None)
        self.say(f"{row:28} {subject:8} {reason[:120]}")

    def failed(self, row: str, subject: str) -> bool:
        """Whether a figure has already been given up."""
        return subject in self.errors.get(row, {})

    def median(self, row: str, subject: str, name: str) -> float | None:
        """The middle one of a figure's samples, or None without any."""
        values = [sample[name] for sample in self.samples.get(row, {}).get(subject, []) if name in sample]
        return statistics.median(values) if values else None

    def took_s(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.began

    def say(self, text: str) -> None:
        """One line of progress."""
        print(f"[{self.took_s():4.0f} s] {text}", file=sys.stderr, flush=True)


SHOWN = ("cpu_us", "p50_ms", "first_p50_ms", "mb", "kb", "ready_s")


def brief(sample: Sample) -> str:
    """A sample's telling figures on one line."""
    return "  ".join(f"{name}={value:.2f}" for name, value in sample.items() if name.partition(".")[0] in SHOWN)


def ratio(value: float | None, base: float | None) -> float | None:
    """How many times the base a value is, if both are known."""
    return value / base if value is not None and base else None


def difference(value: float | None, base: float | None) -> float | None:
    """How much more than the base a value is, if both are known."""
    return value - base if value is not None and base is not None else None


def as_rows(results: Results, subjects: Sequence[str]) -> dict[str, dict[str, object]]:
    """Every sample, median and reason, ready for JSON."""
    rows: dict[str, dict[str, object]] = {}
    for row in {**results.samples, **results.errors}:
        cells = rows.setdefault(row, {})
        for subject in subjects:
            samples = results.samples.get(row, {}).get(subject)
            if samples:
                medians = {name: results.median(row, subject, name) for name in samples[0]}
                cells[subject] = {"median": medians, "samples": samples}
        cells.update({subject: {"error": reason} for subject, reason in results.errors.get(row, {}).items()})
    return rows
