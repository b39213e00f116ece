"""`unigate projects` and `unigate organisations`: makes, lists and ends what keys belong to."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from urllib.parse import quote

import msgspec

from unigate.command_words import GroupLine, LimitsWanted, Words, group_id, groups_of, run_command, shown_limits
from unigate.errors import Refusal
from unigate.logs import clean
from unigate.operator_line import OperatorLine, Place
from unigate.tables import Paint, table

__all__ = ["GroupWanted", "create", "end", "list_"]


class GroupWanted(msgspec.Struct, frozen=True, omit_defaults=True):
    """A project or an organisation as the command line asks for it; the organisation by id or name."""

    name: str
    limits: LimitsWanted = LimitsWanted()
    models: Sequence[str] | None = None
    organisation: str | None = None


class _Made(msgspec.Struct):
    id: str
    name: str


def create(place: Place, noun: str, wanted: GroupWanted, environment: Mapping[str, str]) -> int:
    """Makes one of `projects` or `organisations`; its id goes to standard output; the exit code."""

    def act(line: OperatorLine) -> None:
        told = wanted
        if wanted.organisation is not None:
            told = msgspec.structs.replace(told, organisation=group_id(line, wanted.organisation, ("organisations",)))
        made = msgspec.json.decode(line.ask("POST", "/" + noun, told), type=_Made)
        print(say("made", name=made.name), file=sys.stderr, flush=True)
        print(made.id, flush=True)

    say = Words(_TEXTS, environment)
    return run_command(place, wanted.name, act, say, needs_data=True)


def list_(place: Place, noun: str, environment: Mapping[str, str]) -> int:
    """Prints all of `projects` or `organisations` as a table; the exit code."""

    def act(line: OperatorLine) -> None:
        found = groups_of(line, noun)
        above = {one.id: one.name for one in groups_of(line, "organisations")} if noun == "projects" else {}
        rows = [say("head").split("\t"), *(_row(one, above, say) for one in found)]
        if noun != "projects":
            rows = [[*row[:2], *row[3:]] for row in rows]
        paint = Paint(sys.stdout, environment.get("NO_COLOR", ""))
        print(table(rows, paint=paint) if found else say("none", noun=noun))

    say = Words(_TEXTS, environment)
    return run_command(place, "", act, say, needs_data=True)


def end(place: Place, noun: str, word: str, environment: Mapping[str, str]) -> int:
    """Ends the project or organisation of that id or name; the exit code."""

    def act(line: OperatorLine) -> None:
        found = next((one for one in groups_of(line, noun) if word in (one.id, one.name)), None)
        if found is None:
            raise Refusal(404, "no_such_id", f"There is nothing with the id or name '{word}'.")
        line.ask("DELETE", f"/{noun}/{quote(found.id, safe='')}")
        print(say("ended", name=found.name))

    say = Words(_TEXTS, environment)
    return run_command(place, word, act, say, needs_data=True)


def _row(line: GroupLine, organisations: Mapping[str, str], say: Words) -> list[str]:
    above = line.organisation
    return [
        line.id,
        clean(line.name),
        clean(organisations.get(above, above)) if above is not None else "-",
        clean(", ".join(line.models)) or "-" if line.models is not None else say("all"),
        shown_limits(line.limits, say),
        say(line.source),
    ]


_TEXTS = {
    "made": ("'{name}' was made; its id:", "已新建“{name}”，编号："),
    "ended": ("'{name}' was ended.", "已删除“{name}”。"),
    "none": (
        "There are none; 'unigate {noun} create NAME' makes one.",
        "还没有；运行 unigate {noun} create 名称 可新建。",
    ),
    "name_taken": ("The name '{name}' is taken; choose another one.", "名称“{name}”已被使用，请换一个。"),
    "no_such_id": (
        "There is nothing with the id or name '{name}'; the command 'list' shows what there is.",
        "没有编号或名称为“{name}”的对象；可用 list 查看全部。",
    ),
    "named_in_file": (
        "'{name}' is named in the configuration file; change it there and restart.",
        "“{name}”写在配置文件中；请在配置文件里修改并重启。",
    ),
    "in_use": (
        "'{name}' is still in use: a project by keys, an organisation by projects. End or move them first.",
        "“{name}”仍在使用：项目中还有密钥，或组织中还有项目。请先删除或移走它们。",
    ),
    "head": ("ID\tNAME\tORGANISATION\tMODELS\tLIMITS\tWHERE", "编号\t名称\t组织\t模型\t限额\t来源"),
}
