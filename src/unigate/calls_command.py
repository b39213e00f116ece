"""`unigate calls`: the latest calls as a table, the next ones as they come, or one of them whole."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Mapping, Sequence
from itertools import takewhile
from urllib.parse import quote

import msgspec

from unigate.command_words import Words, run_command
from unigate.logs import clean
from unigate.operator_line import OperatorLine, Place
from unigate.tables import Paint, money, table

__all__ = ["CallsWanted", "one", "several"]

_PAGE = 1000
_LOOK_S = 1.0
_RED, _YELLOW, _FAINT = 31, 33, 2


class CallsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls; the key and the project by id or name."""

    key: str | None = None
    project: str | None = None
    model: str | None = None
    provider: str | None = None
    errors: bool = False
    count: int = 20
    follow: bool = False


class _Line(msgspec.Struct):
    id: str
    at: str
    at_ns: int
    operation: str
    status: int
    end: str
    name: str | None
    model: str | None
    provider: str | None
    target: str | None
    total_us: int
    input_tokens: int | None
    output_tokens: int | None
    cost_nano: int | None
    error: str | None


class _Page(msgspec.Struct):
    data: tuple[_Line, ...]
    next: str | None = None


class _Named(msgspec.Struct):
    id: str
    name: str


class _Names(msgspec.Struct):
    data: tuple[_Named, ...]


def several(place: Place, wanted: CallsWanted, environment: Mapping[str, str]) -> int:
    """Prints the latest calls, the newest last, and goes on with what comes if asked; the exit code."""

    def act(line: OperatorLine) -> None:
        query = {
            "key_id": _id(line, "keys", wanted.key),
            "project": _id(line, "projects", wanted.project),
            "model": wanted.model,
            "provider": wanted.provider,
        }
        lines = _latest(line, query, wanted)
        paint = Paint(sys.stdout, environment.get("NO_COLOR", ""))
        print(_table(lines, say, paint) if lines else say("none"), flush=True)
        if wanted.follow:
            _follow(line, query, wanted, lines, paint)

    say = Words(_TEXTS, environment)
    try:
        return run_command(place, "", act, say, needs_data=True)
    except KeyboardInterrupt:
        return 130


def one(place: Place, id: str, bodies: bool, environment: Mapping[str, str]) -> int:
    """Prints everything that is known of a call; the exit code."""

    def act(line: OperatorLine) -> None:
        query = {"bodies": "true"} if bodies else None
        told = msgspec.json.decode(line.ask("GET", f"/calls/{quote(id, safe='')}", query=query), type=dict[str, object])
        rows = [[name, _shown(name, value)] for name, value in told.items() if value not in (None, [], "", False)]
        paint = Paint(sys.stdout, environment.get("NO_COLOR", ""))
        width = max(len(row[0]) for row in rows)
        for name, value in rows:
            print(paint(name.ljust(width), _FAINT) + "  " + value.replace("\n", "\n" + " " * (width + 2)))

    say = Words(_TEXTS, environment)
    return run_command(place, id, act, say, needs_data=True)


def _latest(line: OperatorLine, query: Mapping[str, str | None], wanted: CallsWanted) -> list[_Line]:
    """The latest calls that are wanted, the oldest first."""
    found: list[_Line] = []
    after: str | None = None
    while len(found) < wanted.count:
        size = _PAGE if wanted.errors else min(_PAGE, wanted.count - len(found))
        page = msgspec.json.decode(
            line.ask("GET", "/calls", query={**query, "after": after, "limit": size}), type=_Page
        )
        found += [one for one in page.data if _is_wanted(one, wanted)]
        after = page.next
        if after is None:
            break
    return found[: wanted.count][::-1]


def _follow(
    line: OperatorLine, query: Mapping[str, str | None], wanted: CallsWanted, seen: Sequence[_Line], paint: Paint
) -> None:
    """Prints calls as their records arrive; ends with Ctrl-C."""
    known = {one.id for one in seen}
    widths = [20, 8, 12, 20, 12]
    is_first = True
    while True:
        time.sleep(_LOOK_S)
        page = msgspec.json.decode(line.ask("GET", "/calls", query={**query, "limit": _PAGE}), type=_Page)
        found = _newer(page.data, known) if is_first else page.data
        is_first = False
        for one in reversed(found):
            if one.id not in known and _is_wanted(one, wanted):
                cells = [cell.ljust(width) for cell, width in zip(_row(one, paint), widths, strict=False)]
                print("  ".join([*cells, *_row(one, paint)[len(widths) :]]), flush=True)
        known = {one.id for one in page.data}


def _newer(lines: Sequence[_Line], known: Collection[str]) -> Sequence[_Line]:
    """Those above the ones that were printed; below them are older ones."""
    return list(takewhile(lambda one: one.id not in known, lines))


def _is_wanted(line: _Line, wanted: CallsWanted) -> bool:
    return not wanted.errors or line.status >= 400 or line.end != "ok"


def _id(line: OperatorLine, noun: str, word: str | None) -> str | None:
    """The id of the key or project of that id or name; the word itself if there is none, for what was ended."""
    if word is None:
        return None
    pages = (msgspec.json.decode(content, type=_Names) for content in line.pages("/" + noun))
    return next((one.id for page in pages for one in page.data if word in (one.id, one.name)), word)


def _table(lines: Sequence[_Line], say: Words, paint: Paint) -> str:
    text = table([say("head").split("\t"), *(_row(one, None) for one in lines)], right=(5, 6, 7, 8))
    head, *rows = text.split("\n")
    return "\n".join([paint(head, 1), *(_coloured(row, one, paint) for row, one in zip(rows, lines, strict=True))])


def _coloured(text: str, line: _Line, paint: Paint) -> str:
    if line.status >= 500 or line.end not in ("ok", "refused"):
        return paint(text, _RED)
    return paint(text, _YELLOW) if line.status >= 400 else text


def _row(line: _Line, paint: Paint | None) -> list[str]:
    place = f"{line.provider}/{line.target}" if line.provider is not None else "-"
    status = str(line.status) if line.status else line.end
    return [
        time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line.at_ns / 1_000_000_000)),
        status if paint is None or line.status < 400 else paint(status, _RED),
        clean(line.name or "-"),
        clean(line.model or line.operation),
        clean(place),
        f"{line.input_tokens:,}" if line.input_tokens is not None else "-",
        f"{line.output_tokens:,}" if line.output_tokens is not None else "-",
        f"{line.total_us / 1000:,.0f} ms",
        money(line.cost_nano) if line.provider is not None else "-",
        line.error or "",
        line.id,
    ]


def _shown(name: str, value: object) -> str:
    if name in ("cost_nano", "held_nano"):
        return f"{value} ({money(int(str(value)))})"
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return "\n".join(clean(_text(one)) for one in msgspec.convert(value, list[object]))
    return str(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


_TEXTS = {
    "none": ("There are no such calls.", "没有这样的调用。"),
    "no_such_id": ("There is no call with the id '{name}'.", "没有编号为“{name}”的调用。"),
    "head": (
        "TIME\tSTATUS\tKEY\tMODEL\tAT\tINPUT\tOUTPUT\tTOOK\tCOST\tERROR\tID",
        "时间\t状态\t密钥\t模型\t目标\t输入\t输出\t用时\t花费\t错误\t编号",
    ),
}
