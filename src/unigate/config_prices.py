"""The operator's own prices in a configuration, judged by line."""

from __future__ import annotations

from collections.abc import Iterator

from unigate.config import PriceSettings, TierSettings
from unigate.config_nodes import Fields, Node, Problems
from unigate.config_shape import part
from unigate.routing.table import nearest
from unigate.tier import is_tier

__all__ = ["judge_prices"]


def judge_prices(section: Fields, providers: list[str], problems: Problems) -> Iterator[tuple[str, PriceSettings]]:
    """The prices of a file; what is wrong with them goes to the problems."""
    for place, node in section.entries.items():
        path = f"prices.{place}"
        _check_place(place, section.line_of(place), providers, problems)
        settings = part(node, PriceSettings, path, problems)
        if settings is None:
            continue
        _check_long(settings, node, path, problems)
        for name, tier in settings.tiers.items():
            _check_tier(name, tier, _below(_below(node, "tiers"), name), f"{path}.tiers.{name[:60]}", problems)
        yield place, settings


def _below(node: Node, name: str) -> Node:
    return node.entries.get(name, node) if isinstance(node, Fields) else node


def _check_tier(name: str, settings: TierSettings, node: Node, path: str, problems: Problems) -> None:
    if not all(map(is_tier, name.split("+"))):
        words = "must be a tier's name, such as 'flex' or 'priority', and not that of the ordinary one"
        problems.add(node.line, f"{path}: {words}")
    _check_long(settings, node, path, problems)


def _check_long(settings: TierSettings, node: Node, path: str, problems: Problems) -> None:
    if (settings.long is None) != (settings.long_from is None):
        given, missing = ("long_from", "long") if settings.long is None else ("long", "long_from")
        line = node.line_of(given) if isinstance(node, Fields) else node.line
        problems.add(line, f"{path}.{given}: is of no use without '{missing}'")


def _check_place(place: str, line: int, providers: list[str], problems: Problems) -> None:
    provider, slash, model = place.partition("/")
    if not slash or not provider or not model or not place.isprintable():
        problems.add(line, f"prices: '{place[:60]}' must be 'provider/model', such as 'openai/gpt-4o' or 'local/*'")
    elif "*" not in provider and provider not in providers:
        problems.add(line, f"prices.{place}: no provider '{provider}' is configured{nearest(provider, providers)}")
