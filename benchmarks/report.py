"""Turns results into one readable table and a verdict against the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from benchmarks.formats import PAIRS
from benchmarks.results import Results, difference, ratio

SUBJECTS = ("direct", "nginx", "unigate", "envoy", "litellm")
CPU = "µs CPU"
FRONT = {"unigate": "door"}


@dataclass(frozen=True)
class Line:
    """One line of the table: which figure of which row, and how it is shown."""

    label: str
    unit: str
    row: str
    figure: str
    digits: int = 0
    by_role: bool = False
    added: bool = False


TABLE = (
    Line("small request", CPU, "small", "cpu_us", 1, by_role=True),
    Line("small request, eight limits", CPU, "small-limited", "cpu_us", 1, by_role=True),
    Line("small request, quickest upstream", CPU, "saturated", "cpu_us", 1, by_role=True),
    Line("small request, TLS upstream", CPU, "small-tls", "cpu_us", 1, by_role=True),
    Line("200 kB request", CPU, "large", "cpu_us", 1, by_role=True),
    Line("SSE event", CPU, "events", "cpu_us", 1, by_role=True),
    Line("SSE event, TLS upstream", CPU, "events-tls", "cpu_us", 1, by_role=True),
    Line("time to first event, p50", "ms", "events", "first_p50_ms", 2),
    Line("added latency alone, p50", "ms", "latency", "p50_ms", 2, added=True),
    Line("added latency alone, p99", "ms", "latency", "p99_ms", 2, added=True),
    Line("memory after start", "MB", "memory", "mb", 1, by_role=True),
    Line("memory per open stream", "kB", "streams", "kb", 1),
    Line("memory per open stream, TLS", "kB", "streams-tls", "kb", 1),
    Line("ready after", "s", "ready", "ready_s", 2),
)


SMALL = "translated"
TRANSLATED = (
    ("small request", Line("", CPU, SMALL, "cpu_us", 1, by_role=True)),
    ("SSE event", Line("", CPU, "translated-events", "cpu_us", 1, by_role=True)),
    ("state of a stream, short", Line("", "kB", "translated-state", "kb", 1)),
    ("state of a stream, long", Line("", "kB", "translated-state", "kb.long", 1)),
)
# Its client is told the whole answer once more at the end.
RESTATES = ("responses",)


def pairs_of(results: Results, row: str) -> list[str]:
    """The pairs of formats of which something was measured, or failed, in a row."""
    found = {**results.samples, **results.errors}
    return [pair for name in found for kind, _, pair in [name.partition(" ")] if kind == row and pair]


def translated_lines(results: Results) -> list[Line]:
    """A line for each figure of each pair of formats."""
    return [
        replace(line, label=f"{label}{_in_events(line.row, pair)}, {pair}", row=f"{line.row} {pair}")
        for label, line in TRANSLATED
        for pair in pairs_of(results, line.row)
    ]


def _in_events(row: str, pair: str) -> str:
    return " in events" if row == SMALL and PAIRS[pair].spoken.only_streams else ""


def figure(results: Results, line: Line, subject: str, role: str | None = None) -> float | None:
    """What a line says of a subject, or of one role of it."""
    name = f"{line.figure}.{role or FRONT.get(subject, 'proxy')}" if line.by_role else line.figure
    value = results.median(line.row, subject, name)
    return difference(value, results.median(line.row, "direct", name)) if line.added else value


def _shown(value: float | None, digits: int, mark: str = "") -> str:
    return "–" if value is None else f"{value:,.{digits}f}{mark}"


def _cells(results: Results, line: Line) -> list[str]:
    ours, base = figure(results, line, "unigate"), figure(results, line, "nginx")
    keeper = figure(results, line, "unigate", "keeper") if line.by_role else None
    times = ratio(ours, base) if line.unit == CPU else None
    peers = [_shown(figure(results, line, peer), line.digits) for peer in ("envoy", "litellm")]
    return [
        *(line.label, line.unit, _shown(base, line.digits), _shown(ours, line.digits), _shown(keeper, line.digits)),
        *(_shown(times, 2, "×"), *peers),
    ]


def render_table(results: Results, versions: dict[str, str]) -> str:
    """The table, with a column for each subject and the reasons for what is missing below it."""
    names = [f"{name} {versions.get(name, '')}".strip() for name in ("nginx", "door", "keeper")]
    peers = [f"{name} {versions.get(name, '')}".strip() for name in ("envoy", "litellm")]
    lines = (*TABLE, *translated_lines(results))
    measured = [line for line in lines if line.row in results.samples or line.row in results.errors]
    rows = [["", "", *names, "door/nginx", *peers], *(_cells(results, line) for line in measured)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    shown = [_aligned(row, widths) for row in rows]
    return "\n".join([shown[0], "─" * len(shown[0]), *shown[1:], *_reasons(results)])


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    left = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
    right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
    return "  ".join([*left, *right])


def _reasons(results: Results) -> list[str]:
    """One line for each reason, with the subjects and rows it holds for."""
    where: dict[tuple[str, str], list[str]] = {}
    for row, cells in results.errors.items():
        for subject, reason in cells.items():
            where.setdefault((subject, reason), []).append(row)
    return [f"{subject} ({', '.join(rows)}): {reason}" for (subject, reason), rows in where.items()]


@dataclass(frozen=True)
class Check:
    """One promise of the budget, and what was measured of it."""

    promise: str
    measured: float | None
    limit: float
    at_least: bool = False

    @property
    def verdict(self) -> str:
        if self.measured is None:
            return "not measured"
        holds = self.measured >= self.limit if self.at_least else self.measured <= self.limit
        return "holds" if holds else "missed"


@dataclass(frozen=True)
class _Reader:
    """Reads the figures that the budget speaks of."""

    results: Results

    def cost(self, row: str, subject: str) -> float | None:
        return self.results.median(row, subject, f"cpu_us.{FRONT.get(subject, 'proxy')}")

    def times(self, row: str) -> float | None:
        return ratio(self.cost(row, "unigate"), self.cost(row, "nginx"))

    def saved(self, peer: str, row: str = "small") -> float | None:
        return ratio(self.cost(row, peer), self.cost(row, "unigate"))

    def added(self, name: str) -> float | None:
        direct = self.results.median("latency", "direct", name)
        return difference(self.results.median("latency", "unigate", name), direct)


def _worst(promise: str, limit: float, values: dict[str, float | None]) -> Check:
    """The check of a promise about every pair of formats, by the one that comes nearest to breaking it."""
    known = {pair: value for pair, value in values.items() if value is not None}
    if not known or len(known) < len(values):
        return Check(promise, None, limit)
    pair = max(known, key=lambda one: known[one])
    return Check(f"{promise} ({pair})", known[pair], limit)


def judge_translated(results: Results) -> list[Check]:
    """The promises about calls between formats."""
    read, state = _Reader(results), "translated-state"

    def times(row: str) -> dict[str, float | None]:
        return {pair: read.times(f"{row} {pair}") for pair in pairs_of(results, row)}

    def small(*, in_events: bool) -> dict[str, float | None]:
        return {pair: value for pair, value in times(SMALL).items() if bool(_in_events(SMALL, pair)) is in_events}

    def held(name: str) -> dict[str, float | None]:
        pairs = [pair for pair in pairs_of(results, state) if not pair.startswith(RESTATES)]
        return {pair: results.median(f"{state} {pair}", "unigate", name) for pair in pairs}

    return [
        _worst("translated small request: door ÷ nginx", 5.0, small(in_events=False)),
        _worst("translated small request answered in events: door ÷ nginx", 10.0, small(in_events=True)),
        _worst("translated SSE event: door ÷ nginx", 3.0, times("translated-events")),
        _worst("kB per translated stream over one passed through", 8, held("kb.long")),
        _worst("kB by which that grows with the answer", 1, held("kb.grown")),
    ]


def judge(results: Results) -> list[Check]:
    """Every promise of the budget with its measured value."""
    read, median = _Reader(results), results.median
    return [
        *judge_translated(results),
        Check("small request: door ÷ nginx", read.times("small"), 2.5),
        Check("small request, eight limits: door ÷ nginx", read.times("small-limited"), 2.7),
        Check("small request, quickest upstream: door ÷ nginx", read.times("saturated"), 2.5),
        Check("200 kB request: door ÷ nginx", read.times("large"), 2.0),
        Check("SSE event: door ÷ nginx", read.times("events"), 1.5),
        Check("kB per open stream", median("streams", "unigate", "kb"), 20),
        Check("kB per open stream, TLS upstream", median("streams-tls", "unigate", "kb"), 80),
        Check("added latency alone, p50, ms", read.added("p50_ms"), 0.4),
        Check("added latency alone, p99, ms", read.added("p99_ms"), 1.0),
        Check("door after start, MB", median("memory", "unigate", "mb.door"), 60),
        Check("keeper after start, MB", median("memory", "unigate", "mb.keeper"), 120),
        Check("ready after, s", median("ready", "unigate", "ready_s"), 1.0),
        Check("small request: Envoy ÷ door", read.saved("envoy"), 1, at_least=True),
        Check("small request, quickest upstream: Envoy ÷ door", read.saved("envoy", "saturated"), 1, at_least=True),
        Check("small request: LiteLLM ÷ door", read.saved("litellm"), 100, at_least=True),
    ]


def render_verdict(checks: Sequence[Check]) -> str:
    """One line for each promise: holds or missed."""
    width = max(len(check.promise) for check in checks)
    return "\n".join(
        f"{check.promise.ljust(width)}  {'≥' if check.at_least else '≤'} {check.limit:<5g}"
        f" {_shown(check.measured, 2):>9}  {check.verdict}"
        for check in checks
    )


def as_json(checks: Sequence[Check]) -> list[dict[str, object]]:
    """The checks for the results file."""
    return [{**asdict(check), "verdict": check.verdict} for check in checks]
