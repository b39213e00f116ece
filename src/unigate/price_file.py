"""The table of prices that comes with the package."""

from __future__ import annotations

from importlib import resources

from unigate.accounting.prices import PriceTable, parse_prices

__all__ = ["load_prices"]


def load_prices() -> PriceTable:
    """All of it, which is much more than one gateway's providers need."""
    return parse_prices(resources.files("unigate.accounting").joinpath("prices.json").read_bytes())
