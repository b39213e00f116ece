"""`unigate keys`: makes, lists, rotates and revokes keys, through the running gateway or, with none running, alone."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import msgspec

from unigate.command_words import LimitsWanted, Words, group_id, groups_of, limits_from, run_command, shown_limits
from unigate.errors import Refusal
from unigate.logs import clean
from unigate.operator_line import OperatorLine, Place
from unigate.tables import Paint, table

__all__ = ["KeyWanted", "create", "list_", "revoke", "rotate", "wanted_from"]


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


def create(place: Place, wanted: KeyWanted, environment: Mapping[str, str]) -> int:
    """Makes a key: its text alone goes to standard output, so that a script can keep it; the exit code."""

    def act(line: OperatorLine) -> None:
        told = wanted
        if wanted.project is not None:
            told = msgspec.structs.replace(told, project=group_id(line, wanted.project, ("projects",)))
        if wanted.confined_to is not None:
            told = msgspec.structs.replace(
                told, confined_to=group_id(line, wanted.confined_to, ("projects", "organisations"))
            )
        made = msgspec.json.decode(line.ask("POST", "/keys", told), type=_Made)
        print(say("made", name=made.name, id=made.id), file=sys.stderr, flush=True)
        print(made.key, flush=True)

    say = Words(_TEXTS, environment)
    return run_command(place, wanted.name, act, say)


def list_(place: Place, environment: Mapping[str, str]) -> int:
    """Prints all keys as a table; the exit code."""

    def act(line: OperatorLine) -> None:
        lines = _lines(line)
        names = {one.id: one.name for one in groups_of(line, "projects")} if lines else {}
        paint = Paint(sys.stdout, environment.get("NO_COLOR", ""))
        print(
            table([say("head").split("\t"), *(_row(one, names, say) for one in lines)], paint=paint)
            if lines
            else say("none")
        )

    say = Words(_TEXTS, environment)
    return run_command(place, "", act, say, needs_data=True)


def revoke(place: Place, key: str, environment: Mapping[str, str]) -> int:
    """Ends the key of that id or name; the exit code."""

    def act(line: OperatorLine) -> None:
        found = _find(line, key)
        line.ask("DELETE", f"/keys/{quote(found.id, safe='')}")
        print(say("revoked", name=found.name))

    say = Words(_TEXTS, environment)
    return run_command(place, key, act, say, needs_data=True)


def rotate(place: Place, key: str, overlap_s: int, environment: Mapping[str, str]) -> int:
    """Gives the key of that id or name a new text, which alone goes to standard output; the exit code."""

    def act(line: OperatorLine) -> None:
        found = _find(line, key)
        answer = line.ask("POST", f"/keys/{quote(found.id, safe='')}/rotate", {"overlap": overlap_s})
        print(say("rotated", name=found.name, hours=f"{overlap_s / 3600:g}"), file=sys.stderr, flush=True)
        print(msgspec.json.decode(answer, type=_Made).key, flush=True)

    say = Words(_TEXTS, environment)
    return run_command(place, key, act, say, needs_data=True)


def _lines(line: OperatorLine) -> list[_Line]:
    return [one for content in line.pages("/keys") for one in msgspec.json.decode(content, type=_Keys).data]


def _find(line: OperatorLine, key: str) -> _Line:
    lines = _lines(line)
    found = next((one for one in lines if key == one.id), None) or next((one for one in lines if key == one.name), None)
    if found is None:
        raise Refusal(404, "no_such_id", f"There is no key with the id or name '{key}'.")
    return found


def _row(line: _Line, projects: Mapping[str, str], say: Words) -> list[str]:
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(line.created)) if line.created is not None else "-"
    return [
        line.id,
        clean(line.name),
        say(line.role),
        clean(projects.get(line.project, line.project)) if line.project is not None else "-",
        clean(", ".join(line.models)) or "-" if line.models is not None else say("all"),
        shown_limits(line.limits, say),
        line.expires or "-",
        made,
        say(line.source),
    ]


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
}
