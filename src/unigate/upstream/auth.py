"""How a provider wants its key: a header, chosen by the row and sent only to that provider's own address."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from unigate.secret import Secret

__all__ = ["AUTH"]

AUTH: Mapping[str, Callable[[Secret], tuple[str, str] | None]] = {
    "bearer": lambda key: ("authorization", f"Bearer {key.reveal()}") if key else None,
    "x-api-key": lambda key: ("x-api-key", key.reveal()),
    "azure-key": lambda key: ("api-key", key.reveal()),
    "x-goog-api-key": lambda key: ("x-goog-api-key", key.reveal()),
    "none": lambda key: None,
}
"""The header of each scheme."""
