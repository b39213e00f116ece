"""How a process speaks to its operator: events and fields on standard error, one line each."""

from __future__ import annotations

import logging
import sys

__all__ = ["LEVELS", "clean", "configure"]

LEVELS = ("debug", "info", "warning", "error")

# C0 and C1 controls, the separators that some log readers take for a new line, and what turns text around.
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    code: f"\\u{code:04x}" for code in (0x061C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
}


def clean(text: str) -> str:
    """One line of text without control characters, whoever wrote it."""
    return text.translate(_CONTROLS)


class _Line(logging.Formatter):
    """One event, one line; a traceback follows on lines of its own, cleaned like the rest."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{self.formatTime(record)} {record.levelname.lower():7} {clean(record.getMessage())}"
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            line += "".join("\n    " + clean(part) for part in trace.splitlines())
        return line


def configure(level: str) -> None:
    """Sends this process's events at `level` and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
