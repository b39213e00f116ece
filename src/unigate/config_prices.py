"""The operator's own prices in a configuration, judged by line."""

from __future__ import annotations

from collections.abc import Iterator

from unigate.config import PriceSettings
from unigate.config_nodes import Fields, Problems
from unigate.config_shape import part
from unigate.routing.table import nearest

__all__ = ["judge_prices"]


def judge_prices(section: Fields, providers: list[str], problems: Problems) -> Iterator[tuple[str, PriceSettings]]:
    """The prices of a file; what is wrong with them goes to the problems."""
    for place, node in section.entries.items():
        path = f"prices.{place}"
        _check_place(place, section.line_of(place), providers, problems)
        settings = part(node, PriceSettings, path, problems)
        if settings is None:
            continue
        if (settings.long is None) != (settings.long_from is None):
            given, missing = ("long_from", "long") if settings.long is None else ("long", "long_from")
            line = node.line_of(given) if isinstance(node, Fields) else node.line
            problems.add(line, f"{path}.{given}: is of no use without '{missing}'")
        yield place, settings


def _check_place(place: str, line: int, providers: list[str], problems: Problems) -> None:
    provider, slash, model = place.partition("/")
    if not slash or not provider or not model or not place.isprintable():
        problems.add(line, f"prices: '{place[:60]}' must be 'provider/model', such as 'openai/gpt-4o' or 'local/*'")
    elif "*" not in provider and provider not in providers:
        problems.add(line, f"prices.{place}: no provider '{provider}' is configured{nearest(provider, providers)}")
