"""`python -m benchmarks`: measures Unigate beside nginx and its peers, prints one table and a verdict."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import FrameType

import msgspec

from benchmarks import machine, report
from benchmarks.formats import PAIRS
from benchmarks.lab import ROWS, Effort, Lab
from benchmarks.peers import install_peers
from benchmarks.processes import BenchError, choose_cores, raise_file_limit
from benchmarks.results import Results, as_rows
from benchmarks.subjects import ROOT, Place, make_certificates

FULL = Effort(
    turns=7, turn_seconds=1, rounds=3, seconds=4, streams=5000, starts=3, peers=True,
    pair_rounds=2, pair_seconds=2, pair_streams=200,
)  # fmt: skip
QUICK = Effort(
    turns=2, turn_seconds=1, rounds=1, seconds=2, streams=500, starts=1, peers=False,
    pair_rounds=1, pair_seconds=1, pair_streams=100,
)  # fmt: skip
QUICK_PAIRS = ("chat-anthropic", "anthropic-chat")


def parse(arguments: list[str]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("command", nargs="?", choices=("run", "install-peers"), default="run")
    parser.add_argument("--quick", action="store_true", help="a minute and a half, without peers, for development")
    parser.add_argument("--only", action="append", choices=ROWS, metavar="ROW", help=f"measure only: {', '.join(ROWS)}")
    pairs = ", ".join(PAIRS)
    parser.add_argument("--pair", action="append", choices=(*PAIRS, "all"), metavar="PAIR", help=f"all, or of: {pairs}")
    parser.add_argument("--no-peers", action="store_true", help="leave Envoy and LiteLLM out")
    return parser.parse_args(arguments)


def chosen_effort(options: argparse.Namespace) -> Effort:
    """How much a run measures."""
    if options.quick:
        return QUICK
    return replace(FULL, peers=False) if options.no_peers else FULL


def measure(options: argparse.Namespace, effort: Effort) -> Results:
    """Runs everything wanted in a folder that is removed afterwards."""
    machine.require_tools()
    raise_file_limit()
    folder = Path(tempfile.mkdtemp(prefix="unigate-bench-"))
    results = Results()
    named = options.pair or (QUICK_PAIRS if options.quick else PAIRS)
    pairs = PAIRS if "all" in named else named
    wanted, place = frozenset(options.only or ROWS), Place(folder, choose_cores())
    try:
        make_certificates(folder)
        Lab(place, effort, wanted, [PAIRS[name] for name in pairs], results).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return results


def keep(found: dict[str, object], *, whole: bool) -> Path:
    """Writes a whole run beside the earlier ones, a partial one where git does not look."""
    folder = ROOT / "benchmarks" / "results" if whole else ROOT / ".cache" / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{time.strftime('%Y-%m-%d')}-{found['commit']}" if whole else "last"
    path = folder / f"{name}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    return path


def run(options: argparse.Namespace) -> int:
    """Measures, prints, keeps; 1 if any figure is missing for an error of ours."""
    effort = chosen_effort(options)
    commit, versions = machine.commit(), machine.versions()
    results = measure(options, effort)
    whole = not (options.only or options.pair or options.quick)
    limit_s = 900 if effort.peers else 720
    checks = [*report.judge(results), report.Check("whole run, s", results.took_s() if whole else None, limit_s)]
    found: dict[str, object] = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "commit": commit,
        "machine": machine.describe(),
        "versions": versions,
        "effort": effort.__dict__,
        "took_s": round(results.took_s(), 1),
        "checks": report.as_json(checks),
        "rows": as_rows(results, report.SUBJECTS),
    }
    path = keep(found, whole=whole)
    print(f"\nUnigate {commit} on {', '.join(f'{name} {value}' for name, value in machine.describe().items())}\n")
    print(report.render_table(results, versions))
    print(f"\n{report.render_verdict(checks)}\n\ntook {results.took_s():.0f} s; every sample: {path}")
    ours = ("nginx", "unigate", "direct")
    return int(any(subject in ours for cells in results.errors.values() for subject in cells))


def _leave(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def main() -> int:
    """The command line's entry."""
    options = parse(sys.argv[1:])
    # A terminated run must still end what it started.
    signal.signal(signal.SIGTERM, _leave)
    try:
        if options.command == "install-peers":
            install_peers()
            return 0
        return run(options)
    except BenchError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
