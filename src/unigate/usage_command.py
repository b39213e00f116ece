"""`unigate usage`: what was used, by day or by whatever is asked for, as a table with a sum."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence

import msgspec

from unigate.admission.terms import instant_of
from unigate.command_words import Words, run_command
from unigate.logs import clean
from unigate.operator_line import OperatorLine, Place
from unigate.tables import Paint, money, table

__all__ = ["usage"]

_DAY_NS = 86_400_000_000_000
_MOST = 10_000


class _Line(msgspec.Struct):
    group: dict[str, str | int]
    calls: int
    unpriced: int
    cost_nano: int
    input_tokens: int
    output_tokens: int


class _Usage(msgspec.Struct):
    data: tuple[_Line, ...]


def usage(place: Place, by: Sequence[str], days: int, environment: Mapping[str, str]) -> int:
    """Prints what was used in the last days, today counted; the exit code."""

    def act(line: OperatorLine) -> None:
        since = instant_of((time.time_ns() // _DAY_NS - days + 1) * _DAY_NS)
        content = line.ask("GET", "/usage", query={"group_by": tuple(by), "since": since, "limit": _MOST})
        lines = msgspec.json.decode(content, type=_Usage).data
        names = _names(line, by)
        paint = Paint(sys.stdout, environment.get("NO_COLOR", ""))
        print(_table(lines, by, names, say, paint) if lines else say("none", days=days))
        if any(one.unpriced for one in lines):
            print(paint(say("unpriced", count=sum(one.unpriced for one in lines)), 33), file=sys.stderr)

    say = Words(_TEXTS, environment)
    return run_command(place, "", act, say, needs_data=True)


class _Named(msgspec.Struct):
    id: str
    name: str


class _Page(msgspec.Struct):
    data: tuple[_Named, ...]


def _names(line: OperatorLine, by: Sequence[str]) -> dict[str, str]:
    """Names of what is told by its id; what was ended has none."""
    nouns = [f"/{noun}s" for noun in ("key", "project", "organisation") if noun in by]
    pages = (msgspec.json.decode(content, type=_Page) for noun in nouns for content in line.pages(noun))
    return {one.id: one.name for page in pages for one in page.data}


def _table(lines: Sequence[_Line], by: Sequence[str], names: Mapping[str, str], say: Words, paint: Paint) -> str:
    head = [*(say(name) for name in by), *say("head").split("\t")]
    rows = [[*(_group(name, line.group[name], names) for name in by), *_numbers(line)] for line in lines]
    total = _Line(
        {},
        sum(one.calls for one in lines),
        sum(one.unpriced for one in lines),
        sum(one.cost_nano for one in lines),
        sum(one.input_tokens for one in lines),
        sum(one.output_tokens for one in lines),
    )
    sums = [[say("sum"), *([""] * (len(by) - 1)), *_numbers(total)]]
    return table([head, *rows, *sums], right=range(len(by), len(head)), paint=paint)


def _numbers(line: _Line) -> list[str]:
    return [f"{line.calls:,}", f"{line.input_tokens:,}", f"{line.output_tokens:,}", money(line.cost_nano)]


def _group(name: str, value: str | int, names: Mapping[str, str]) -> str:
    text = str(value)
    if name == "day":
        return text[:10]
    return clean(names.get(text, text)) or "-"


_TEXTS = {
    "none": ("Nothing was used in the last {days} days.", "最近 {days} 天没有用量。"),
    "unpriced": (
        "{count} calls have no known price and are not in the sum; 'prices' in the configuration can say one.",
        "有 {count} 次调用价格未知，未计入合计；可在配置的 prices 中写明价格。",
    ),
    "head": ("CALLS\tINPUT\tOUTPUT\tCOST", "调用\t输入\t输出\t花费"),
    "sum": ("all", "合计"),
    "day": ("DAY", "日期"),
    "hour": ("HOUR", "小时"),
    "key": ("KEY", "密钥"),
    "project": ("PROJECT", "项目"),
    "organisation": ("ORGANISATION", "组织"),
    "model": ("MODEL", "模型"),
    "provider": ("PROVIDER", "服务商"),
    "status": ("STATUS", "状态"),
}
