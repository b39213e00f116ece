"""`unigate keys`: makes, lists, rotates and revokes keys, through the running gateway or, with none running, alone."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import msgspec

from unigate.command_words import Words
from unigate.errors import Refusal, StorageError
from unigate.logs import clean
from unigate.operator_line import NoAnswer, OperatorLine, has_data, open_line
from unigate.tables import Paint, money, table

__all__ = ["KeyWanted", "LimitsWanted", "create", "limits_from", "list_", "revoke", "rotate", "wanted_from"]

_PAGE = 1000


class LimitsWanted(msgspec.Struct, frozen=True, omit_defaults=True):
    """Limits as the command line takes them; what is left out is not limited."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None
    budget_usd_per_day: float | None = None
    budget_usd_per_month: float | None = None
    budget_usd_total: float | None = None


class KeyWanted(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A key as the command line asks for it; the project by id or name."""

    name: str
    role: str = "client"
    project: str | None = None
    models: Sequence[str] | None = None
    limits: LimitsWanted = LimitsWanted()
    expires: str | None = None
    addresses: Sequence[str] | None = None
    tags: dict[str, str] = {}
    scopes: Sequence[str] | None = None
    confined_to: str | None = None


def limits_from(choices: argparse.Namespace) -> LimitsWanted:
    """The limits that were given on the command line."""
    return LimitsWanted(
        choices.requests_per_minute,
        choices.tokens_per_minute,
        choices.concurrency,
        choices.budget_day,
        choices.budget_month,
        choices.budget_total,
    )


def wanted_from(choices: argparse.Namespace) -> KeyWanted:
    """The key that was asked for on the command line."""
    return KeyWanted(
        name=choices.name,
        role=choices.role,
        project=choices.project,
        models=choices.models,
        limits=limits_from(choices),
        expires=choices.expires,
        addresses=choices.addresses,
        tags={name: value for name, _, value in (tag.partition("=") for tag in choices.tags)},
        scopes=choices.scopes,
        confined_to=choices.confined_to,
    )


class _Group(msgspec.Struct):
    id: str
    name: str


class _Line(msgspec.Struct):
    id: str
    name: str
    role: str
    project: str | None
    models: tuple[str, ...] | None
    limits: LimitsWanted
    expires: str | None
    source: str
    created: int | None


class _Made(msgspec.Struct):
    id: str
    name: str
    key: str


class _Keys(msgspec.Struct):
    data: tuple[_Line, ...]
    next: str | None = None


class _Groups(msgspec.Struct):
    data: tuple[_Group, ...]
    next: str | None = None


def create(data: Path, wanted: KeyWanted, environment: Mapping[str, str]) -> int:
    """Makes a key: its text alone goes to standard output, so that a script can keep it; the exit code."""

    def act(line: OperatorLine) -> None:
        told = wanted
        if wanted.project is not None:
            told = msgspec.structs.replace(told, project=_group(line, wanted.project, ("projects",)))
        if wanted.confined_to is not None:
            told = msgspec.structs.replace(
                told, confined_to=_group(line, wanted.confined_to, ("projects", "organisations"))
            )
        made = msgspec.json.decode(line.ask("POST", "/keys", told), type=_Made)
        print(say("made", name=made.name, id=made.id), file=sys.stderr, flush=True)
        print(made.key, flush=True)

    say = Words(_TEXTS, environment)
    return _run(data, wanted.name, act, say)


def list_(data: Path, environment: Mapping[str, str]) -> int:
    """Prints all keys as a table; the exit code."""

    def act(line: OperatorLine) -> None:
        lines = _lines(line)
        names = {one.id: one.name for one in _groups(line, "projects")} if lines else {}
        paint = Paint(sys.stdout, environment.get("NO_COLOR", ""))
        print(
            table([say("head").split("\t"), *(_row(one, names, say) for one in lines)], paint=paint)
            if lines
            else say("none")
        )

    say = Words(_TEXTS, environment)
    return _run(data, "", act, say, needs_data=True)


def revoke(data: Path, key: str, environment: Mapping[str, str]) -> int:
    """Ends the key of that id or name; the exit code."""

    def act(line: OperatorLine) -> None:
        found = _find(line, key)
        line.ask("DELETE", f"/keys/{quote(found.id, safe='')}")
        print(say("revoked", name=found.name))

    say = Words(_TEXTS, environment)
    return _run(data, key, act, say, needs_data=True)


def rotate(data: Path, key: str, overlap_s: int, environment: Mapping[str, str]) -> int:
    """Gives the key of that id or name a new text, which alone goes to standard output; the exit code."""

    def act(line: OperatorLine) -> None:
        found = _find(line, key)
        answer = line.ask("POST", f"/keys/{quote(found.id, safe='')}/rotate", {"overlap": overlap_s})
        print(say("rotated", name=found.name, hours=f"{overlap_s / 3600:g}"), file=sys.stderr, flush=True)
        print(msgspec.json.decode(answer, type=_Made).key, flush=True)

    say = Words(_TEXTS, environment)
    return _run(data, key, act, say, needs_data=True)


def _run(data: Path, key: str, act: Callable[[OperatorLine], None], say: Words, *, needs_data: bool = False) -> int:
    if needs_data and not has_data(data):
        print(say("no_data", data=data), file=sys.stderr)
        return 2
    try:
        with open_line(data) as line:
            act(line)
        return 0
    except Refusal as refusal:
        print(say.refusal(refusal, key), file=sys.stderr)
    except NoAnswer as error:
        print(say("no_answer", data=data, reason=error), file=sys.stderr)
    except (StorageError, OSError) as error:
        print(say("storage", reason=error), file=sys.stderr)
    return 1


def _lines(line: OperatorLine) -> list[_Line]:
    """All keys, page by page."""
    found: list[_Line] = []
    after: str | None = None
    while True:
        page = msgspec.json.decode(line.ask("GET", "/keys", query={"after": after, "limit": _PAGE}), type=_Keys)
        found += page.data
        after = page.next
        if after is None:
            return found


def _find(line: OperatorLine, key: str) -> _Line:
    lines = _lines(line)
    found = next((one for one in lines if key == one.id), None) or next((one for one in lines if key == one.name), None)
    if found is None:
        raise Refusal(404, "no_such_id", f"There is no key with the id or name '{key}'.")
    return found


def _groups(line: OperatorLine, noun: str) -> list[_Group]:
    found: list[_Group] = []
    after: str | None = None
    while True:
        page = msgspec.json.decode(line.ask("GET", "/" + noun, query={"after": after, "limit": _PAGE}), type=_Groups)
        found += page.data
        after = page.next
        if after is None:
            return found


def _group(line: OperatorLine, word: str, nouns: Sequence[str]) -> str:
    """The id of the project or organisation of that id or name; the word itself if there is none."""
    found = [one for noun in nouns for one in _groups(line, noun)]
    return next((one.id for one in found if word in (one.id, one.name)), word)


def _row(line: _Line, projects: Mapping[str, str], say: Words) -> list[str]:
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(line.created)) if line.created is not None else "-"
    return [
        line.id,
        clean(line.name),
        say(line.role),
        clean(projects.get(line.project, line.project)) if line.project is not None else "-",
        clean(", ".join(line.models)) or "-" if line.models is not None else say("all"),
        _limits(line.limits, say),
        line.expires or "-",
        made,
        say(line.source),
    ]


def _limits(limits: LimitsWanted, say: Words) -> str:
    """Limits in as few words as possible."""
    told = [
        say(name, value=money(round(value * 1_000_000_000)) if name.startswith("budget") else value)
        for name, value in msgspec.structs.asdict(limits).items()
        if value is not None
    ]
    return ", ".join(told) or "-"


_TEXTS = {
    "made": (
        "Key '{name}' was made ({id}). This is the only time it is shown:",
        "已新建密钥“{name}”（{id}）。密钥只显示这一次：",
    ),
    "rotated": (
        "Key '{name}' has a new text; the former one works for {hours} more hours. This is the only time it is shown:",
        "密钥“{name}”已换新，旧的还能用 {hours} 小时。新密钥只显示这一次：",
    ),
    "revoked": ("Key '{name}' was revoked.", "已吊销密钥“{name}”。"),
    "none": (
        "There are no keys; 'unigate keys create NAME' makes one.",
        "还没有密钥；运行 unigate keys create 名称 可新建。",
    ),
    "name_taken": (
        "There is a key named '{name}'; revoke it first, or choose another name.",
        "已有名为“{name}”的密钥；请先吊销它，或换一个名称。",
    ),
    "no_such_id": (
        "There is no key with the id or name '{name}'; 'unigate keys list' shows all.",
        "没有编号或名称为“{name}”的密钥；运行 unigate keys list 可查看全部。",
    ),
    "named_in_file": (
        "The key '{name}' is named in the configuration file; change it there and restart.",
        "密钥“{name}”写在配置文件中；请在配置文件里修改并重启。",
    ),
    "head": (
        "ID\tNAME\tROLE\tPROJECT\tMODELS\tLIMITS\tEXPIRES\tMADE\tWHERE",
        "编号\t名称\t角色\t项目\t模型\t限额\t到期\t创建时间\t来源",
    ),
    "file": ("configuration", "配置文件"),
    "store": ("database", "数据库"),
    "admin": ("admin", "管理"),
    "client": ("client", "客户端"),
    "all": ("all", "全部"),
    "requests_per_minute": ("{value} requests/min", "每分钟 {value} 次"),
    "tokens_per_minute": ("{value} tokens/min", "每分钟 {value} token"),
    "concurrency": ("{value} at once", "并发 {value}"),
    "budget_usd_per_day": ("{value}/day", "每天 {value}"),
    "budget_usd_per_month": ("{value}/month", "每月 {value}"),
    "budget_usd_total": ("{value} in all", "共 {value}"),
}
