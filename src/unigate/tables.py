"""Tables for people: columns as wide as they look, in any script, and colours only where somebody sees them."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from decimal import Decimal
from typing import TextIO

from unigate.price import NANO

__all__ = ["Paint", "money", "table", "whole_money"]

_SHORTEST = Decimal("0.01")


class Paint:
    """Colours a word if the output is a terminal and nobody asked for plain text (https://no-color.org)."""

    def __init__(self, output: TextIO, no_color: str) -> None:
        self._is_on = output.isatty() and not no_color

    def __call__(self, text: str, colour: int) -> str:
        """The text in one of the terminal's colours (31 red, 32 green, 33 yellow, 2 faint, 1 bold)."""
        return f"\x1b[{colour}m{text}\x1b[0m" if self._is_on and text else text


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), paint: Paint | None = None) -> str:
    """Rows, the first of them the head, as lines; the columns in `right` hold numbers."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            _padded(cell, width, place in right) for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    lines = [line.rstrip() for line in lines]
    if paint is not None:
        lines[0] = paint(lines[0], 1)
    return "\n".join(lines)


def money(nano: int | None) -> str:
    """An amount as dollars: whole cents, or as many places as a small amount needs; `?` is unknown."""
    if nano is None:
        return "?"
    dollars = Decimal(nano) / NANO
    if dollars == 0 or abs(dollars) >= _SHORTEST:
        return f"${dollars:,.2f}"
    return f"${dollars:.9f}".rstrip("0")


def whole_money(nano: int) -> str:
    """An amount as dollars, to its last place: what is promised is not rounded."""
    places = f"{Decimal(nano) / NANO:,.9f}".rstrip("0")
    return "$" + places.ljust(places.index(".") + 3, "0")


def _width(text: str) -> int:
    """Columns on a terminal: a Chinese character takes two, a mark above another one none."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def _padded(text: str, width: int, is_number: bool) -> str:
    gap = " " * (width - _width(text))
    return gap + text if is_number else text + gap
