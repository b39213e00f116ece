"""A pytest plugin: the option to do without recordings, and the count of those that were judged.

`tests/conftest.py` loads it with `pytest_plugins = ["recordings.option"]`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

__all__ = ["PROPERTY", "pytest_addoption", "pytest_terminal_summary"]

PROPERTY = "recordings judged"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--no-recordings`."""
    parser.addoption(
        "--no-recordings", action="store_true", help="skip what needs recorded exchanges when there are none"
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how many recordings were judged, also when the tests ran in other processes."""
    for count in _counts(terminalreporter):
        terminalreporter.write_line(f"{count} recorded exchanges were read again and compared with their facts")


def _counts(reporter: pytest.TerminalReporter) -> Iterator[object]:
    for outcome in ("passed", "failed"):
        for report in reporter.getreports(outcome):
            yield from (value for name, value in report.user_properties if name == PROPERTY)
